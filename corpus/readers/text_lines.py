"""Plain text, a document a line: how CC-Stories is reproduced (cc-stories.txt), among others.

Its other layout, a paragraph a line and a blank line between two documents, is that of `text.py`'s blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from corpus.document import Texts
from corpus.readers.record import Lines, Records
from corpus.readers.repair import repair_utf8

VERSION = 1


def read_text_lines(lines: Iterable[Lines]) -> Iterator[Records]:
    """A record a line that is not blank. Bytes that are not UTF-8 become U+FFFD, counted in `repairs`."""
    for batch in lines:
        yield _records(batch)


def _records(lines: Lines) -> Records:
    repairs = np.zeros(len(lines), np.int32)
    text = lines.raw
    if lines.damage.any() or not _is_utf8(text):
        repaired = [
            (b"", 0) if damage else repair_utf8(raw)
            for raw, damage in zip(lines.raw, lines.damage.tolist(), strict=True)
        ]
        text = Texts.from_list([line for line, _ in repaired])
        repairs[:] = [count for _, count in repaired]
    return Records(
        number=lines.number,
        offset=lines.offset,
        raw=lines.raw,
        raw_bytes=lines.raw_bytes,
        label=[""] * len(lines),
        text=text,
        damage=lines.damage,
        repairs=repairs,
        skipped=lines.skipped,
    )


def _is_utf8(texts: Texts) -> bool:
    """Whether each of them is, not only all end to end."""
    try:
        texts.to_arrow().cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True
