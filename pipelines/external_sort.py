"""Rows of any number in sorted order, in bounded memory: what a reducer sorts with.

A reducer is given its rows in any order and may be given any number of them: one text a million times lies in
one partition, whatever the number of partitions. Rows are held until they pass a budget, then sorted and written
out as a run; the runs are merged as they are read. A partition that stays within the budget, as nearly all do,
never touches the disk.

Runs lie in unnamed files of the worker's own temporary folder (TMPDIR): whoever kills the worker frees them.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from corpus.errors import StoreError
from corpus.table import Columns, concat, cut, fixed_key, row_count, take
from pipelines.packing import pack, unpack

BUDGET_BYTES: Final = 64 << 20  # unpublished: our choice; three times that are held while a run is sorted
_TABLE_BYTES: Final = 1 << 20  # unpublished: our choice; what is held of each run while runs are merged
_FAN_IN: Final = 64  # unpublished: our choice; so many runs of one size become one of the next


def sort_rows(tables: Iterable[Columns], by: Sequence[str], budget: int | None = None) -> Iterator[Columns]:
    """The rows of all tables in ascending order, as tables of any size; see `ExternalSort`."""
    with ExternalSort(by, budget) as rows:
        for table in tables:
            rows.add(table)
        yield from rows.sorted()


class ExternalSort:
    """Takes rows in any order and gives them sorted, once.

    Args:
        by: Columns to sort by, the most significant first; uint8[n, 8k] sorts as bytes do. Rows equal in all of
            them come in any order, so let them be equal in all that is read.
        budget: Bytes of rows to hold; None for `BUDGET_BYTES`. It moves where tables are cut, never a row.
    """

    def __init__(self, by: Sequence[str], budget: int | None = None) -> None:
        self._by, self._budget = by, BUDGET_BYTES if budget is None else budget
        self._held: list[Columns] = []
        self._bytes = 0
        self._runs = _Runs(by, max(1, min(_TABLE_BYTES, self._budget)))

    def add(self, table: Columns) -> None:
        """Takes the rows of a table, whose columns are those of every table before."""
        if row_count(table):
            self._held.append(table)
            self._bytes += nbytes(table)
        if self._bytes > self._budget:
            self._runs.add(_sorted(self._held, self._by))
            self._bytes = 0

    def sorted(self) -> Iterator[Columns]:
        """All rows in order."""
        rest = _sorted(self._held, self._by)
        if self._runs.levels:
            yield from self._runs.merged(rest)
        elif rest:
            yield rest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._runs.close()


def gathered(tables: Iterable[Columns], by: Sequence[str], size: int = _TABLE_BYTES) -> Iterator[Columns]:
    """Sorted rows cut anew, so that rows equal in these columns lie in one table.

    Args:
        tables: Rows sorted by these columns, and perhaps by others after them.
        by: The columns.
        size: Bytes of a table, about; those of one value may be any number.
    """
    held: list[Columns] = []
    waiting = 0
    for table in filter(row_count, tables):
        held.append(table)
        waiting += nbytes(table)
        if waiting < size or _key(held[0], by, 0) == _key(table, by, row_count(table) - 1):
            continue
        whole = concat(held)
        starts = starts_of(whole, by)
        step = max(1, row_count(whole) * size // waiting)
        cuts = starts[np.searchsorted(starts, np.arange(0, starts[-1] + 1, step))]
        for first, end in itertools.pairwise(np.unique(np.append(cuts, starts[-1])).tolist()):
            yield cut(whole, first, end)
        held = [cut(whole, int(starts[-1]), row_count(whole))]
        waiting = nbytes(held[0])
    if held:
        yield concat(held)


def sliced(table: Columns, size: int) -> Iterator[Columns]:
    """A table as several of about so many bytes, a row at least."""
    rows = row_count(table)
    step = max(1, rows * size // max(1, nbytes(table)))
    return (cut(table, first, min(first + step, rows)) for first in range(0, rows, step))


def nbytes(table: Columns) -> int:
    """Bytes of memory that a table takes."""
    return sum(column.nbytes for column in table.values())


@contextmanager
def scratch() -> Iterator[IO[bytes]]:
    """A file without a name in the worker's temporary folder, gone when it is closed."""
    file = tempfile.TemporaryFile(prefix="tokentrail-")  # noqa: SIM115 (closed below)
    try:
        yield file
    finally:
        with suppress(OSError):  # what a full disk did not take has been told of
            file.close()


def append(file: IO[bytes], data: bytes | memoryview) -> None:
    """Writes to a temporary file.

    Raises:
        StoreError: The disk is full.
    """
    try:
        file.write(data)
        file.flush()
    except OSError as error:
        raise StoreError(
            f"cannot write to the temporary folder: {error.strerror or error}",
            where=tempfile.gettempdir(),
            remedy="free some space, or name a larger folder with TMPDIR, and start the same command again",
        ) from error


