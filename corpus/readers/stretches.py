r"""Formats whose record is a run of whole lines: where one begins and what it says is theirs, the rest is here.

Every byte falls to exactly one run, so that its raw record is all of it: the last terminator too, for which lines
are a record's is the format's to say. Lines end at b"\n" alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from corpus.document import Texts
from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.lines import UTF8_BOM
from corpus.readers.record import Records
from corpus.readers.repair import repair_utf8

Starts = Callable[[bytes], Sequence[int]]
"""Given the next whole lines of a stream, says at which of their bytes a record begins, in order.

It is called with each line once, in order, and may count them. It must judge a line by its first bytes alone: of
one over the limit that is all it may see.
"""


class Reading(NamedTuple):
    """What a format makes of one run of lines.

    Attributes:
        text: UTF-8.
        repairs: Characters that became U+FFFD.
        damage: Why there is no text, a `Drop` below 20.
        skip: Instead of a row: the label under which the run's bytes are counted as skipped.
        start: Where in the run the raw record starts, bytes.
        stop: Where it ends; None at the run's end.
    """

    text: bytes = b""
    repairs: int = 0
    damage: Drop = Drop.KEPT
    skip: str = ""
    start: int = 0
    stop: int | None = None


def read_stretches(
    chunks: Iterable[bytes], starts: Starts, read: Callable[[bytes], Reading], max_record_bytes: int
) -> Iterator[Records]:
    """A record a run of lines. The first begins where the stream does.

    Args:
        chunks: The uncompressed stream.
        starts: Where the others begin.
        read: What a run says; given it without a BOM at the stream's start.
        max_record_bytes: A longer run is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        DamagedContainerError: As `chunks` raises it; before that, all that was read is given, and the last run is
            `Drop.TRUNCATED_RECORD`.
    """
    cutter = _Cutter(starts, max_record_bytes)
    number = 0
    damage: DamagedContainerError | None = None
    try:
        for piece in _whole_lines(chunks, max_record_bytes):
            cutter.push(piece)
            if stretches := cutter.take():
                yield _records(number, stretches, read)
                number += len(stretches)
    except DamagedContainerError as error:
        damage = error
    cutter.close(Drop.TRUNCATED_RECORD if damage else Drop.KEPT)
    yield _records(number, cutter.take(), read)
    if damage:
        raise damage


def every(lines: int) -> Starts:
    """A record begins at every so-manieth line, blank ones counted."""
    seen = 0

    def starts(data: bytes) -> list[int]:
        nonlocal seen
        first = -seen % lines
        begin = line_starts(data)
        seen += len(begin)
        return begin[first::lines]

    return starts


def never(data: bytes) -> tuple[()]:
    """The whole stream is one record."""
    return ()


def line_starts(data: bytes) -> list[int]:
    """Where each line starts."""
    begin = [0, *(np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1).tolist()]
    return begin[:-1] if begin[-1] == len(data) else begin


def read_plain(raw: bytes) -> Reading:
    r"""The run as UTF-8 text: what is not becomes U+FFFD, b"\r\n" becomes b"\n", and the last one goes."""
    text, repairs = repair_utf8(raw)
    return Reading(text.replace(b"\r\n", b"\n").removesuffix(b"\n"), repairs)


class _Piece(NamedTuple):
    """Whole lines; or of a line over the limit the first bytes, and how many bytes more it has."""

    data: bytes
    beyond: int = 0


def _whole_lines(chunks: Iterable[bytes], max_record_bytes: int) -> Iterator[_Piece]:
    hold_bytes = len(UTF8_BOM) + max_record_bytes
    rest = bytearray()  # the line that has not ended, as far as it is held
    beyond = 0
    try:
        for chunk in chunks:
            first_end = chunk.find(b"\n") + 1
            room = hold_bytes - len(rest)
            head = chunk[: first_end or len(chunk)]
            rest += head[:room]
            beyond += max(0, len(head) - room)
            if not first_end:
                continue
            yield _Piece(bytes(rest), beyond)
            last_end = chunk.rfind(b"\n") + 1
            if last_end > first_end:
                yield _Piece(chunk[first_end:last_end])
            rest = bytearray(chunk[last_end : last_end + hold_bytes])
            beyond = len(chunk) - last_end - len(rest)
    except DamagedContainerError:
        yield _Piece(bytes(rest), beyond)
        raise
    yield _Piece(bytes(rest), beyond)


class _Stretch(NamedTuple):
    offset: int
    raw: bytes
    raw_bytes: int
    damage: Drop


class _Cutter:
    """Gathers lines into runs; of one over the limit it only counts the bytes."""

    def __init__(self, starts: Starts, max_record_bytes: int) -> None:
        self._starts = starts
        self._max_record_bytes = max_record_bytes
        self._hold_bytes = len(UTF8_BOM) + max_record_bytes
        self._closed: list[_Stretch] = []
        self._offset = self._raw_bytes = 0  # of the open run
        self._held = bytearray()  # its bytes, or as many as say that it is over the limit

    def push(self, piece: _Piece) -> None:
        at = 0
        for start in self._starts(piece.data + b"\n" if piece.beyond else piece.data):
            self._add(piece.data[at:start])
            self.close(Drop.KEPT)
            at = start
        self._add(piece.data[at:])
        self._raw_bytes += piece.beyond

    def _add(self, data: bytes) -> None:
        self._raw_bytes += len(data)
        self._held += data[: self._hold_bytes - len(self._held)]

    def close(self, end: Drop) -> None:
        """Ends the open run, if there is one; `end` is what to call it if nothing else is wrong with it."""
        if not self._raw_bytes:
            return
        bom = len(UTF8_BOM) if self._offset == 0 and self._held.startswith(UTF8_BOM) else 0
        raw, damage = b"", Drop.OVERSIZE_RECORD
        if self._raw_bytes - bom <= self._max_record_bytes:
            raw, damage = bytes(self._held[bom:]), end
        self._closed.append(_Stretch(self._offset + bom, raw, self._raw_bytes, damage))
        self._offset += self._raw_bytes
        self._raw_bytes = 0
        self._held.clear()

    def take(self) -> list[_Stretch]:
        """The runs closed since the last call."""
        closed, self._closed = self._closed, []
        return closed


def _records(number: int, stretches: Sequence[_Stretch], read: Callable[[bytes], Reading]) -> Records:
    """Consecutive records, the first of this number."""
    readings = [Reading(damage=run.damage) if run.damage else read(run.raw) for run in stretches]
    skipped: dict[str, tuple[int, int]] = {}
    for reading, run in zip(readings, stretches, strict=True):
        if reading.skip:
            count, size = skipped.get(reading.skip, (0, 0))
            skipped[reading.skip] = count + 1, size + run.raw_bytes
    rows = [
        (number + row, reading, run)
        for row, (reading, run) in enumerate(zip(readings, stretches, strict=True))
        if not reading.skip
    ]
    return Records(
        number=np.array([index for index, _, _ in rows], np.int64),
        offset=np.array([run.offset + reading.start for _, reading, run in rows], np.int64),
        raw=Texts.from_list([run.raw[reading.start : reading.stop] for _, reading, run in rows]),
        raw_bytes=np.array([run.raw_bytes for _, _, run in rows], np.int64),
        label=[""] * len(rows),
        text=Texts.from_list([reading.text for _, reading, _ in rows]),
        damage=np.array([reading.damage for _, reading, _ in rows], np.uint8),
        repairs=np.array([reading.repairs for _, reading, _ in rows], np.int32),
        skipped=skipped,
    )
