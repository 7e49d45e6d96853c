"""How rows travel: as blocks that say themselves what they hold, or bare, where their file says it once for all.

A block is an Arrow stream of at most 16 MiB; a single row larger than that is a block of its own. To make one
takes ten times as long as to copy a few rows: where rows are few they go bare, a record each, and behind all
records their texts.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.table import Columns, from_batch, gather, row_count, to_batch

BLOCK_BYTES = 15 << 20  # design: blocks of at most 16 MiB; the rest is room for what Arrow adds to the rows
GATHER_BYTES = 4 << 20  # unpublished: our choice; smaller tables are put together, larger ones are not copied
_CODEC, _PLAIN = pa.ipc.IpcWriteOptions(compression="lz4"), pa.ipc.IpcWriteOptions()
# Unpublished: our choice. To have a codec made for every column takes longer than to write so little as it is.
COMPRESSED_BYTES = 32 << 10
_TEXT = ""  # in the place of a numpy type


def pack(tables: Iterable[Columns]) -> Iterator[pa.Buffer]:
    """Tables of the same columns as blocks; small tables share one, large ones are cut."""
    names: list[str] = []
    for table in gather(tables, GATHER_BYTES):
        batch = to_batch(table)
        names = names or batch.schema.names  # The first table says in which order the columns stand.
        for first, end in _cuts(table):
            sink = pa.BufferOutputStream()
            rows = batch.select(names).slice(first, end - first)
            options = _CODEC if rows.nbytes >= COMPRESSED_BYTES else _PLAIN
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


@dataclass(frozen=True)
class Layout:
    """What the bare records of some rows hold: a value of each column, of a text its length.

    Attributes:
        fields: Name and numpy type of each column, uint8[n, k] as `V<k>`, texts as "".
    """

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, columns: Columns) -> Layout:
        """The layout of a table's rows; in whatever order its columns stand."""
        return cls(tuple((name, _type_of(column)) for name, column in sorted(columns.items())))

    @classmethod
    def read(cls, data: bytes) -> Layout:
        """A layout that was written."""
        return _read_layout(data)

    def written(self) -> bytes:
        """Itself in bytes."""
        return json.dumps(self.fields).encode()

    @cached_property
    def record(self) -> np.dtype[np.void]:
        """The type of a record."""
        return np.dtype([(name, kind or "<i8") for name, kind in self.fields])

    @cached_property
    def texts(self) -> list[str]:
        """The columns of texts."""
        return [name for name, kind in self.fields if kind == _TEXT]

    def records(self, columns: Columns) -> NDArray[np.void]:
        """A table's rows as records."""
        records = np.empty(row_count(columns), self.record)
        for name, kind in self.fields:
            column = columns[name]
            if kind == _TEXT:
                records[name] = column.lengths
            elif column.ndim == 2:
                records[name] = np.ascontiguousarray(column).view(kind)[:, 0]
            else:
                records[name] = column
        return records

    def interleaved(self, columns: Columns) -> Texts:
        """Of each row the texts of all columns, end to end, as one text."""
        count, names = row_count(columns), self.texts
        if len(names) < 2:
            return columns[names[0]] if names else Texts(np.zeros(0, np.uint8), np.zeros(count + 1, np.int64))
        by_column = Texts.concat([columns[name] for name in names])
        by_row = by_column.take(np.arange(count * len(names)).reshape(len(names), count).T.ravel())
        return Texts(by_row.data, by_row.offsets[:: len(names)])

    def columns(self, records: bytes, texts: bytes) -> Columns:
        """The table of such records, and the texts of its rows end to end."""
        rows = np.frombuffer(records, self.record)
        lengths = np.zeros((len(rows), len(self.texts)), np.int64)
        for place, name in enumerate(self.texts):
            lengths[:, place] = rows[name]
        whole = Texts(np.frombuffer(texts, np.uint8), np.append(0, np.cumsum(lengths)))
        found: Columns = {}
        for name, kind in self.fields:
            if kind == _TEXT:
                found[name] = whole.take(np.arange(self.texts.index(name), len(whole), len(self.texts)))
            elif kind.startswith("V"):
                found[name] = np.ascontiguousarray(rows[name]).view(np.uint8).reshape(len(rows), -1)
            else:
                found[name] = np.ascontiguousarray(rows[name])
        return found


@functools.lru_cache(maxsize=16)  # the spills of a stage say the same, thousands of times
def _read_layout(data: bytes) -> Layout:
    return Layout(tuple((name, kind) for name, kind in json.loads(data)))


def _type_of(column: Any) -> str:
    if isinstance(column, Texts):
        return _TEXT
    return f"V{column.shape[1]}" if column.ndim == 2 else column.dtype.newbyteorder("<").str
