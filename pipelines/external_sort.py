"""Rows of any number in sorted order, in bounded memory: what a reducer sorts with.

A reducer is given its rows in any order and may be given any number of them: one text a million times lies in one
partition, whatever the number of partitions. Rows are held until they pass a budget, then sorted and written out as
a run; the runs are merged as they are read. A partition that stays within the budget, as nearly all do, never
touches the disk.

Runs lie in unnamed files of the worker's own temporary folder (TMPDIR): whoever kills the worker frees them.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus.table import Columns, concat, fixed_key, row_count, take
from pipelines.spill import pack, unpack

BUDGET_BYTES: Final = 64 << 20  # unpublished: our choice; three times that are held while a run is sorted
_TABLE_BYTES: Final = 1 << 20  # unpublished: our choice; what is held of each run while runs are merged
_FAN_IN: Final = 64  # unpublished: our choice; so many runs of one size become one of the next


def sort_rows(tables: Iterable[Columns], by: Sequence[str], budget: int = BUDGET_BYTES) -> Iterator[Columns]:
    """The rows of all tables in ascending order, as tables that share no promise but the order.

    Args:
        tables: Tables of the same columns, in any order; each is let go once it is taken.
        by: Columns to sort by, the most significant first; uint8[n, k] sorts as bytes do. Rows equal in all of
            them come in any order.
        budget: Bytes of rows to hold. It moves where tables are cut, never a row.
    """
    held: list[Columns] = []
    size = 0
    with _Runs(by, budget) as runs:
        for table in tables:
            held.append(table)
            size += sum(column.nbytes for column in table.values())
            if size > budget:
                runs.add(_sorted(held, by))
                held, size = [], 0
        yield from runs.merged(_sorted(held, by))


def gathered(tables: Iterable[Columns], by: Sequence[str], size: int = _TABLE_BYTES) -> Iterator[Columns]:
    """Sorted rows cut anew, so that rows equal in these columns lie in one table; which then may be of any size.

    Args:
        tables: Rows sorted by these columns, and perhaps by others after them.
        by: The columns.
        size: Bytes from which on a table is cut, at the next change of value.
    """
    held: list[Columns] = []
    waiting = 0
    for table in tables:
        last = row_count(table) - 1
        if last < 0:
            continue
        held.append(table)
        waiting += sum(column.nbytes for column in table.values())
        if waiting < size or _key(held[0], by, 0) == _key(table, by, last):
            continue
        whole = concat(held)
        cut = int(starts_of(whole, by)[-1])
        yield take(whole, np.arange(cut))
        held = [take(whole, np.arange(cut, row_count(whole)))]
        waiting = sum(column.nbytes for column in held[0].values())
    if held:
        yield concat(held)


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


@dataclass(frozen=True)
class _Run:
    """Where the tables of a sorted run lie in the file: (start, bytes) of each, in order."""

    places: tuple[tuple[int, int], ...]


@dataclass
class _Runs:
    """The runs of one sort, by level: a run of level i is made of `_FAN_IN` runs of level i - 1.

    Attributes:
        by: The columns of the order.
        budget: Bytes of a run of level 0.
    """

    by: Sequence[str]
    budget: int
    _levels: list[list[_Run]] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def __enter__(self) -> _Runs:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, table: Columns) -> None:
        """Writes a sorted table out as a run."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="tokentrail-sort-")  # noqa: SIM115 (closed by name)
        self._put(self._write([table]), 0)

    def _put(self, run: _Run, level: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(run)
        if len(self._levels[level]) == _FAN_IN:
            merged = self._write(self._merge([self._read(run) for run in self._levels[level]]))
            self._levels[level] = []
            self._put(merged, level + 1)

    def merged(self, rest: Columns) -> Iterator[Columns]:
        """All rows of all runs and of this sorted table, in order."""
        runs = [self._read(run) for level in self._levels for run in level]
        if runs:
            yield from self._merge([*runs, iter([rest])] if rest else runs)
        elif rest:
            yield rest

    def _write(self, tables: Iterable[Columns]) -> _Run:
        """Appends tables, cut to about `_TABLE_BYTES`, to the file."""
        file, places = self._scratch(), []
        for table in tables:
            size = sum(column.nbytes for column in table.values())
            pieces = max(1, -(-size // min(_TABLE_BYTES, self.budget)))
            for rows in np.array_split(np.arange(row_count(table)), min(pieces, row_count(table))):
                for block in pack([take(table, rows)]):
                    # Each time to the end: merging reads elsewhere in the same file.
                    start = file.seek(0, 2)
                    file.write(memoryview(block))
                    places.append((start, block.size))
        return _Run(tuple(places))

    def _read(self, run: _Run) -> Iterator[Columns]:
        file = self._scratch()
        for start, size in run.places:
            file.seek(start)
            yield unpack(pa.py_buffer(file.read(size)))

    def _scratch(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError("no run was written")
        return self._file

    def _merge(self, runs: list[Iterator[Columns]]) -> Iterator[Columns]:
        """Merges sorted runs, a table of each at a time.

        All rows up to the least of the tables' last keys are known to be there: they are sorted and given.
        """
        heads = [_Head(run, self.by) for run in runs]
        while heads := [head for head in heads if head.fill()]:
            bound = min(head.last for head in heads)
            yield _sorted([part for head in heads if row_count(part := head.upto(bound))], self.by)


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
        return take(self._table, np.arange(first, self._row))
