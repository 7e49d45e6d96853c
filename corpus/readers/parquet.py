"""Parquet: a document a row, its text in a column the recipe names.

A Parquet file has no uncompressed stream, so one is defined: the rows' text bytes, end to end. A row's `raw` is
its text as it stands in the column, its `offset` counts the text bytes of the rows before it, and its `raw_bytes`
are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.document import Texts
from corpus.drops import Drop
from corpus.errors import DamagedContainerError, RecipeError
from corpus.readers.lines import BATCH_BYTES, MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.repair import repair_utf8

# However short a row is on disk: a dictionary-encoded text is there once and may be in every row. Our choice.
_MOST_ROWS = 1024

# What Arrow raises on bytes that do not decode.
_DAMAGE = (pa.ArrowException, OSError, ValueError)


def read_parquet(
    file: IO[bytes],
    name: str,
    text_column: str = "text",
    label_column: str | None = None,
    *,
    max_record_bytes: int = MAX_RECORD_BYTES,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Records]:
    """A record a row; a null in either column is `Drop.MISSING_FIELD`.

    Reads batch by batch within row groups, only the columns asked for, and checks the pages' checksums where the
    file has them. It seeks: the file's sha256 takes a pass of its own.

    Args:
        file: Open and seekable.
        name: Names the file in errors.
        text_column: A top-level column of string or binary, in any of Arrow's layouts, dictionaries included.
        label_column: The column of the source label, likewise, if there is one.
        max_record_bytes: A longer text is `Drop.OVERSIZE_RECORD`.
        batch_bytes: About what a batch holds, by the mean of its row group.

    Raises:
        RecipeError: A column is not there, or holds no text.
        DamagedContainerError: The file does not decode. What was read before is given first.
    """
    columns = [text_column] if label_column is None else [text_column, label_column]
    number = offset = 0
    for texts, labels in _batches(file, name, columns, batch_bytes):
        records = _records(texts, labels, (number, offset), max_record_bytes)
        number += len(records)
        offset += int(records.raw_bytes.sum())
        yield records


def _batches(
    file: IO[bytes], name: str, columns: list[str], batch_bytes: int
) -> Iterator[tuple[pa.LargeBinaryArray, pa.LargeBinaryArray | None]]:
    row = 0
    try:
        parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=batch_bytes, page_checksum_verification=True)
        for column in columns:
            _check_column(parquet.schema_arrow, column, name)
        for group in range(parquet.num_row_groups):
            rows = _batch_rows(parquet.metadata.row_group(group), batch_bytes)
            for batch in parquet.iter_batches(rows, row_groups=[group], columns=columns):
                texts, *labels = (batch.column(column).cast(pa.large_binary()) for column in columns)
                yield texts, labels[0] if labels else None
                row += len(batch)
        if row != parquet.metadata.num_rows:
            raise ValueError(f"it says {parquet.metadata.num_rows} rows and gives {row}")
    except _DAMAGE as error:
        raise DamagedContainerError(
            f"the file is no sound Parquet ({str(error).partition(chr(10))[0]})",
            where=f"{name}, after row {row}",
            remedy='fetch it again, or set on_damage = "keep-what-was-read" to go on with what came before',
        ) from error


def _check_column(schema: pa.Schema, column: str, name: str) -> None:
    index = schema.get_field_index(column)
    if index >= 0 and _holds_text(schema.field(index).type):
        return
    there = ", ".join(f"{field.name} ({field.type})" for field in schema)
    raise RecipeError(
        f"no column of text is named {column!r}", where=name, remedy=f"name one of its columns: {there}"
    )


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in (
        *(pa.string(), pa.large_string(), pa.string_view()),
        *(pa.binary(), pa.large_binary(), pa.binary_view()),
    )


def _batch_rows(group: pq.RowGroupMetaData, batch_bytes: int) -> int:
    """How many rows hold at most about this many bytes, by the group's mean.

    The mean is over all columns, for to ask a damaged file for one column's size ends the process (Arrow 26).
    """
    return max(1, min(_MOST_ROWS, batch_bytes * int(group.num_rows) // max(1, int(group.total_byte_size))))


def _records(
    texts: pa.LargeBinaryArray, labels: pa.LargeBinaryArray | None, start: tuple[int, int], max_record_bytes: int
) -> Records:
    """One batch, which starts at this row and offset."""
    number, offset = start
    missing = np.array(texts.is_null(), bool)
    if labels is not None:
        missing |= np.array(labels.is_null(), bool)
    packed = Texts.from_arrow(texts.fill_null(b""))
    raw_bytes = packed.lengths
    oversize = raw_bytes > max_record_bytes
    damage = np.where(oversize, Drop.OVERSIZE_RECORD, np.where(missing, Drop.MISSING_FIELD, 0)).astype(np.uint8)
    raw = Texts.from_list([b"" if over else text for text, over in zip(packed, oversize, strict=True)])
    repaired = [(b"", 0) if drop else repair_utf8(text) for text, drop in zip(raw, damage, strict=True)]
    return Records(
        number=np.arange(number, number + len(raw), dtype=np.int64),
        offset=offset + np.cumsum(raw_bytes) - raw_bytes,
        raw=raw,
        raw_bytes=raw_bytes,
        label=[""] * len(raw)
        if labels is None
        else [label.decode(errors="replace") for label in labels.fill_null(b"").to_pylist()],
        text=Texts.from_list([text for text, _ in repaired]),
        damage=damage,
        repairs=np.array([repairs for _, repairs in repaired], np.int32),
    )
