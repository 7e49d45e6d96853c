"""A stage of numbers whose tasks wait, fail or kill their worker when told to: for the tests of engines."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from corpus.table import Columns, concat
from pipelines.stage import Output, Stage

COUNT = 1000


@dataclass(frozen=True)
class Trouble:
    """What befalls the tasks of a stage.

    Attributes:
        folder: Where tasks leave a file per attempt, `<number>.<process>.<time>`.
        deaths: How many attempts at a task kill their worker.
        error: What every attempt at task 0 raises.
        waits: Tasks that end once the file `go` is there.
    """

    folder: str
    tasks: int
    partitions: int
    deaths: dict[int, int] = field(default_factory=dict)
    error: BaseException | None = None
    waits: frozenset[int] = frozenset()

    def __reduce__(self) -> tuple[Any, ...]:
        Path(self.folder, f"pickled.{time.monotonic_ns()}").touch()
        return _unpickled, (pickle.dumps(tuple(vars(self).values())),)

    def attempts(self, number: int) -> int:
        """How many attempts at a task began."""
        return len(list(Path(self.folder).glob(f"{number}.*")))


def _unpickled(values: bytes) -> Trouble:
    return Trouble(*pickle.loads(values))


def troubled_map(job: Trouble, number: int, output: Output) -> None:
    Path(job.folder, f"{number}.{os.getpid()}.{time.monotonic_ns()}").touch()
    if job.attempts(number) <= job.deaths.get(number, 0):
        os.kill(os.getpid(), signal.SIGKILL)
    while number in job.waits and not Path(job.folder, "go").exists():
        time.sleep(0.05)
    if number == 0 and job.error is not None:
        raise job.error
    values = np.arange(number, COUNT, job.tasks)
    output.emit(values % job.partitions, {"value": values})
    output.counts["numbers"] += len(values)
    output.tick(8 * len(values), len(values))


def troubled_reduce(job: Trouble, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    output.write("numbers.arrow", {"value": np.sort(concat(blocks)["value"])})


def troubled_stage(folder: Path, tasks: int = 6, **trouble: Any) -> Stage:
    """A stage in a store of its own; its tasks read `file-<number>`."""
    (folder / "attempts").mkdir(parents=True, exist_ok=True)
    return Stage(
        name="numbers",
        store=str(folder / "store"),
        rules={"version": 1},
        inputs=["a"],
        job=Trouble(str(folder / "attempts"), tasks, 3, **trouble),
        tasks=tasks,
        map=troubled_map,
        partitions=3,
        reduce=troubled_reduce,
        reads={f"map-{number:05d}": f"file-{number}" for number in range(tasks)},
    )
