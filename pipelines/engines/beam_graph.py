"""A stage as a Beam graph: one job a stage, whichever runner takes it.

    a map         runs of task numbers | Reshuffle | map
    an exchange   runs of task numbers | Reshuffle | map | with every partition's number | GroupByKey | reduce

Through Beam go numbers and packed blocks, in coders that every SDK knows, and at the end nothing: what a stage is
lies in the store, and so does all that its tasks make.
An attempt that a runner repeats, or runs twice at once, publishes the same bytes under the same names.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import apache_beam as beam

from pipelines.fleet import check_fleet, versions
from pipelines.packing import unpack
from pipelines.retry import ATTEMPTS, may_pass
from pipelines.stage import Stage
from pipelines.stage_file import read_stage
from pipelines.task import map_blocks, reduce_blocks, run_map, undone

Run = tuple[int, int]  # consecutive numbers: the first, and the one behind the last
Block = tuple[int, bytes]  # a partition, and rows of it; none where the bytes are empty
T = TypeVar("T")


def add_stage(pipeline: beam.Pipeline, stage: Stage, url: str) -> None:
    """Adds what is still to run of a stage to a pipeline.

    Args:
        url: Where the stage is written for its workers.
    """
    if stage.reduce is None:
        numbers = _spread(pipeline, stage, undone(stage, "map"))
        _ = numbers | f"{stage.name}: map" >> beam.ParDo(MapTask(url, versions())).with_output_types(int)
        return
    partitions = runs(undone(stage, "reduce"))
    # Rows outlive no job, wherever the markers of map tasks are: while a partition is to be made, all of them run.
    rows = _spread(pipeline, stage, range(stage.tasks)) | f"{stage.name}: map" >> beam.ParDo(
        MapBlocks(url, versions(), partitions)
    ).with_output_types(Block)
    every = (
        pipeline
        | f"{stage.name}: partitions" >> beam.Create(partitions).with_output_types(Run)
        | f"{stage.name}: no rows" >> beam.FlatMap(no_rows).with_output_types(Block)
    )
    _ = (
        (rows, every)
        | f"{stage.name}: all partitions" >> beam.Flatten()
        | f"{stage.name}: exchange" >> beam.GroupByKey()
        | f"{stage.name}: reduce" >> beam.ParDo(ReduceTask(url, versions())).with_output_types(int)
    )


def _spread(pipeline: beam.Pipeline, stage: Stage, numbers: Sequence[int]) -> beam.PCollection:
    """The numbers of map tasks, free to go to any worker."""
    return (
        pipeline
        | f"{stage.name}: tasks" >> beam.Create(runs(numbers)).with_output_types(Run)
        | f"{stage.name}: numbers" >> beam.FlatMap(numbers_of).with_output_types(int)
        | f"{stage.name}: spread" >> beam.Reshuffle()
    )


def runs(numbers: Sequence[int]) -> list[Run]:
    """Ascending numbers as runs of consecutive ones: a graph names a million tasks in a few bytes."""
    found: list[Run] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = found[-1][0], number + 1
        else:
            found.append((number, number + 1))
    return found


def numbers_of(run: Run) -> Iterable[int]:
    """The numbers of a run."""
    return range(*run)


def no_rows(run: Run) -> Iterator[Block]:
    """A mark for every partition of a run: one that no map task has rows for is made all the same."""
    for partition in range(*run):
        yield partition, b""


class Task(beam.DoFn):
    """What every task does first: reads its stage, once a worker, and refuses a worker of another fleet.

    Args:
        url: Where the stage is written.
        fleet: The versions of the process that drives the build.
    """

    def __init__(self, url: str, fleet: Mapping[str, str]) -> None:
        self._url, self._fleet = url, dict(fleet)

    def setup(self) -> None:
        """Once a worker.

        Raises:
            EngineError: The worker is not fit for the build, or does not share its store.
        """
        check_fleet(self._fleet, {platform.node(): versions()})
        self._stage = read_stage(self._url)


class MapTask(Task):
    """A task of a stage without an exchange."""

    def process(self, number: int) -> None:
        """Runs it."""
        tried(lambda: run_map(self._stage, number, untold))


class MapBlocks(Task):
    """A map task of an exchange.

    Args:
        partitions: Runs of those that are still to be made: rows of no others go on.
    """

    def __init__(self, url: str, fleet: Mapping[str, str], partitions: Sequence[Run]) -> None:
        super().__init__(url, fleet)
        self._partitions = partitions

    def setup(self) -> None:
        """Once a worker."""
        super().setup()
        self._wanted = {number for run in self._partitions for number in numbers_of(run)}

    def process(self, number: int) -> Iterator[Block]:
        """Runs it; its rows are packed whole, so that a second try repeats none."""
        for partition, block in tried(lambda: map_blocks(self._stage, number, untold)):
            if partition in self._wanted:
                yield partition, block


class ReduceTask(Task):
    """A partition of an exchange."""

    def process(self, element: tuple[int, Iterable[bytes]]) -> None:
        """Makes it from its blocks, unpacked one at a time."""
        partition, blocks = element
        tried(lambda: reduce_blocks(self._stage, partition, (unpack(b) for b in blocks if b), untold))


def tried(run: Callable[[], T]) -> T:
    """What a task gives, after a few tries if its failure may pass."""
    for _ in range(ATTEMPTS - 1):
        try:
            return run()
        except Exception as error:
            if not may_pass(error):
                raise
    return run()


def untold(text_bytes: int, documents: int) -> None:
    """Progress on its way to nobody: the marker tells it when the task is done."""
