"""The first record at which two corpora part: stage by stage, part by part, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from corpus import storage
from corpus.document import Texts
from corpus.part import read_part
from corpus.table import Columns, concat, cut, row_count
from pipelines.auditing.side import Side
from pipelines.auditing.stage_changes import StageChange
from pipelines.auditing.tracing import shown
from pipelines.steps.blocks import ROWS, TEXT

_BEFORE, _SHOWN = 30, 70  # characters of a text shown before and from its first difference
_TABLES = (".arrow", ".parquet")
_CHUNK = 1 << 22


class Divergence(msgspec.Struct, frozen=True):
    """Where two corpora part.

    Attributes:
        where: Stage, part and row, or byte, as far as there is one.
        columns: What differs there: (column, first, second), cut short.
        doc_id: Of the document, 32 hex digits; "" where the row is none's.
        path: Of the input file it was read from; "" where the row names none.
    """

    where: str
    columns: tuple[tuple[str, str, str], ...] = ()
    doc_id: str = ""
    path: str = ""


def first_divergence(first: Side, second: Side, change: StageChange) -> Divergence:
    """The first row that differs in the first stage that does."""
    stage = f"stage {change.name}"
    if not all(change.present):
        return Divergence(f"{stage}, which the {'first' if change.present[0] else 'second'} has alone")
    name = change.parts[0]
    for side, which in ((first, "second"), (second, "first")):
        if name not in {part.name for part in side.manifest.stage(change.name).parts}:
            return Divergence(f"{stage}, part {name}, which the {which} has alone")
    urls = first.part_url(change.name, name), second.part_url(change.name, name)
    if not name.endswith(_TABLES):
        return Divergence(f"{stage}, {name}, byte {first_byte(*urls):,}")
    row, (one, other) = first_row(*urls)
    where = f"{stage}, {name}, row {row:,}"
    if not one or not other:
        return Divergence(f"{where}, where the {'second' if one else 'first'} goes on alone")
    differing = tuple((column, *_both(one.get(column), other.get(column))) for column in _unlike(one, other))
    doc_id, blob = one.get("doc_id"), one.get("blob")
    if name.endswith(TEXT):
        rows = concat(read_part(urls[0].removesuffix(TEXT) + ROWS, ["doc_id", "blob"]))
        at = int(one["row"][0])
        doc_id, blob = rows["doc_id"][at : at + 1], rows["blob"][at : at + 1]
    return Divergence(
        where,
        differing,
        "" if doc_id is None else doc_id[0].tobytes().hex(),
        "" if blob is None else first.manifest.blobs[int(blob[0])].path,
    )


def first_byte(one: str, other: str) -> int:
    """Where two files first differ, or where the shorter one ends."""
    at = 0
    with storage.open_input(one) as left, storage.open_input(other) as right:
        while True:
            a, b = left.read(_CHUNK), right.read(_CHUNK)
            if a != b or not a:
                alike = min(len(a), len(b))
                unlike = np.frombuffer(a, np.uint8)[:alike] != np.frombuffer(b, np.uint8)[:alike]
                return at + (int(np.argmax(unlike)) if unlike.any() else alike)
            at += len(a)


def first_row(one: str, other: str) -> tuple[int, tuple[Columns, Columns]]:
    """The first row in which two tables differ, and that row of each; no columns for a table that has ended."""
    at = 0
    for left, right in _in_step(read_part(one), read_part(other)):
        rows = min(row_count(left), row_count(right))
        if left.keys() != right.keys() or not rows:
            return at, (cut(left, 0, 1), cut(right, 0, 1))
        unlike = [_first_unlike(left[name], right[name]) for name in left]
        row = min(unlike)
        if row < rows:
            return at + row, (cut(left, row, row + 1), cut(right, row, row + 1))
        at += rows
    return at, ({}, {})


def _in_step(one: Iterator[Columns], other: Iterator[Columns]) -> Iterator[tuple[Columns, Columns]]:
    """The batches of two tables cut to the same rows; at the end the rows that one has alone, beside none."""
    left: Columns = {}
    right: Columns = {}
    while True:
        left = left if row_count(left) else _next(one)
        right = right if row_count(right) else _next(other)
        rows = min(row_count(left), row_count(right))
        if not rows:
            if row_count(left) or row_count(right):
                yield left, right
            return
        yield cut(left, 0, rows), cut(right, 0, rows)
        left, right = cut(left, rows, row_count(left)), cut(right, rows, row_count(right))


def _next(batches: Iterator[Columns]) -> Columns:
    return next((batch for batch in batches if row_count(batch)), {})


def _first_unlike(one: Any, other: Any) -> int:
    """The first row in which two columns of equal length differ; their length where none does."""
    if isinstance(one, Texts) != isinstance(other, Texts):
        return 0
    if isinstance(one, Texts):
        unlike = one.lengths != other.lengths
        if not unlike.any():
            return len(one) if np.array_equal(one.data, other.data) else _row_of_byte(one, other)
        first = int(np.argmax(unlike))
        return min(first, _row_of_byte(one, other))
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return 0
    unlike = one != other
    if unlike.ndim == 2:
        unlike = unlike.any(axis=1)
    return int(np.argmax(unlike)) if unlike.any() else len(one)


def _row_of_byte(one: Texts, other: Texts) -> int:
    """The row of the first byte that differs between two columns of texts; their length where none does."""
    alike = min(len(one.data), len(other.data))
    unlike = np.asarray(one.data[:alike]) != np.asarray(other.data[:alike])
    if not unlike.any():
        return len(one)
    return int(np.searchsorted(one.offsets, int(np.argmax(unlike)), "right")) - 1


def _unlike(one: Columns, other: Columns) -> list[str]:
    names = [*one, *(name for name in other if name not in one)]
    return [
        name for name in names if name not in one or name not in other or _value(one[name]) != _value(other[name])
    ]


def _value(column: Any) -> Any:
    value = column[0]
    return value.tobytes() if isinstance(value, np.ndarray) else value


def _both(one: Any, other: Any) -> tuple[str, str]:
    """Two values as a person may see them; of long texts what stands around the first difference."""
    if isinstance(one, Texts) and isinstance(other, Texts):
        left, right = one[0], other[0]
        alike = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(left))
        start = max(0, alike - _BEFORE)
        return shown(left[start:], _SHOWN), shown(right[start:], _SHOWN)
    words = []
    for column in (one, other):
        value = None if column is None else _value(column)
        words.append("(absent)" if value is None else value.hex() if isinstance(value, bytes) else str(value))
    return words[0], words[1]
