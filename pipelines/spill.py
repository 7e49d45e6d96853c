"""A file of rows in flight: what a map task has for each partition of an exchange.

A cell is the rows of one task for one partition. A large one is written as blocks, a small one bare
(`packing.py`); behind them where each lies, partition by partition, then at which of these entries each partition
begins, and last what bare records hold: whoever wants one partition reads its entries alone.

    cell ... | (start, bytes, bare rows) ... | first entry of each partition, and their number | layout
             | bytes of the layout, partitions                                        numbers: uint64 each

Cells are as many as tasks times partitions, and at 1e8 documents a few rows each: what one takes beside its rows
is what an exchange takes. In how many tables a partition comes, and in what order, is nobody's promise.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.table import Columns, concat, cut, row_count, take
from pipelines.packing import COMPRESSED_BYTES, GATHER_BYTES, Layout, pack, unpack
from pipelines.stage import Stage, task_name

BUDGET_BYTES = 64 << 20  # unpublished: our choice; what a map task holds before it flushes
_TAIL_BYTES = 4 << 10  # unpublished: our choice; read at once, and the whole index where partitions are a hundred
_NUMBER = np.dtype("<u8")
_ENTRY = 3  # numbers


class Writable(Protocol):
    """Where a spill is appended."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Appends bytes; gives how many."""


