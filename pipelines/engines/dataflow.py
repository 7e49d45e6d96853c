"""What is Dataflow's alone: a job's name, so that none is paid twice, its labels, and where it is watched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from corpus.errors import EngineError
from pipelines.stage import Stage

_LABEL_CHARS = 63  # Google Cloud, "Requirements for labels": lower-case letters, digits, _ and -
_NAME_CHARS = 63  # Dataflow's Job.name: [a-z]([-a-z0-9]{0,1022}[a-z0-9])?, and a label of its machines


# What is installed here is listed for every job, in seconds; workers are compared with us before they do anything.
FLAGS = ("--experiments=disable_logging_submission_environment",)


def job_flags(stage: Stage, labels: Mapping[str, str]) -> list[str]:
    """What a stage's job is called, and labelled with beside a person's own labels."""
    named = {**labels, "stage": stage.name}
    return [f"--job_name={job_name(stage)}", *(f"--labels={key}={label(value)}" for key, value in named.items())]


def job_name(stage: Stage) -> str:
    """The name of a stage's job, ever the same: of two that run at once Dataflow refuses the second."""
    return f"tokentrail-{stage.name}-{stage.key}"[:_NAME_CHARS]


def label(text: str) -> str:
    """A text in the letters that a label may have."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:_LABEL_CHARS]


def is_template(options: PipelineOptions) -> bool:
    """Whether a job is written down for a Flex Template's launcher, which starts it itself."""
    return bool(options.view_as(GoogleCloudOptions).template_location)


def job_url(result: Any, options: PipelineOptions) -> str:
    """Where a person watches the job."""
    cloud = options.view_as(GoogleCloudOptions)
    jobs = "https://console.cloud.google.com/dataflow/jobs"
    return f"{jobs}/{cloud.region}/{result.job_id()}?project={cloud.project}"


def explained(error: BaseException, stage: Stage) -> EngineError | None:
    """What only Dataflow ends with: the stage's job runs already, left by a driver that died."""
    if type(error).__name__ != "DataflowJobAlreadyExistsError":
        return None
    return EngineError(
        "the stage's job runs already: whoever started it is gone, and it is not",
        where=f"stage {stage.name}, job {job_name(stage)}",
        remedy="wait until it ends, or cancel it, and start the same command again",
    )