def starts_of(table: Columns, by: Sequence[str]) -> NDArray[np.int64]:
    """int64[m], the rows of a sorted table at which one of these columns changes, the first included."""
    fresh = np.zeros(row_count(table), bool)
    fresh[:1] = True
    for name in by:
        changes = table[name][1:] != table[name][:-1]
        fresh[1:] |= changes if changes.ndim == 1 else changes.any(axis=1)
    return np.flatnonzero(fresh)


def distinct(tables: Iterable[Columns], by: Sequence[str]) -> Iterator[Columns]:
    """The first row of each value of these columns, of rows sorted by them."""
    before: tuple[Any, ...] | None = None
    for table in tables:
        if not row_count(table):
            continue
        rows = starts_of(table, by)
        if before == _key(table, by, 0):
            rows = rows[1:]
        before = _key(table, by, row_count(table) - 1)
        if len(rows):
            yield take(table, rows)


def _key(table: Columns, by: Sequence[str], row: int) -> tuple[Any, ...]:
    """The values that a row is sorted by, to compare it with others."""
    values = [table[name][row] for name in by]
    return tuple(value.tobytes() if value.ndim else int(value) for value in values)


def _sorted(held: list[Columns], by: Sequence[str]) -> Columns:
    """The rows of some tables, sorted; lets go of the tables."""
    whole = concat(held)
    held.clear()
    if not whole:
        return whole
    keys: list[NDArray[Any]] = []
    for name in reversed(by):
        column = whole[name]
        keys += fixed_key(column) if column.ndim == 2 else [column]
    return take(whole, np.lexsort(keys))


_Run = tuple[tuple[int, int], ...]
"""Where the tables of a sorted run lie in the file, in order: (start, bytes)."""


class _Runs:
    """The runs of one sort, in a file of their own.

    Attributes:
        levels: Runs by size: one of level i is made of `_FAN_IN` runs of level i - 1.
    """

    def __init__(self, by: Sequence[str], table_bytes: int) -> None:
        self._by, self._table_bytes = by, table_bytes
        self._stack = ExitStack()
        self._file: IO[bytes] | None = None
        self.levels: list[list[_Run]] = []

    def add(self, table: Columns) -> None:
        """Writes a sorted table out as a run."""
        self._put(self._write([table]), 0)

    def merged(self, rest: Columns) -> Iterator[Columns]:
        """All rows of all runs and of this sorted table, in order."""
        runs = [self._read(run) for level in self.levels for run in level]
        return self._merge([*runs, iter([rest] if rest else [])])

    def close(self) -> None:
        """Frees the disk."""
        self._stack.close()

    def _put(self, run: _Run, level: int) -> None:
        if level == len(self.levels):
            self.levels.append([])
        self.levels[level].append(run)
        if len(self.levels[level]) == _FAN_IN:
            whole = self._write(self._merge([self._read(run) for run in self.levels[level]]))
            self.levels[level] = []
            self._put(whole, level + 1)

    def _write(self, tables: Iterable[Columns]) -> _Run:
        """Appends tables to the file, cut into small ones."""
        file, places = self._scratch(), []
        for table in tables:
            for piece in sliced(table, self._table_bytes):
                for block in pack([piece]):
                    start = file.seek(0, os.SEEK_END)  # merging reads elsewhere in the same file
                    append(file, memoryview(block))
                    places.append((start, block.size))
        return tuple(places)

    def _read(self, run: _Run) -> Iterator[Columns]:
        file = self._scratch()
        for start, size in run:
            file.seek(start)
            yield unpack(file.read(size))

    def _scratch(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._stack.enter_context(scratch())
        return self._file

    def _merge(self, runs: list[Iterator[Columns]]) -> Iterator[Columns]:
        """Merges sorted runs, a table of each at a time.

        All rows up to the least of the tables' last keys are known to be there: they are sorted and given.
        """
        heads = [_Head(run, self._by) for run in runs]
        while heads := [head for head in heads if head.fill()]:
            bound = min(head.last for head in heads)
            yield _sorted([part for head in heads if row_count(part := head.upto(bound))], self._by)


class _Head:
    """The table of a run that is being merged.

    Attributes:
        last: The key of its last row.
    """

    def __init__(self, run: Iterator[Columns], by: Sequence[str]) -> None:
        self._run, self._by = run, by
        self._table: Columns = {}
        self._row = 0
        self.last: tuple[Any, ...] = ()

    def fill(self) -> bool:
        """Reads the run's next table where this one is used up; says whether rows are left."""
        while self._row == row_count(self._table):
            table = next(self._run, None)
            if table is None:
                return False
            self._table, self._row = table, 0
            if row_count(table):
                self.last = _key(table, self._by, row_count(table) - 1)
        return True

    def upto(self, bound: tuple[Any, ...]) -> Columns:
        """Takes the rows up to a key, itself included."""
        rows = range(self._row, row_count(self._table))
        first = self._row
        self._row += bisect_right(rows, bound, key=lambda row: _key(self._table, self._by, row))
        return cut(self._table, first, self._row)
