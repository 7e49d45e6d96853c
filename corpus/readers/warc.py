r"""WARC 1.0 and 1.1: one record after another, every byte of the stream accounted for, whatever a length claims.

    WARC/1.0 \r\n  name: value \r\n ...  \r\n  <Content-Length bytes>  \r\n\r\n

Source: ISO 28500:2017. Compressed record by record or whole, the stream inside is the same (`container.py`).
The framing is our own: where it does not hold, FastWARC and warcio mostly stop with an error, the records after it
unread; and a record that is cut, or whose length runs over all that follow, they give as a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from corpus.document import Texts
from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.lines import BATCH_BYTES, MAX_RECORD_BYTES
from corpus.readers.record import Records

# Far more than any crawler writes; a header without its end is found broken after this many bytes. Our choice.
MAX_HEAD_BYTES = 2**16

_MAGIC = b"WARC/1."
_VERSION_LINE = re.compile(rb"WARC/1\.[0-9]{1,3}[ \t]{0,8}\r?\n")
_NEXT_VERSION_LINE = re.compile(rb"\n" + _VERSION_LINE.pattern)
_LONGEST_VERSION_LINE = 32
_LINE_ENDS = 32  # bytes looked at in one go
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_DIGITS = re.compile(r"[0-9]{1,18}")


class WarcRecord(NamedTuple):
    """One record, or one stretch of the stream that is none.

    Attributes:
        number: From 0.
        offset: Where it starts in the uncompressed stream, bytes.
        raw: Header and block, the newlines after them left out; empty where over the limit.
        raw_bytes: The bytes of the stream it takes, the newlines after it included.
        head: Header fields, names in lower case, the first of each name; empty where damaged.
        block_at: Where in `raw` the content begins.
        damage: `Drop.BROKEN_RECORD`, `OVERSIZE_RECORD`, `TRUNCATED_RECORD`, or `KEPT`.
    """

    number: int
    offset: int
    raw: bytes
    raw_bytes: int
    head: Mapping[str, str]
    block_at: int
    damage: Drop

    @property
    def block(self) -> bytes:
        """The content."""
        return self.raw[self.block_at :]

    @property
    def kind(self) -> str:
        """`WARC-Type`: response, request, conversion, ..."""
        return self.head.get("warc-type", "").lower()

    @property
    def url(self) -> str:
        """`WARC-Target-URI`, without the angle brackets that wget puts around it."""
        return self.head.get("warc-target-uri", "").removeprefix("<").removesuffix(">")


class Page(NamedTuple):
    """What a format takes of one record: its text and facts, or why it cannot be had."""

    text: bytes = b""
    facts: Mapping[str, str] = MappingProxyType({})
    damage: Drop = Drop.KEPT
    repairs: int = 0


class Head(NamedTuple):
    """What stands before a record's content: its fields, the bytes it takes, and those the content is to have."""

    fields: Mapping[str, str]
    size: int
    block_size: int


class Framing(NamedTuple):
    """How the records of a format begin.

    Attributes:
        read_head: (bytes, place) -> the head that is there, or None where its framing does not hold.
        may_begin: Whether the bytes after a record may be the next; of its first line they hold what there is.
        next_line: A line feed and the line that begins a record.
        longest_line: The most bytes that `next_line` finds.
    """

    read_head: Callable[[bytes, int], Head | None]
    may_begin: Callable[[bytes], bool]
    next_line: re.Pattern[bytes]
    longest_line: int


def _read_head(data: bytes, at: int) -> Head | None:
    if not _VERSION_LINE.match(data, at):
        return None
    end = _HEAD_END.search(data, at, at + MAX_HEAD_BYTES)
    if end is None:
        return None
    fields = _fields(data[at : end.start()])
    length = _DIGITS.fullmatch(fields.get("content-length", ""))
    return Head(fields, end.end() - at, int(length[0])) if length else None


def _may_begin(after: bytes) -> bool:
    return _MAGIC.startswith(after[: len(_MAGIC)])


WARC = Framing(_read_head, _may_begin, _NEXT_VERSION_LINE, _LONGEST_VERSION_LINE)


def read_warc(
    chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES, framing: Framing = WARC
) -> Iterator[WarcRecord]:
    """The records of a stream; what they say does not depend on how it is cut.

    A record is sound if its header ends, and if where its length says it ends there is the next one or the end of
    the stream. Any other stretch, up to the next line that begins a record, is one damaged record.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer record is passed over, not held, and searched for the next one.
        framing: How records begin.

    Raises:
        DamagedContainerError: As `chunks` raises it; before that, all that was read is given, and a record without
            its end is `Drop.TRUNCATED_RECORD`.
    """
    window = _Window(chunks)
    number = 0
    while window.ahead(1):
        sound = _sound(window, number, max_record_bytes, framing)
        yield sound or _damaged(window, number, max_record_bytes, framing)
        number += 1
    if window.damage:
        raise window.damage


def gather(
    records: Iterable[WarcRecord],
    take: Callable[[WarcRecord], Page | str],
    facts: tuple[str, ...],
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Records]:
    """Records in batches: a row for each of which `take` makes a page, and for each damaged one.

    Args:
        records: What `read_warc` gives.
        take: The page of a sound record, or the label under which it is skipped.
        facts: The names of the facts that pages have.
        batch_bytes: About how much of the stream a batch covers.

    Raises:
        DamagedContainerError: As `records` raises it; what was read before is given first.
    """
    batch = _Batch(facts)
    damage: DamagedContainerError | None = None
    try:
        for record in records:
            batch.add(record, Page(damage=record.damage) if record.damage else take(record))
            if batch.bytes >= batch_bytes:
                yield batch.records()
                batch = _Batch(facts)
    except DamagedContainerError as error:
        damage = error
    if batch.bytes:
        yield batch.records()
    if damage:
        raise damage


