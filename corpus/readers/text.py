r"""Plain text: a document a file, or a document a block of lines with blank lines around it.

UTF-8, with or without a BOM. In the text (not in `raw`) bytes that are not UTF-8 become U+FFFD, counted in
`repairs`, and b"\r\n" becomes b"\n".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from corpus.document import Texts
from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.lines import BATCH_BYTES, BLANK_LINE, MAX_RECORD_BYTES, UTF8_BOM, read_lines
from corpus.readers.record import Lines, Records
from corpus.readers.repair import repair_utf8


def read_text_file(chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Records]:
    """The whole stream as one record, also when it is empty.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer file is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read is given first, as `Drop.TRUNCATED_RECORD`.
    """
    held: list[bytes] = []
    head = b""
    size = 0
    damage: DamagedContainerError | None = None
    try:
        for chunk in chunks:
            head = (head + chunk[: len(UTF8_BOM)])[: len(UTF8_BOM)]
            size += len(chunk)
            if size <= len(UTF8_BOM) + max_record_bytes:
                held.append(chunk)
            else:
                held.clear()
    except DamagedContainerError as error:
        damage = error
    bom = len(UTF8_BOM) if head == UTF8_BOM else 0
    if size - bom > max_record_bytes:
        row = _Row(bom, b"", size, Drop.OVERSIZE_RECORD)
    else:
        row = _Row(bom, b"".join(held)[bom:], size, Drop.TRUNCATED_RECORD if damage else Drop.KEPT)
    yield _records(0, [row], {})
    if damage:
        raise damage


def read_text_blocks(
    chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES, batch_bytes: int = BATCH_BYTES
) -> Iterator[Records]:
    """A record for each run of lines that are not blank; the blank lines between are `skipped`.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer block is `Drop.OVERSIZE_RECORD`: passed over, not held.
        batch_bytes: About how much of the stream a batch covers.

    Raises:
        DamagedContainerError: As `chunks` raises it; before that, all that was read is given, and a block without
            its end is `Drop.TRUNCATED_RECORD`.
    """
    blocks = _Blocks(max_record_bytes)
    number = 0
    damage: DamagedContainerError | None = None
    try:
        for lines in read_lines(chunks, max_record_bytes=max_record_bytes, batch_bytes=batch_bytes):
            blocks.push(lines)
            records = _records(number, blocks.take(), lines.skipped)
            number += len(records)
            yield records
    except DamagedContainerError as error:
        damage = error
    blocks.close(Drop.TRUNCATED_RECORD if damage else Drop.KEPT)
    yield _records(number, blocks.take(), {})
    if damage:
        raise damage


class _Row(NamedTuple):
    offset: int
    raw: bytes
    raw_bytes: int
    damage: Drop


class _Blocks:
    """Gathers lines into blocks; of one over the limit it only counts the bytes."""

    def __init__(self, max_record_bytes: int) -> None:
        self._max_record_bytes = max_record_bytes
        self._closed: list[_Row] = []
        self._lines = 0  # seen, blank ones included
        self._next_line = 0  # the number of the line that would go on with the open block
        self._open = bytearray()  # the open block, its last terminator included
        self._terminator_bytes = 0
        self._offset = self._raw_bytes = 0
        self._damage = Drop.KEPT

    def push(self, lines: Lines) -> None:
        columns = (lines.number.tolist(), lines.offset.tolist(), lines.raw, lines.raw_bytes.tolist(), lines.damage)
        for number, offset, raw, raw_bytes, damage in zip(*columns, strict=True):
            if number != self._next_line:
                self.close(Drop.KEPT)
            if self._raw_bytes == 0:
                self._offset = offset
            self._next_line = number + 1
            self._raw_bytes += raw_bytes
            bom_bytes = offset if number == 0 else 0
            self._add(raw, raw_bytes - bom_bytes - len(raw), Drop(damage))
        self._lines += len(lines) + lines.skipped.get(BLANK_LINE, (0, 0))[0]
        if self._lines > self._next_line:
            self.close(Drop.KEPT)

    def _add(self, raw: bytes, terminator_bytes: int, damage: Drop) -> None:
        if self._damage is Drop.OVERSIZE_RECORD:
            return
        self._open += raw
        self._damage = Drop.OVERSIZE_RECORD if len(self._open) > self._max_record_bytes else damage
        if self._damage is Drop.OVERSIZE_RECORD:
            self._open.clear()
            terminator_bytes = 0
        self._terminator_bytes = terminator_bytes
        self._open += b"\r\n"[2 - terminator_bytes :]

    def close(self, end: Drop) -> None:
        """Ends the open block, if there is one; `end` is what to call it if nothing else is wrong with it."""
        if self._raw_bytes:
            raw = bytes(self._open[: len(self._open) - self._terminator_bytes])
            self._closed.append(_Row(self._offset, raw, self._raw_bytes, self._damage or end))
        self._open.clear()
        self._raw_bytes = 0
        self._damage = Drop.KEPT

    def take(self) -> list[_Row]:
        """The blocks closed since the last call."""
        closed, self._closed = self._closed, []
        return closed


def _records(number: int, rows: Sequence[_Row], skipped: Mapping[str, tuple[int, int]]) -> Records:
    """Consecutive records, the first of this number."""
    repaired = [(b"", 0) if row.damage else repair_utf8(row.raw) for row in rows]
    return Records(
        number=np.arange(number, number + len(rows), dtype=np.int64),
        offset=np.array([row.offset for row in rows], np.int64),
        raw=Texts.from_list([row.raw for row in rows]),
        raw_bytes=np.array([row.raw_bytes for row in rows], np.int64),
        label=[""] * len(rows),
        text=Texts.from_list([text.replace(b"\r\n", b"\n") for text, _ in repaired]),
        damage=np.array([row.damage for row in rows], np.uint8),
        repairs=np.array([repairs for _, repairs in repaired], np.int32),
        skipped=skipped,
    )