class SpillWriter:
    """Collects a map task's rows and writes them out by partition whenever they pass the budget.

    They are divided when they are written, not when they come: each of thousands of partitions would hold a table
    of one row or two for every table that came, and such a table is thirty times its rows.
    """

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._held: list[tuple[NDArray[np.int64], Columns]] = []
        self._bytes = self._end = 0
        self._entries: list[NDArray[np.int64]] = []
        self._layout = Layout(())

    def emit(self, partition: NDArray[np.int64], columns: Columns) -> None:
        """Takes rows, each for its partition.

        Raises:
            ValueError: Their columns are not those of the rows before.
        """
        if not row_count(columns):
            return
        layout = Layout.of(columns)
        if not self._layout.fields:
            self._layout = layout
        if layout != self._layout:
            raise ValueError(f"columns change within an exchange: {layout} after {self._layout}")
        self._held.append((partition, columns))
        self._bytes += sum(column.nbytes for column in columns.values())
        if self._bytes > BUDGET_BYTES:
            self._flush()

    def finish(self) -> None:
        """Writes what is held, and the index behind it."""
        self._flush()
        entries = np.concatenate([np.zeros((0, 1 + _ENTRY), np.int64), *self._entries])
        entries = entries[np.argsort(entries[:, 0], kind="stable")]
        count = int(entries[-1, 0]) + 1 if len(entries) else 0
        firsts = np.searchsorted(entries[:, 0], np.arange(count + 1))
        layout = self._layout.written()
        for numbers in (entries[:, 1:], firsts):
            self._file.write(np.ascontiguousarray(numbers, _NUMBER).tobytes())
        self._file.write(layout + np.array([len(layout), count], _NUMBER).tobytes())

    def _flush(self) -> None:
        """Writes what is held."""
        if not self._held:
            return
        partition = np.concatenate([numbers for numbers, _ in self._held])
        whole = concat(columns for _, columns in self._held)
        self._held, self._bytes = [], 0
        order = np.argsort(partition, kind="stable")
        partition, whole = partition[order], take(whole, order)
        starts = np.append(0, np.flatnonzero(np.diff(partition)) + 1)
        ends = np.append(starts[1:], len(partition))
        sizes = (ends - starts) * self._layout.record.itemsize
        for name in self._layout.texts:
            sizes += whole[name].offsets[ends] - whole[name].offsets[starts]
        is_large = sizes >= COMPRESSED_BYTES
        for start, end in zip(starts[is_large].tolist(), ends[is_large].tolist(), strict=True):
            for block in pack([cut(whole, start, end)]):
                self._write(memoryview(block), partition[[start]], np.array([block.size]), np.zeros(1, np.int64))
        if is_large.any():
            whole = take(whole, np.repeat(~is_large, ends - starts))
        self._write_bare(whole, partition[starts[~is_large]], sizes[~is_large], (ends - starts)[~is_large])

    def _write_bare(
        self, table: Columns, partition: NDArray[np.int64], sizes: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> None:
        """Writes cells of so many rows and bytes each: of each its records, then its texts."""
        if not len(rows):
            return
        records = memoryview(self._layout.records(table).view(np.uint8).data)
        texts = self._layout.interleaved(table)
        if not len(texts.data):
            self._write(records, partition, sizes, rows)
            return
        said = memoryview(np.ascontiguousarray(texts.data).data)
        ends = np.append(0, np.cumsum(rows))
        of_records = itertools.pairwise((ends * self._layout.record.itemsize).tolist())
        of_texts = itertools.pairwise(texts.offsets[ends].tolist())
        pieces: list[memoryview] = []
        for (first, end), (start, stop) in zip(of_records, of_texts, strict=True):
            pieces += records[first:end], said[start:stop]
        self._write(memoryview(b"".join(pieces)), partition, sizes, rows)

    def _write(
        self, data: memoryview, partition: NDArray[np.int64], sizes: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> None:
        """Writes consecutive cells, and notes where each lies."""
        self._file.write(data)
        ends = self._end + np.cumsum(sizes)
        self._entries.append(np.stack([partition, ends - sizes, sizes, rows], axis=1))
        self._end = int(ends[-1])


class Spill:
    """One file, read.

    Attributes:
        layout: What its bare records hold.
        partitions: How many it knows.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        end = file.seek(0, os.SEEK_END)
        self._start = file.seek(max(0, end - _TAIL_BYTES))
        self._tail = file.read(end - self._start)
        end -= 2 * _NUMBER.itemsize
        size, self.partitions = self._numbers(end, 2)
        end -= size
        self.layout = Layout.read(self._read(end, size))
        self._firsts = end - (self.partitions + 1) * _NUMBER.itemsize
        (entries,) = self._numbers(end - _NUMBER.itemsize, 1)
        self._entries = self._firsts - entries * _ENTRY * _NUMBER.itemsize

    def cells(self, partition: int) -> Iterator[tuple[bytes, int]]:
        """What lies there for a partition: bytes, and how many bare rows they are; 0 of a block."""
        if partition >= self.partitions:
            return
        first, last = self._numbers(self._firsts + partition * _NUMBER.itemsize, 2)
        entries = self._numbers(self._entries + first * _ENTRY * _NUMBER.itemsize, (last - first) * _ENTRY)
        for place in range(0, len(entries), _ENTRY):
            start, size, rows = entries[place : place + _ENTRY]
            yield self._read(start, size), rows

    def _numbers(self, start: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}Q", self._read(start, count * _NUMBER.itemsize))

    def _read(self, start: int, size: int) -> bytes:
        if start >= self._start:
            return self._tail[start - self._start : start - self._start + size]
        self._file.seek(start)
        return self._file.read(size)


def pieces(spills: Iterable[Spill], partition: int) -> Iterator[bytes | Columns]:
    """The rows of one partition in some spills: blocks as they lie, bare rows put together in tables."""
    held: list[tuple[bytes, bytes]] = []
    layout, size = Layout(()), 0
    for spill in spills:
        for data, rows in spill.cells(partition):
            if not rows:
                yield data
                continue
            if held and (size > GATHER_BYTES or spill.layout != layout):
                yield _together(layout, held)
                held, size = [], 0
            layout, size = spill.layout, size + len(data)
            records = rows * layout.record.itemsize
            held.append((data[:records], data[records:]))
    if held:
        yield _together(layout, held)


def _together(layout: Layout, cells: Sequence[tuple[bytes, bytes]]) -> Columns:
    """Cells of bare rows, each its records and its texts, as one table."""
    return layout.columns(b"".join(records for records, _ in cells), b"".join(texts for _, texts in cells))


def read_blocks(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """All rows of a spill, partition by partition, in blocks that say themselves what they hold."""
    spill = Spill(file)
    for partition in range(spill.partitions):
        for piece in pieces([spill], partition):
            if isinstance(piece, bytes):
                yield partition, piece
            else:
                yield from ((partition, block.to_pybytes()) for block in pack([piece]))


def spill_url(stage: Stage, task: str) -> str:
    """Where the rows of a map task lie."""
    return storage.join(stage.folder, "spill", task)


def read_spills(stage: Stage, partition: int) -> Iterator[Columns]:
    """The rows of one partition from all map tasks."""
    for piece in pieces(_spills(stage), partition):
        yield unpack(piece) if isinstance(piece, bytes) else piece


def _spills(stage: Stage) -> Iterator[Spill]:
    folder = spill_url(stage, "")  # made once: a stage's folder is a digest of all its inputs
    for number in range(stage.tasks):
        with storage.open_input(folder + task_name("map", number)) as file:
            yield Spill(file)
