"""One task, from its input to its marker: what a worker is told to do.

The rows of an exchange go through spill files in the store, or, where an engine has a way of its own, as blocks.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator

from corpus import storage
from corpus.storage import NewFile
from corpus.table import Columns
from pipelines.spill import BUDGET_BYTES, SpillWriter, read_blocks, read_spills, spill_url
from pipelines.stage import Output, Stage, done_tasks, publish_marker, task_name

Tick = Callable[[int, int], None]
_TICK_SECONDS = 0.25  # unpublished: our choice; as often as a person's screen is drawn


class Ticker:
    """Passes progress on at most a few times a second."""

    def __init__(self, pass_on: Tick) -> None:
        self._pass_on = pass_on
        self._size = self._documents = 0
        self._last = time.monotonic()

    def __call__(self, size: int, documents: int) -> None:
        """So much more text, so many more documents."""
        self._size, self._documents = self._size + size, self._documents + documents
        if time.monotonic() - self._last > _TICK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Passes on what is held."""
        if self._size or self._documents:
            self._pass_on(self._size, self._documents)
        self._size = self._documents = 0
        self._last = time.monotonic()


def undone(stage: Stage, kind: str) -> list[int]:
    """The numbers of the map or reduce tasks that are still to run.

    A map task of an exchange has to run again when its marker is there and its rows are not: an engine that hands
    rows on by other ways left the one and not the other.
    """
    done = done_tasks(stage)
    if len(done) == stage.tasks + stage.partitions:
        return []
    if kind == "map" and stage.reduce is not None:
        done &= set(storage.list_files(storage.join(stage.folder, "spill")))
    count = stage.tasks if kind == "map" else stage.partitions
    return [number for number in range(count) if task_name(kind, number) not in done]


def run_map(stage: Stage, number: int, tick: Tick) -> None:
    """One map task, from its input to its marker."""
    task, ticker = task_name("map", number), Ticker(tick)
    if stage.reduce is None:
        output = Output(stage, task, None, ticker)
        stage.map(stage.job, number, output)
    else:
        file = NewFile(spill_url(stage, task))
        try:
            spill = SpillWriter(file)
            output = Output(stage, task, spill, ticker)
            stage.map(stage.job, number, output)
            spill.finish()
            file.publish()
        finally:
            file.discard()
    publish_marker(stage, task, output)
    ticker.flush()


def map_blocks(stage: Stage, number: int, tick: Tick) -> Iterator[tuple[int, bytes]]:
    """One map task of an exchange, now; its rows go on as (partition, block), packed as they are asked for.

    Past the budget they wait on this machine's disk. The marker is published behind the last of them.
    """
    task, ticker = task_name("map", number), Ticker(tick)
    file = tempfile.SpooledTemporaryFile(BUDGET_BYTES)  # noqa: SIM115 (closed behind the last block)
    try:
        spill = SpillWriter(file)
        output = Output(stage, task, spill, ticker)
        stage.map(stage.job, number, output)
        spill.finish()
    except BaseException:
        file.close()
        raise

    def hand_on() -> Iterator[tuple[int, bytes]]:
        with file:
            yield from read_blocks(file)
        publish_marker(stage, task, output)
        ticker.flush()

    return hand_on()


def run_reduce(stage: Stage, partition: int, tick: Tick) -> None:
    """One reduce task, from the spills of every map task to its marker."""
    reduce_blocks(stage, partition, read_spills(stage, partition), tick)


def reduce_blocks(stage: Stage, partition: int, blocks: Iterator[Columns], tick: Tick) -> None:
    """One reduce task over blocks that come once, in any order, by whatever way.

    Raises:
        TypeError: The stage has no exchange.
    """
    if stage.reduce is None:
        raise TypeError(f"stage {stage.name} has no reduce")
    task, ticker = task_name("reduce", partition), Ticker(tick)
    output = Output(stage, task, None, ticker)
    stage.reduce(stage.job, partition, blocks, output)
    publish_marker(stage, task, output)
    ticker.flush()
