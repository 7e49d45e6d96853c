"""A part: one immutable table file of a stage, its rows, and the digests that seal it.

Parts between stages are Arrow IPC (.arrow): columns come back as views, without a parse. Tables that people query
with their own tools, the ledger and the placement, are Parquet (.parquet).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from corpus import storage
from corpus.table import Column, Columns, LogicalDigest, from_batch, to_batch

# Unpublished: our choice. Where one row is wanted, so many are decoded: some milliseconds.
_ROW_GROUP = 1 << 13
_DELTAS = frozenset({"record", "offset", "row"})  # what delta coding is good for in the ledger and the placement


class PartFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed of a part.

    Attributes:
        name: The file's name below its stage's folder.
        rows: Rows of a table; documents of a shard's files.
        logical: Digest of the values: what the manifest seals.
        blob: sha256 of the file, for the integrity index; equals `logical` for formats raw by definition.
        bytes: The file's size.
    """

    name: str
    rows: int
    logical: str
    blob: str
    bytes: int


class PartWriter:
    """Writes one part batch by batch; the file has its name only when it is whole."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self._file = storage.NewFile(storage.join(folder, name))
        self._digest = LogicalDigest()
        self._writer: pq.ParquetWriter | pa.RecordBatchFileWriter | None = None

    def write(self, columns: Mapping[str, Column]) -> None:
        """Appends rows."""
        batch = to_batch(columns)
        if self._writer is None:
            self._writer = self._open(batch.schema)
        self._digest.update(columns)
        if isinstance(self._writer, pq.ParquetWriter):
            self._writer.write_batch(batch, _ROW_GROUP)
        else:
            self._writer.write_batch(batch)

    @property
    def empty(self) -> bool:
        """Whether nothing was written yet, not even a table without rows."""
        return self._writer is None

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter | pa.RecordBatchFileWriter:
        if self.name.endswith(".parquet"):
            # A dictionary of ids repeats every id; positions grow row by row, and their differences are small.
            deltas = [field.name for field in schema if field.name in _DELTAS]
            plain = [field.name for field in schema if pa.types.is_fixed_size_binary(field.type)]
            return pq.ParquetWriter(
                self._file,
                schema,
                compression="zstd",
                version="2.6",
                write_page_checksum=True,
                use_dictionary=[name for name in schema.names if name not in (*deltas, *plain)],
                column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
            )
        # Text is read three times and ids hardly shrink: zstd would take a third less disk and thrice the time.
        # The values, not these bytes, are what is sealed.
        return pa.ipc.new_file(self._file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def close(self) -> PartFacts:
        """Publishes the file and says what it holds.

        Raises:
            ValueError: Nothing was written: a part without columns says nothing.
        """
        if self._writer is None:
            raise ValueError(f"part {self.name} has no columns")
        self._writer.close()
        self._file.publish()
        return PartFacts(
            self.name, self._digest.rows, self._digest.hexdigest(), self._file.hexdigest(), self._file.size
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.discard()


def read_part(url: str, columns: Sequence[str] | None = None) -> Iterator[Columns]:
    """The batches of a part, in order; with `columns`, only those are read.

    Raises:
        SourceError: The file is not there.
    """
    with storage.open_input(url) as file:
        if url.endswith(".parquet"):
            for batch in pq.ParquetFile(file).iter_batches(columns=columns):
                yield from_batch(batch)
            return
        options = pa.ipc.IpcReadOptions()
        if columns is not None:
            schema = pa.ipc.open_file(file).schema
            options = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
        reader = pa.ipc.open_file(file, options=options)
        for index in range(reader.num_record_batches):
            yield from_batch(reader.get_batch(index))


def read_row(url: str, row: int, columns: Sequence[str] | None = None) -> Columns:
    """One row of a Parquet part, as a table of one; no more than its row group is decoded.

    Raises:
        SourceError: The file is not there.
        IndexError: The part has no such row.
    """
    with storage.open_input(url) as file:
        table = pq.ParquetFile(file)
        first = 0
        for group in range(table.num_row_groups):
            last = first + table.metadata.row_group(group).num_rows
            if first <= row < last:
                found = table.read_row_group(group, columns).slice(row - first, 1).combine_chunks()
                return from_batch(found.to_batches()[0])
            first = last
    raise IndexError(f"row {row} of {first}")


@dataclass(frozen=True, eq=False)
class RowGroups:
    """What a Parquet part says of its row groups.

    Attributes:
        starts: int64[groups + 1], at which row each begins, and how many rows there are.
        least: Column -> int64[groups], its least value in each.
        largest: Column -> int64[groups].
    """

    starts: NDArray[np.int64]
    least: Mapping[str, NDArray[np.int64]]
    largest: Mapping[str, NDArray[np.int64]]

    def may_hold(self, values: Mapping[str, int]) -> NDArray[np.bool_]:
        """bool[groups], whether a row with these values may lie in each."""
        found = np.ones(len(self.starts) - 1, np.bool_)
        for name, value in values.items():
            found &= (self.least[name] <= value) & (value <= self.largest[name])
        return found


def row_groups(url: str, columns: Sequence[str]) -> RowGroups:
    """The row groups of a Parquet part, with the bounds of some integer columns.

    Raises:
        SourceError: The file is not there.
    """
    with storage.open_input(url) as file:
        metadata = pq.ParquetFile(file).metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        at = {name: metadata.schema.names.index(name) for name in columns}
        found = {name: [group.column(at[name]).statistics for group in groups] for name in columns}
    # A group without rows has no bounds: let it hold nothing.
    return RowGroups(
        np.cumsum([0, *(group.num_rows for group in groups)], dtype=np.int64),
        {name: np.array([said.min if said else 0 for said in found[name]], np.int64) for name in columns},
        {name: np.array([said.max if said else -1 for said in found[name]], np.int64) for name in columns},
    )


def read_row_group(url: str, group: int, columns: Sequence[str] | None = None) -> Columns:
    """The rows of one row group of a Parquet part.

    Raises:
        SourceError: The file is not there.
    """
    with storage.open_input(url) as file:
        return from_batch(pq.ParquetFile(file).read_row_group(group, columns).combine_chunks().to_batches()[0])


def logical_digest(url: str) -> tuple[str, int]:
    """Reads a part back and takes its logical digest anew: (digest, rows)."""
    digest = LogicalDigest()
    for columns in read_part(url):
        digest.update(columns)
    return digest.hexdigest(), digest.rows


def blob_digest(url: str, chunk: int = 1 << 22) -> tuple[str, int]:
    """The sha256 and the size of a file as it lies on disk."""
    digest, size = hashlib.sha256(), 0
    with storage.open_input(url) as file:
        while block := file.read(chunk):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size
