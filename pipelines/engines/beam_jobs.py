"""The Beam engine: one job a stage, on the runner that a person names.

The driver waits for a job, follows its markers in the store, and cancels it when it is itself interrupted. What a
task raised comes back as a runner's text, and to the person in its own words.
"""

from __future__ import annotations

import argparse
import io
import re
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stderr
from types import TracebackType
from typing import Any, Self

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners import create_runner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from corpus import errors, storage
from corpus.errors import EngineError, RecipeError, TokentrailError
from pipelines.engines import dataflow
from pipelines.engines.beam_graph import add_stage
from pipelines.engines.beam_processes import ProcessEnvironment, Processes
from pipelines.log_lines import LOGGER
from pipelines.one_stage import StopHere
from pipelines.stage import Stage, done_tasks, read_marker
from pipelines.stage_file import write_stage
from pipelines.task import Tick

DIRECT = "FnApiRunner"
DATAFLOW = "DataflowRunner"
_LOOK_SECONDS = 1.0  # unpublished: our choice; as often as markers on this machine are counted
_LOOK_FAR_SECONDS = 15.0  # unpublished: our choice; and in an object store, where a list is paid
_SUBMIT_SECONDS = 60.0  # unpublished: our choice; for a submission that an interrupt meets half-way
_DYING_SECONDS = 0.5  # unpublished: our choice; a worker's lines close a little before it is gone
_OUR_ERROR = re.compile(r"corpus\.errors\.(\w+): error: (.*)\n +at: (.*)\n +do: (.*)")


class BeamEngine:
    """Runs stages as Beam jobs.

    Args:
        runner: Its class name in Beam.
        workers: Processes, where we start them: with FnApiRunner alone; with one, within this process.
        on_tick: Called with (text bytes, documents) as tasks end.
        beam_options: Beam's own arguments.
        labels: What is built, for runners that label jobs.

    Raises:
        RecipeError: Beam does not know an option, or lacks one.
    """

    def __init__(
        self,
        runner: str,
        workers: int,
        on_tick: Tick,
        beam_options: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        check_options(runner, beam_options)
        self._runner, self._on_tick, self._labels = runner, on_tick, labels or {}
        # Tasks lie in modules that every worker imports: nothing of this process is pickled beside them.
        self._options = [*beam_options, f"--runner={runner}", "--no_save_main_session"]
        self._processes = Processes(workers) if runner == DIRECT and workers > 1 else None
        self._workers, self._stack = workers, ExitStack()

    def __enter__(self) -> Self:
        if self._processes is not None:
            self._stack.enter_context(self._processes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, stage: Stage) -> None:
        """Brings every task of a stage to its marker, in one job.

        Raises:
            EngineError: The runner gave up, a worker died or is not fit for the build.
            TokentrailError: A task failed.
            StopHere: The job is a template's: the service starts it once this process has ended.
        """
        pipeline = self.pipeline(stage)
        seen = done_tasks(stage)
        job = Job(pipeline)
        job.start()
        near = storage.is_local(stage.store)
        try:
            while not job.ended.wait(_LOOK_SECONDS if near else _LOOK_FAR_SECONDS):
                self._follow(stage, seen)
                if self._processes is not None:
                    self._processes.check(stage)
            self._follow(stage, seen)
        except BaseException:
            job.cancel()
            raise
        if job.error is not None:
            if self._processes is not None:
                self._processes.check(stage, _DYING_SECONDS)
            raise explained(job.error, stage) from job.error
        if job.is_template:
            raise StopHere(f"stage {stage.name} is handed over: once its job has ended, another launch seals it")

    def pipeline(self, stage: Stage) -> beam.Pipeline:
        """The job of a stage, not yet started."""
        flags = list(self._options)
        runner = self._runner
        if self._runner == DIRECT:
            environment = ProcessEnvironment() if self._processes is not None else None
            runner = FnApiRunner(default_environment=environment)
            flags += [f"--direct_num_workers={self._workers}"]
        if self._runner == DATAFLOW:
            flags += [*dataflow.FLAGS, *dataflow.job_flags(stage, self._labels)]
        pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(flags))
        add_stage(pipeline, stage, write_stage(stage))
        return pipeline

    def _follow(self, stage: Stage, seen: set[str]) -> None:
        """Tells of the tasks that ended meanwhile."""
        for task in sorted(done_tasks(stage) - seen):
            seen.add(task)
            marker = read_marker(stage, task)
            if marker is not None:
                self._on_tick(*marker.progress)


