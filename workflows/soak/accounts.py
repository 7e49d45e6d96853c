"""What a reader made of one file, and the laws that hold of it whatever the file holds.

Source: corpus/readers/README.md, "The contract".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from corpus.drops import Drop
from corpus.errors import RecipeError, SourceError
from corpus.readers.record import Records


class Row(NamedTuple):
    """One row of `Records`; `facts` are its facts, or what else a format says of it, in order."""

    number: int
    offset: int
    raw: bytes
    raw_bytes: int
    label: str
    text: bytes
    damage: int
    repairs: int
    facts: tuple[object, ...] = ()


@dataclass
class Account:
    """One reading.

    Attributes:
        stream: The uncompressed stream that the reader was given.
        rows: In the order they were given.
        skipped: Label -> (records, bytes).
        error: The documented error that ended it, in its three lines, or "".
    """

    stream: bytes = b""
    rows: list[Row] = field(default_factory=list)
    skipped_records: Counter[str] = field(default_factory=Counter)
    skipped_bytes: Counter[str] = field(default_factory=Counter)
    error: str = ""

    @property
    def records(self) -> int:
        """Records, rows or not."""
        return len(self.rows) + self.skipped_records.total()

    @property
    def damaged(self) -> int:
        """Rows that could not be read."""
        return sum(row.damage > 0 for row in self.rows)


def account(batches: Iterator[Records], stream: bytearray | bytes) -> Account:
    """Reads to the end, or to one of the errors a person can meet; the stream may grow while it is read."""
    taken = Account()
    try:
        for records in batches:
            take(taken, records)
    except (SourceError, RecipeError) as error:
        taken.error = str(error)
    taken.stream = bytes(stream)
    return taken


def take(taken: Account, records: Records) -> None:
    """Adds a batch."""
    columns = (records.number.tolist(), records.offset.tolist(), records.raw, records.raw_bytes.tolist())
    verdicts = (records.damage.tolist(), records.repairs.tolist())
    facts = zip(*records.facts.values(), strict=True) if records.facts else [()] * len(records)
    rows = zip(*columns, records.label, records.text, *verdicts, facts, strict=True)
    taken.rows += [Row(*row) for row in rows]
    for label, (count, size) in records.skipped.items():
        taken.skipped_records[label] += count
        taken.skipped_bytes[label] += size


def broken_laws(taken: Account, limit: int, *, is_lines: bool) -> list[str]:
    """What does not hold, in words; nothing where all does.

    Args:
        taken: The reading.
        limit: The most bytes of a record.
        is_lines: Whether a record is a line.
    """
    return [law for law, holds in _laws(taken, limit, is_lines) if not holds]


def _laws(taken: Account, limit: int, is_lines: bool) -> Iterable[tuple[str, bool]]:
    stream, rows = taken.stream, taken.rows
    accounted = sum(row.raw_bytes for row in rows) + taken.skipped_bytes.total()
    yield f"{accounted} bytes are accounted for of {len(stream)}", accounted == len(stream)
    numbers = [-1, *(row.number for row in rows), taken.records]
    yield "numbers rise, and those passed over were counted", all(one < next_ for one, next_ in pairwise(numbers))
    if is_lines:
        lines = stream.count(b"\n") + (not stream.endswith(b"\n") and bool(stream))
        yield f"{taken.records} records were counted and there are {lines} lines", taken.records == lines
    ends = [0, *(row.offset + len(row.raw) for row in rows)]
    apart = all(end <= row.offset for end, row in zip(ends, rows, strict=False))
    yield "records lie in order and apart", apart
    for row in rows:
        where = f"record {row.number}: "
        found = stream[row.offset : row.offset + len(row.raw)] == row.raw
        yield f"{where}its raw bytes are where it says", found
        yield f"{where}it takes the bytes it has", len(row.raw) <= row.raw_bytes
        yield f"{where}it is within the limit", len(row.raw) <= limit
        yield f"{where}its damage has a name", row.damage in Drop.__members__.values() and row.damage < Drop.EMPTY
        yield f"{where}it is damaged or has a text", not (row.damage and row.text)
        yield f"{where}repairs are characters", row.repairs >= 0
        yield f"{where}what it says is Unicode", _is_unicode(row)


def _is_unicode(row: Row) -> bool:
    try:
        row.text.decode()
        for value in (row.label, *row.facts):
            str(value).encode()
    except UnicodeError:
        return False
    return True