class _Window:
    """The stream from the record being read on; what ends it early is kept for the end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.data = b""
        self.at = 0  # of the data, where the record starts
        self.offset = 0  # of the stream, the same
        self.damage: DamagedContainerError | None = None

    def ahead(self, size: int) -> int:
        """Holds this many bytes from the record's start on, or all there are; returns how many it holds."""
        held = len(self.data) - self.at
        if held >= size:
            return held
        pieces: list[bytes | memoryview] = [memoryview(self.data)[self.at :]]
        while held < size and (chunk := self._next()) is not None:
            pieces.append(chunk)
            held += len(chunk)
        self.data, self.at = b"".join(pieces), 0
        return held

    def _next(self) -> bytes | None:
        try:
            return next(self._chunks, None)
        except DamagedContainerError as error:
            self.damage = error
            self._chunks = iter(())
            return None

    def pass_over(self, size: int) -> None:
        """Goes on by this many bytes, all of them held."""
        self.at += size
        self.offset += size


def _sound(window: _Window, number: int, max_record_bytes: int, framing: Framing) -> WarcRecord | None:
    """The record here; None where its framing does not hold, and nothing is passed over."""
    window.ahead(MAX_HEAD_BYTES)
    head = framing.read_head(window.data, window.at)
    if head is None:
        return None
    size = head.size + head.block_size
    if size > max_record_bytes or window.ahead(size) < size:
        return None
    newlines = _newlines(window, size)
    held = window.ahead(size + newlines + framing.longest_line)
    after = window.data[window.at + size + newlines : window.at + size + newlines + framing.longest_line]
    if held > size + newlines and not framing.may_begin(after):
        return None
    raw = window.data[window.at : window.at + size]
    record = WarcRecord(number, window.offset, raw, size + newlines, head.fields, head.size, Drop.KEPT)
    window.pass_over(size + newlines)
    return record


def _newlines(window: _Window, start: int) -> int:
    """How many bytes of line ends follow."""
    count = 0
    while True:
        held = window.ahead(start + count + _LINE_ENDS)
        rest = window.data[window.at + start + count : window.at + start + count + _LINE_ENDS]
        more = len(rest) - len(rest.lstrip(b"\r\n"))
        count += more
        if more < len(rest) or held == start + count:
            return count


def _damaged(window: _Window, number: int, max_record_bytes: int, framing: Framing) -> WarcRecord:
    """All up to the next line that begins a record, or to the end."""
    offset, passed, searched = window.offset, 0, 0
    while True:
        wanted = 2 * searched + 2 * framing.longest_line
        held = window.ahead(wanted)
        found = framing.next_line.search(window.data, window.at + searched)
        if found or held < wanted:
            break
        searched = held - framing.longest_line
        if passed + searched > max_record_bytes:
            window.pass_over(searched)
            passed, searched = passed + searched, 0
    size = found.start() + 1 - window.at if found else held
    raw, damage = window.data[window.at : window.at + size].rstrip(b"\r\n"), Drop.BROKEN_RECORD
    window.pass_over(size)
    if passed + size > max_record_bytes:
        raw, damage = b"", Drop.OVERSIZE_RECORD
    elif found is None and window.damage:
        damage = Drop.TRUNCATED_RECORD
    return WarcRecord(number, offset, raw, passed + size, {}, len(raw), damage)


def _fields(head: bytes) -> dict[str, str]:
    """Header fields after the first line, the first of each name; a folded line goes on with the one before."""
    return header_fields(head.decode("utf-8", "replace").partition("\n")[2])


def header_fields(lines: str) -> dict[str, str]:
    """`name: value` lines as names in lower case and trimmed values, the first of each name."""
    fields: dict[str, str] = {}
    if "\n " in lines or "\n\t" in lines:
        lines = _FOLD.sub(" ", lines)
    for line in lines.split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


class _Batch:
    """Rows as they come; as columns at the end."""

    def __init__(self, facts: tuple[str, ...]) -> None:
        self.bytes = 0
        self._rows: list[tuple[WarcRecord, Page]] = []
        self._skipped: dict[str, tuple[int, int]] = {}
        self._facts = facts

    def add(self, record: WarcRecord, taken: Page | str) -> None:
        self.bytes += record.raw_bytes
        if isinstance(taken, str):
            count, size = self._skipped.get(taken, (0, 0))
            self._skipped[taken] = count + 1, size + record.raw_bytes
        else:
            self._rows.append((record, taken))

    def records(self) -> Records:
        rows = self._rows
        return Records(
            number=np.array([record.number for record, _ in rows], np.int64),
            offset=np.array([record.offset for record, _ in rows], np.int64),
            raw=Texts.from_list([record.raw for record, _ in rows]),
            raw_bytes=np.array([record.raw_bytes for record, _ in rows], np.int64),
            label=[""] * len(rows),
            text=Texts.from_list([page.text for _, page in rows]),
            damage=np.array([page.damage for _, page in rows], np.uint8),
            repairs=np.array([page.repairs for _, page in rows], np.int32),
            skipped=self._skipped,
            facts={name: [page.facts.get(name, "") for _, page in rows] for name in self._facts},
        )
