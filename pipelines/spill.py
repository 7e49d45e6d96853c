"""What an exchange has in flight: rows packed into blocks, and on shared storage a file of blocks per map task.

A block is the rows of one partition as an Arrow stream of at most 16 MiB; a single row larger than that is a block
of its own. Which blocks a partition comes in, and in what order, is nobody's promise. A spill file is blocks, then
where each lies, partition by partition, then at which of these entries each partition begins, and last how many
partitions it knows: whoever wants one reads its entries alone, however many there are.

    block ...  | (start, bytes) ... | first entry of each partition, and their number | partitions     uint64 each
"""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Iterable, Iterator
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import storage
from corpus.document import Texts
from corpus.table import Columns, concat, cut, from_batch, gather, row_count, take, to_batch
from pipelines.stage import Stage, task_name

BUDGET_BYTES = 64 << 20  # unpublished: our choice; what a map task holds before it flushes
BLOCK_BYTES = 15 << 20  # design: blocks of at most 16 MiB; the rest is room for what Arrow adds to the rows
_GATHER_BYTES = 4 << 20  # unpublished: our choice; smaller tables are put together, larger ones are not copied
_CODEC, _PLAIN = pa.ipc.IpcWriteOptions(compression="lz4"), pa.ipc.IpcWriteOptions()
# Unpublished: our choice. To have a codec made for every column takes longer than to write so little as it is.
_COMPRESSED_BYTES = 32 << 10
_NUMBER = np.dtype("<u8")


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
            options = _CODEC if rows.nbytes >= _COMPRESSED_BYTES else _PLAIN
            with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
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
    """Collects a map task's rows and writes them out by partition, packed, whenever they pass the budget.

    They are divided when they are written, not when they come: each of thousands of partitions would hold a table
    of one row or two for every table that came, and such a table is thirty times its rows.
    """

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._held: list[tuple[NDArray[np.int64], Columns]] = []
        self._bytes = self._end = 0
        self._entries = array("Q")

    @property
    def entries(self) -> NDArray[np.uint64]:
        """uint64[n, 3], the blocks that were written: partition, start, bytes."""
        return np.array(self._entries, np.uint64).reshape(-1, 3)

    def emit(self, partition: NDArray[np.int64], columns: Columns) -> None:
        """Takes rows, each for its partition."""
        if not row_count(columns):
            return
        self._held.append((partition, columns))
        self._bytes += sum(column.nbytes for column in columns.values())
        if self._bytes > BUDGET_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what is held."""
        if not self._held:
            return
        partition = np.concatenate([numbers for numbers, _ in self._held])
        whole = concat(columns for _, columns in self._held)
        self._held, self._bytes = [], 0
        order = np.argsort(partition, kind="stable")
        partition, whole = partition[order], take(whole, order)
        bounds = [0, *(np.flatnonzero(np.diff(partition)) + 1).tolist(), len(partition)]
        for first, end in itertools.pairwise(bounds):
            for block in pack([cut(whole, first, end)]):
                self._file.write(memoryview(block))
                self._entries.extend((int(partition[first]), self._end, block.size))
                self._end += block.size

    def finish(self) -> None:
        """Writes what is held, and the index behind it."""
        self.flush()
        entries = self.entries
        entries = entries[np.argsort(entries[:, 0], kind="stable")]
        count = int(entries[-1, 0]) + 1 if len(entries) else 0
        firsts = np.searchsorted(entries[:, 0], np.arange(count + 1, dtype=np.uint64))
        for numbers in (entries[:, 1:], firsts, np.array([count])):
            self._file.write(np.ascontiguousarray(numbers, _NUMBER).tobytes())


def spill_url(stage: Stage, task: str) -> str:
    """Where the rows of a map task lie."""
    return storage.join(stage.folder, "spill", task)


def read_spills(stage: Stage, partition: int) -> Iterator[Columns]:
    """Every block of one partition, one at a time, from all map tasks."""
    for number in range(stage.tasks):
        with storage.open_input(spill_url(stage, task_name("map", number))) as file:
            for start, size in _places(file, partition):
                file.seek(start)
                yield unpack(file.read(size))


def _places(file: IO[bytes], partition: int) -> list[list[int]]:
    """Where the blocks of one partition lie: start and bytes of each."""
    end = file.seek(-_NUMBER.itemsize, os.SEEK_END)
    count = int(_read_numbers(file, end, 1)[0])
    if partition >= count:
        return []
    firsts = end - (count + 1) * _NUMBER.itemsize
    entries = int(_read_numbers(file, end - _NUMBER.itemsize, 1)[0])
    first, last = _read_numbers(file, firsts + partition * _NUMBER.itemsize, 2).tolist()
    start = firsts - (entries - first) * 2 * _NUMBER.itemsize
    found: list[list[int]] = _read_numbers(file, start, 2 * (last - first)).reshape(-1, 2).tolist()
    return found


def _read_numbers(file: IO[bytes], start: int, count: int) -> NDArray[np.uint64]:
    file.seek(start)
    return np.frombuffer(file.read(count * _NUMBER.itemsize), _NUMBER)
