"""Tables as the kernels see them, and the digest of what a table says.

`Columns` is the one currency between kernels, spills and parts: equally long columns by name, each a numpy array
(ids as uint8[n, 16]) or `Texts`. No column holds a null. The logical digest is taken of the values, never of a
container, so that it does not move with the version of Arrow, Parquet or zstd.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus.document import Texts

# A column is NDArray or Texts, which share len() and nbytes; readers of a table know which by its name, the type
# checker cannot.
Column = Any
Columns = dict[str, Column]


def to_batch(columns: Mapping[str, Column]) -> pa.RecordBatch:
    """An Arrow record batch of the same columns: uint8[n, k] becomes fixed_size_binary(k), Texts large_binary."""
    return pa.record_batch({name: _to_arrow(column) for name, column in columns.items()})


def _to_arrow(column: Column) -> pa.Array:
    if isinstance(column, Texts):
        return column.to_arrow()
    if column.ndim == 2:
        rows, width = column.shape
        packed = pa.py_buffer(np.ascontiguousarray(column))
        return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), rows, [None, packed])
    return pa.array(column)


def from_batch(batch: pa.RecordBatch) -> Columns:
    """The columns of a record batch, sharing its memory."""
    return {name: _from_arrow(batch.column(index)) for index, name in enumerate(batch.schema.names)}


def _from_arrow(column: pa.Array) -> Column:
    if pa.types.is_large_binary(column.type):
        return Texts.from_arrow(column)
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        values = np.frombuffer(column.buffers()[1] or b"", np.uint8)[: (column.offset + len(column)) * width]
        return values[column.offset * width :].reshape(len(column), width)
    # Not `to_numpy`, which imports pandas wherever that is installed: half a second of every command.
    integer = "u" if pa.types.is_unsigned_integer(column.type) else "i"
    kind = integer if pa.types.is_integer(column.type) else "f"
    last = column.offset + len(column)
    values = np.frombuffer(column.buffers()[1] or b"", f"{kind}{column.type.bit_width // 8}", last)
    return values[column.offset :]


def row_count(columns: Mapping[str, Column]) -> int:
    """The number of rows of a table."""
    return len(next(iter(columns.values()))) if columns else 0


def take(columns: Mapping[str, Column], rows: NDArray[Any]) -> Columns:
    """These rows (numbers, or a mask), in this order."""
    if rows.dtype == np.bool_:
        rows = np.flatnonzero(rows)
    return {
        name: column.take(rows.astype(np.int64)) if isinstance(column, Texts) else column[rows]
        for name, column in columns.items()
    }


def cut(columns: Mapping[str, Column], first: int, end: int) -> Columns:
    """The rows from the first up to the end, sharing the table's memory."""
    return {
        name: column.cut(first, end) if isinstance(column, Texts) else column[first:end]
        for name, column in columns.items()
    }


def concat(tables: Iterable[Mapping[str, Column]]) -> Columns:
    """The tables one after another, columns in the first one's order; no table at all gives no columns."""
    batches: list[pa.RecordBatch] = []
    for table in tables:
        batch = to_batch(table)
        batches.append(batch.select(batches[0].schema.names) if batches else batch)
    if not batches:
        return {}
    return from_batch(pa.concat_batches(batches) if len(batches) > 1 else batches[0])


def gather(tables: Iterable[Columns], budget: int) -> Iterator[Columns]:
    """Consecutive tables put together until they pass the budget in bytes: fewer and larger ones."""
    held: list[Columns] = []
    size = 0
    for table in tables:
        held.append(table)
        size += sum(column.nbytes for column in table.values())
        if size > budget:
            yield concat(held) if len(held) > 1 else table
            held, size = [], 0
    if held:
        yield concat(held) if len(held) > 1 else held[0]


def fixed_key(ids: NDArray[np.uint8]) -> list[NDArray[np.uint64]]:
    """Sort keys of fixed-width ids for `np.lexsort`, least significant first: byte order becomes number order."""
    words = np.ascontiguousarray(ids).view(">u8").astype(np.uint64)
    return [words[:, index] for index in reversed(range(words.shape[1]))]


class LogicalDigest:
    """sha256 over the values of a table, whatever its batches and its container.

    Every column is hashed as one stream: fixed-width values little-endian, texts as int64 lengths and bytes. The
    digest is of the columns' names, types, row count and stream digests.
    """

    def __init__(self) -> None:
        self._types: dict[str, str] = {}
        self._streams: dict[str, list[Any]] = {}
        self.rows = 0

    def update(self, columns: Mapping[str, Column]) -> None:
        """Adds the next rows.

        Raises:
            ValueError: The columns are not those of the rows before.
        """
        types = {name: _type_name(column) for name, column in columns.items()}
        if not self._types:
            self._types = types
            self._streams = {name: [hashlib.sha256(), hashlib.sha256()] for name in types}
        if types != self._types:
            raise ValueError(f"columns change within a table: {types} after {self._types}")
        self.rows += row_count(columns)
        for name, column in columns.items():
            values, lengths = self._streams[name]
            if isinstance(column, Texts):
                lengths.update(np.ascontiguousarray(column.lengths, "<i8"))
                values.update(np.ascontiguousarray(column.data))
            else:
                values.update(np.ascontiguousarray(column, column.dtype.newbyteorder("<")))

    def hexdigest(self) -> str:
        """The digest of all rows so far, as 64 hex digits."""
        whole = hashlib.sha256(b"tokentrail-table/1\n%d\n" % self.rows)
        for name in sorted(self._types):
            values, lengths = self._streams[name]
            whole.update(f"{name}:{self._types[name]}:{values.hexdigest()}:{lengths.hexdigest()}\n".encode())
        return whole.hexdigest()


def _type_name(column: Column) -> str:
    if isinstance(column, Texts):
        return "bytes"
    return f"{column.dtype.newbyteorder('<').str}{f'x{column.shape[1]}' if column.ndim == 2 else ''}"
