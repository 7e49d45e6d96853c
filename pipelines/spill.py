"""What an exchange has in flight: rows packed into blocks, and on shared storage a file of blocks per map task.

A block is the rows of one partition as an Arrow stream of at most 16 MiB; a single row larger than that is a block
of its own. Which blocks a partition comes in, and in what order, is nobody's promise. A spill file is blocks, then
an index of them, then the number of its entries: it says by itself where each partition's rows lie.

    block ...  | (partition uint32, start uint64, bytes uint64) ... | entries uint64        little-endian
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import storage
from corpus.document import Texts
from corpus.table import Columns, from_batch, gather, row_count, to_batch
from pipelines.stage import Stage, task_name

BUDGET_BYTES = 64 << 20  # unpublished: our choice; what a map task holds before it flushes
BLOCK_BYTES = 15 << 20  # design: blocks of at most 16 MiB; the rest is room for what Arrow adds to the rows
_GATHER_BYTES = 4 << 20  # unpublished: our choice; smaller tables are put together, larger ones are not copied
_CODEC = pa.ipc.IpcWriteOptions(compression="lz4")
_ENTRY = np.dtype([("partition", "<u4"), ("start", "<u8"), ("bytes", "<u8")])
_COUNT = np.dtype("<u8")


class Writable(Protocol):
    """Where packed blocks are appended."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Appends bytes; gives how many."""


def pack(tables: Iterable[Columns]) -> Iterator[pa.Buffer]:
    """Tables of the same columns as blocks; small tables share one, large ones are cut."""
    names: list[str] = []
    for table in gather(tables, _GATHER_BYTES):
        batch = to_batch(table)
        names = names or batch.schema.names  # The first table says in which order the columns stand.
        for first, end in _cuts(table):
            sink = pa.BufferOutputStream()
            rows = batch.select(names).slice(first, end - first)
            with pa.ipc.new_stream(sink, rows.schema, options=_CODEC) as writer:
                writer.write_batch(rows)
            yield sink.getvalue()


def _cuts(table: Columns) -> Iterator[tuple[int, int]]:
    """The longest runs of rows that stay within a block: (first, end)."""
    rows = row_count(table)
    if sum(column.nbytes for column in table.values()) <= BLOCK_BYTES:
        yield 0, rows
        return
    sizes = np.zeros(rows, np.int64)
    for column in table.values():
        sizes += column.lengths + 8 if isinstance(column, Texts) else column.nbytes // rows
    ends = np.cumsum(sizes)
    first = 0
    while first < rows:
        before = ends[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + BLOCK_BYTES, "right")))
        yield first, end
        first = end


def unpack(block: bytes | pa.Buffer) -> Columns:
    """The rows of a block, sharing its memory where they are not compressed."""
    return from_batch(pa.ipc.open_stream(block).read_next_batch())


class SpillWriter:
    """Collects a map task's rows by partition and writes them out, packed, whenever they pass the budget.

    Attributes:
        entries: What was written: (partition, start, bytes).
    """

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._held: dict[int, list[Columns]] = {}
        self._bytes = self._end = 0
        self.entries: list[tuple[int, int, int]] = []

    def emit(self, partition: int, columns: Columns) -> None:
        """Takes rows for one partition."""
        self._held.setdefault(partition, []).append(columns)
        self._bytes += sum(column.nbytes for column in columns.values())
        if self._bytes > BUDGET_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what is held."""
        for partition in sorted(self._held):
            for block in pack(self._held.pop(partition)):
                self._file.write(memoryview(block))
                self.entries.append((partition, self._end, block.size))
                self._end += block.size
        self._held, self._bytes = {}, 0

    def finish(self) -> None:
        """Writes what is held, and the index behind it."""
        self.flush()
        self._file.write(np.array(self.entries, _ENTRY).tobytes() + _COUNT.type(len(self.entries)).tobytes())


def spill_url(stage: Stage, task: str) -> str:
    """Where the rows of a map task lie."""
    return storage.join(stage.folder, "spill", task)


def read_spills(stage: Stage, partition: int) -> Iterator[Columns]:
    """Every block of one partition, one at a time, from all map tasks."""
    for number in range(stage.tasks):
        with storage.open_input(spill_url(stage, task_name("map", number))) as file:
            for entry in _read_index(file, partition):
                file.seek(int(entry["start"]))
                yield unpack(file.read(int(entry["bytes"])))


def _read_index(file: IO[bytes], partition: int) -> NDArray[np.void]:
    """The entries of one partition."""
    end = file.seek(-_COUNT.itemsize, os.SEEK_END)
    size = int(np.frombuffer(file.read(_COUNT.itemsize), _COUNT)[0]) * _ENTRY.itemsize
    file.seek(end - size)
    entries: NDArray[np.void] = np.frombuffer(file.read(size), _ENTRY)
    return entries[np.flatnonzero(entries["partition"] == partition)]
