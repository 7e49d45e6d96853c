r"""Splits a stream into lines, every byte accounted for, whatever chunks it comes in.

A line ends at b"\n" and at nothing else: U+2028 and its like stand inside JSON strings. A b"\r" before it belongs
to the terminator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.record import Lines

MAX_RECORD_BYTES = 64 * 2**20
"""A longer record is not held in memory, and is a row of the ledger. Unpublished: our choice."""

BATCH_BYTES = 2**20
"""About what one batch of records holds. Unpublished: our choice; 4 MiB is a fifth slower, in page faults."""

UTF8_BOM = b"\xef\xbb\xbf"

BLANK_LINE = "blank line"
"""The label under which lines of nothing but ASCII whitespace are counted as skipped."""

_NEWLINE, _CARRIAGE_RETURN = 10, 13
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))


def read_lines(
    chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES, batch_bytes: int = BATCH_BYTES
) -> Iterator[Lines]:
    """The lines of a stream, in batches.

    The lines and what is said of them do not depend on where chunks or batches are cut. A UTF-8 BOM at the start
    is no part of the first line (whose offset is then 3) but is among its `raw_bytes`.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer line, its terminator left out, is `Drop.OVERSIZE_RECORD`: passed over, not held.
        batch_bytes: A batch is given once it has this many bytes of whole lines.

    Raises:
        DamagedContainerError: As `chunks` raises it; before that, all that was read is given, and what was read of
            a last line without its end is `Drop.TRUNCATED_RECORD`.
    """
    number = offset = 0
    for block in _blocks(chunks, max_record_bytes, batch_bytes):
        if block.damage:
            yield _damaged_line(block, number, offset, max_record_bytes)
            number += 1
        else:
            lines = _lines(block.data, number, offset, max_record_bytes)
            yield lines
            number += len(lines) + lines.skipped.get(BLANK_LINE, (0, 0))[0]
        offset += block.stream_bytes


def count_newlines(chunk: bytes) -> int:
    """How many there are; `bytes.count` takes five times as long, for it looks at one byte after another."""
    return int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == _NEWLINE))


class _Block(NamedTuple):
    """Whole lines, the last of a stream perhaps without its newline; or one damaged line."""

    data: bytes
    stream_bytes: int
    damage: Drop = Drop.KEPT


def _blocks(chunks: Iterable[bytes], max_record_bytes: int, batch_bytes: int) -> Iterator[_Block]:
    cutter = _Cutter(max_record_bytes, batch_bytes)
    try:
        for piece in _slices(chunks, batch_bytes):
            yield from cutter.push(piece)
    except DamagedContainerError:
        yield from cutter.end(Drop.TRUNCATED_RECORD)
        raise
    yield from cutter.end(Drop.KEPT)


class _Cutter:
    """Cuts pieces of a stream into blocks; of a line that is surely over the limit it only counts the bytes."""

    def __init__(self, max_record_bytes: int, batch_bytes: int) -> None:
        self._batch_bytes = batch_bytes
        self._hold_bytes = len(UTF8_BOM) + max_record_bytes + len(b"\r")
        self._whole: list[memoryview] = []  # pieces of lines that have ended
        self._whole_bytes = 0
        self._rest: list[
            memoryview
        ] = []  # pieces of the line that has not; of one over the limit, its first bytes
        self._rest_bytes = 0

    def push(self, piece: bytes) -> Iterator[_Block]:
        if self._rest_bytes > self._hold_bytes:
            end = piece.find(b"\n") + 1
            self._rest_bytes += end or len(piece)
            if not end:
                return
            yield _Block(self._rest[0].tobytes(), self._rest_bytes, Drop.OVERSIZE_RECORD)
            self._rest, self._rest_bytes, piece = [], 0, piece[end:]
        end = piece.rfind(b"\n") + 1
        view = memoryview(piece)
        if end:
            self._whole += [*self._rest, view[:end]]
            self._whole_bytes += self._rest_bytes + end
            self._rest, self._rest_bytes = [], 0
        self._rest.append(view[end:])
        self._rest_bytes += len(piece) - end
        if self._rest_bytes > self._hold_bytes:
            self._rest = [memoryview(b"".join(self._rest)[: len(UTF8_BOM)])]
            yield from self._flush()
        elif self._whole_bytes >= self._batch_bytes:
            yield from self._flush()

    def end(self, unended: Drop) -> Iterator[_Block]:
        """What is left; `unended` is what to call a last line without its newline."""
        yield from self._flush()
        if self._rest_bytes:
            damage = Drop.OVERSIZE_RECORD if self._rest_bytes > self._hold_bytes else unended
            yield _Block(b"".join(self._rest), self._rest_bytes, damage)

    def _flush(self) -> Iterator[_Block]:
        if self._whole:
            yield _Block(b"".join(self._whole), self._whole_bytes)
            self._whole, self._whole_bytes = [], 0


def _slices(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The chunks, shorter than twice this: a batch is bounded though a chunk may not be."""
    for chunk in chunks:
        if len(chunk) < 2 * size:
            yield chunk
            continue
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]


def _damaged_line(block: _Block, number: int, offset: int, max_record_bytes: int) -> Lines:
    bom = _bom_bytes(block.data, offset)
    raw = block.data[bom:]
    damage = block.damage
    if damage is Drop.OVERSIZE_RECORD or len(raw) > max_record_bytes:
        raw, damage = b"", Drop.OVERSIZE_RECORD
    return Lines(
        number=np.array([number], np.int64),
        offset=np.array([offset + bom], np.int64),
        raw=Texts.from_list([raw]),
        raw_bytes=np.array([block.stream_bytes], np.int64),
        damage=np.array([damage], np.uint8),
    )


def _lines(block: bytes, number: int, offset: int, max_record_bytes: int) -> Lines:
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    unterminated = not block.endswith(b"\n")
    if unterminated:
        ends = np.append(ends, len(block))
    starts = np.concatenate([[0], ends[:-1] + 1])
    raw_bytes = ends + 1 - starts
    raw_bytes[-1] -= unterminated
    starts[0] = _bom_bytes(block, offset)
    carriage_return = (ends > starts) & (data[ends - 1] == _CARRIAGE_RETURN)
    carriage_return[-1] &= not unterminated
    stops = ends - carriage_return

    oversize = stops - starts > max_record_bytes
    blank = starts == stops
    for row in np.flatnonzero(~blank & ~oversize & _IS_SPACE[data[np.minimum(starts, len(block) - 1)]]):
        blank[row] = block[starts[row] : stops[row]].isspace()
    rows = np.flatnonzero(~blank)
    stops = np.where(oversize, starts, stops)
    return Lines(
        number=number + rows,
        offset=offset + starts[rows],
        raw=_packed(block, starts[rows], stops[rows]),
        raw_bytes=raw_bytes[rows],
        damage=np.where(oversize[rows], np.uint8(Drop.OVERSIZE_RECORD), np.uint8(0)),
        skipped={BLANK_LINE: (int(blank.sum()), int(raw_bytes[blank].sum()))} if blank.any() else {},
    )


def _packed(block: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Texts:
    """These lines of a block, end to end."""
    offsets = np.concatenate([[0], np.cumsum(stops - starts)])
    packed = block.replace(b"\n", b"")  # all of it, where no line lost more than its newline: the rule
    if len(packed) == offsets[-1]:
        return Texts(np.frombuffer(packed, np.uint8), offsets)
    return Texts.from_list(
        [block[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    )


def _bom_bytes(data: bytes, offset: int) -> int:
    return len(UTF8_BOM) if offset == 0 and data.startswith(UTF8_BOM) else 0
