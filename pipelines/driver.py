"""Runs stages one after another: a sealed one is found and not run again, a finished one is sealed."""

from __future__ import annotations

from typing import Protocol

from corpus.errors import EngineError
from pipelines.one_stage import StopHere
from pipelines.progress import Progress
from pipelines.stage import Sealed, Stage, done_tasks, find_sealed, seal


class Engine(Protocol):
    """What brings every task of a stage to its marker, wherever it runs."""

    def run(self, stage: Stage) -> None:
        """Runs the tasks that have no marker yet; returns when all have one.

        Raises:
            TokentrailError: A task failed; done tasks keep their markers.
            StopHere: The tasks run elsewhere, and nobody waits for them here: a later build finds their markers.
        """


class Driver:
    """Takes stages to their seals on one engine.

    Args:
        only: The one stage to run, of those that are not sealed; "" for all.

    Attributes:
        sealed: Every stage of this build so far, in order.
        reused: Those of them that were sealed before.
    """

    def __init__(self, engine: Engine, progress: Progress, only: str = "") -> None:
        self._engine, self._progress, self._only = engine, progress, only
        self.sealed: list[Sealed] = []
        self.reused: list[Sealed] = []

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal, running it if need be.

        Raises:
            EngineError: It has to be run, and another one was asked for.
            StopHere: It is the one that was asked for, and is sealed.
        """
        found = find_sealed(stage)
        if found is not None:
            self._progress.reuse(stage.name)
            self.reused.append(found)
        elif self._only not in ("", stage.name) and not _is_done(stage):
            raise EngineError(
                f"stage {stage.name} comes first, and is not sealed",
                where=f"--stage {self._only}",
                remedy=f"run --stage {stage.name}, or all of them without --stage",
            )
        else:
            self._progress.start(stage.name, total_bytes)
            if done := len(done_tasks(stage)):
                self._progress.resume(done, stage.tasks + stage.partitions)
            try:
                self._engine.run(stage)
                found = seal(stage)
            except BaseException:
                self._progress.abandon()
                raise
            self._progress.finish()
        self.sealed.append(found)
        if stage.name == self._only:
            raise StopHere(f"stage {stage.name} is sealed: {stage.folder}")
        return found


def _is_done(stage: Stage) -> bool:
    """Whether only the seal is lacking: its tasks ran where nobody waited for them."""
    return len(done_tasks(stage)) == stage.tasks + stage.partitions
