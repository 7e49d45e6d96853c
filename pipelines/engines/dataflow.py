"""What is Dataflow's alone: a job's name and labels, and where a person watches it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from pipelines.stage import Stage

_LABEL_CHARS = 63  # Google Cloud, "Requirements for labels": lower-case letters, digits, _ and -
_NAME_CHARS = 63  # Dataflow's Job.name: [a-z]([-a-z0-9]{0,1022}[a-z0-9])?, and a label of its machines


def job_name(stage: Stage) -> str:
    """The name of a stage's job: of two that run at once Dataflow refuses the second, so no stage is paid twice."""
    return f"tokentrail-{stage.name}-{stage.key}"[:_NAME_CHARS]


def job_labels(stage: Stage, labels: Mapping[str, str]) -> dict[str, str]:
    """By what a job is found again and paid: what is built, and the stage, in the letters that labels may have."""
    return {key: _label(value) for key, value in {**labels, "stage": stage.name}.items()}


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:_LABEL_CHARS]


def job_url(result: Any, options: PipelineOptions) -> str:
    """Where a person watches the job."""
    cloud = options.view_as(GoogleCloudOptions)
    jobs = "https://console.cloud.google.com/dataflow/jobs"
    return f"{jobs}/{cloud.region}/{result.job_id()}?project={cloud.project}"
