"""What an exchange has in flight on one machine or shared storage: a file per map task, rows grouped by partition.

A spill file is a row of Arrow streams, each the rows of one partition; the marker of its task says where they lie.
Several flushes make several streams of one partition: the memory of a task is bounded by the budget.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from corpus import storage
from corpus.table import Columns, from_batch, gather, to_batch
from pipelines.stage import Stage, read_marker, task_name

BUDGET_BYTES = 64 << 20  # unpublished: our choice; what a map task holds before it flushes
_BATCH_BYTES = 1 << 20  # unpublished: our choice; smaller tables are put together, larger ones are not copied
_CODEC = pa.ipc.IpcWriteOptions(compression="lz4")


class SpillWriter:
    """Collects a map task's rows by partition and writes them out whenever they pass the budget."""

    def __init__(self, stage: Stage, task: str) -> None:
        self._file = storage.NewFile(storage.join(stage.folder, "spill", task))
        self._held: dict[int, list[Columns]] = {}
        self._bytes = 0
        self.index: dict[int, list[tuple[int, int]]] = {}

    def emit(self, partition: int, columns: Columns) -> None:
        """Takes rows for one partition."""
        self._held.setdefault(partition, []).append(columns)
        self._bytes += sum(column.nbytes for column in columns.values())
        if self._bytes > BUDGET_BYTES:
            self._flush()

    def _flush(self) -> None:
        for partition in sorted(self._held):
            start = self._file.size
            # The first table says in which order the columns stand.
            names = list(self._held[partition][0])
            batches = map(to_batch, gather(self._held.pop(partition), _BATCH_BYTES))
            first = next(batches).select(names)
            with pa.ipc.new_stream(self._file, first.schema, options=_CODEC) as writer:
                writer.write_batch(first)
                for batch in batches:
                    writer.write_batch(batch.select(names))
            self.index.setdefault(partition, []).append((start, self._file.size - start))
        self._held, self._bytes = {}, 0

    def publish(self) -> None:
        """Writes what is held and gives the file its name."""
        self._flush()
        self._file.publish()

    def discard(self) -> None:
        """Forgets an attempt; harmless after `publish`."""
        self._file.discard()


def read_spills(stage: Stage, partition: int) -> Iterator[Columns]:
    """Every block of one partition, one at a time, from all map tasks."""
    for number in range(stage.tasks):
        task = task_name("map", number)
        marker = read_marker(stage, task)
        if marker is None or partition not in marker.spill:
            continue
        with storage.open_input(storage.join(stage.folder, "spill", task)) as file:
            for start, _ in marker.spill[partition]:
                file.seek(start)
                for batch in pa.ipc.open_stream(file):
                    yield from_batch(batch)