class Job:
    """A pipeline on its way, in a thread: the main one stays free to look after it, and to be interrupted.

    Attributes:
        ended: Set when there is no more to wait for.
        error: What it ended with, if not well.
        is_template: Whether it is only described here, for a service to start.
    """

    def __init__(self, pipeline: beam.Pipeline) -> None:
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.is_template = dataflow.is_template(pipeline.options)
        self._pipeline = pipeline
        self._submitted = threading.Event()
        self._result: Any = None

    def start(self) -> None:
        """Submits it."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._pipeline.run()
            self._submitted.set()
            if self.is_template:
                return
            if self._url():
                LOGGER.info(f"job: {self._url()}", extra={"facts": {"url": self._url()}})
            self._result.wait_until_finish()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()

    def cancel(self) -> None:
        """Ends a job that runs elsewhere; here its processes are ended with the engine.

        Raises:
            EngineError: It cannot be ended from here.
        """
        if isinstance(self._pipeline.runner, FnApiRunner):
            return
        if not self._submitted.wait(_SUBMIT_SECONDS) or self.ended.is_set():
            return
        try:
            self._result.cancel()
        except Exception as error:  # of whatever client the runner has
            raise EngineError(
                f"the job cannot be cancelled from here: {error}",
                where=self._url() or "the runner",
                remedy="cancel it there: what it has done is kept",
            ) from error

    def _url(self) -> str:
        """Where a person watches it, if there is such a place."""
        is_dataflow = self._pipeline.options.view_as(StandardOptions).runner == DATAFLOW
        return dataflow.job_url(self._result, self._pipeline.options) if is_dataflow else ""


def check_options(runner: str, flags: Sequence[str]) -> None:
    """Refuses options that Beam does not know, and a runner that lacks one.

    Raises:
        RecipeError: So it is.
    """
    options, said = PipelineOptions([*flags, f"--runner={runner}"]), io.StringIO()
    parsers: list[argparse.ArgumentParser] = []
    try:
        with redirect_stderr(said):  # Beam's parser explains itself at length, and exits.
            options.get_all_options(add_extra_args_fn=parsers.append)
            unknown = parsers[0].parse_known_args(list(flags))[1]
    except SystemExit as error:
        what = said.getvalue().strip().rpartition("error: ")[2]
        raise RecipeError(f"Beam cannot read an option: {what}", where=" ".join(flags), remedy=_SEE) from error
    if unknown:
        raise RecipeError("neither this program nor Beam knows the option", where=" ".join(unknown), remedy=_SEE)
    # Of a runner's own conditions Beam gives all at once; a person mends one after another.
    lacking = PipelineOptionsValidator(options, create_runner(runner)).validate()
    if lacking:
        raise RecipeError(" ".join(lacking[0].split()), where=f"the options of Beam's {runner}", remedy=_SEE)


_SEE = "see --help for our options, and Beam's page of its runner for the runner's"


def explained(error: BaseException, stage: Stage) -> TokentrailError:
    """What ended a job, in the words of the task that raised it; else in the runner's last."""
    text = "".join(traceback.format_exception(error))
    ours = _OUR_ERROR.search(text)
    if ours is not None:
        kind = getattr(errors, ours[1], EngineError)
        found: TokentrailError = kind(ours[2], where=ours[3], remedy=ours[4])
        return found
    last = text.strip().removesuffix("None").strip()  # as Dataflow says where it knows no more
    return dataflow.explained(error, stage) or EngineError(
        f"Beam ended the job: {last.splitlines()[-1].strip()}",
        where=f"stage {stage.name}",
        remedy="start the same command again: done tasks are kept; --debug shows everything",
    )
