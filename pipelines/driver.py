"""Runs stages one after another: a sealed one is found and not run again, a finished one is sealed."""

from __future__ import annotations

from typing import Protocol

from pipelines.progress import Progress
from pipelines.stage import Sealed, Stage, done_tasks, find_sealed, seal


class Engine(Protocol):
    """What brings every task of a stage to its marker, wherever it runs."""

    def run(self, stage: Stage) -> None:
        """Runs the tasks that have no marker yet; returns when all have one.

        Raises:
            TokentrailError: A task failed; done tasks keep their markers.
        """


class Driver:
    """Takes stages to their seals on one engine.

    Attributes:
        sealed: Every stage of this build so far, in order.
        reused: Those of them that were sealed before.
    """

    def __init__(self, engine: Engine, progress: Progress) -> None:
        self._engine, self._progress = engine, progress
        self.sealed: list[Sealed] = []
        self.reused: list[Sealed] = []

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal, running it if need be."""
        found = find_sealed(stage)
        if found is not None:
            self._progress.reuse(stage.name)
            self.reused.append(found)
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
        return found
