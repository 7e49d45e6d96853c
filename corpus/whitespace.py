"""The `whitespace` rule: one form of line end, of space and of blank line, by a list of our own.

OPT says of its Pile subsets only that they went through "additional ad-hoc whitespace normalization" (arXiv
2205.01068, section 2.3): its exact rules are unpublished. These are ours, in this order:

1. CR LF, CR, VT, FF, U+0085, U+2028 and U+2029 become LF.
2. The other C0 controls (NUL among them, tab not), DEL and U+FEFF are removed.
3. Tab, U+00A0, U+1680, U+2000 to U+200A, U+202F, U+205F and U+3000 become a space.
4. A run of spaces becomes one, and no line begins or ends with one.
5. At most one empty line stays between two others, and the text neither begins nor ends with LF.

The list stands here whole: no Unicode table is asked, so no Unicode version is part of the rule. Text in this
form passes through unchanged.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts

_LINE_FEED, _CARRIAGE_RETURN, _SPACE, _DELETE = 0x0A, 0x0D, 0x20, 0x7F

# What a byte becomes; behind a lead byte, or CR, the next bytes decide.
_KEPT, _BLANK, _BREAK, _REMOVED, _LEAD = 0, 1, 2, 3, 4

# Long enough to fill the vector registers, short enough that one stray tab sends little text the slow way.
_BLOCK = 64
# A byte is judged with the two after it, since the longest listed character has three.
_LOOK_AHEAD = 2


def _kinds() -> NDArray[np.uint8]:
    kinds = np.full(256, _KEPT, np.uint8)
    kinds[:_SPACE] = _REMOVED
    kinds[_DELETE] = _REMOVED
    kinds[[0x09, _SPACE]] = _BLANK
    kinds[[_LINE_FEED, 0x0B, 0x0C]] = _BREAK
    kinds[[_CARRIAGE_RETURN, 0xC2, 0xE1, 0xE2, 0xE3, 0xEF]] = _LEAD
    return kinds


_KINDS = _kinds()


def normalise_whitespace(texts: Texts) -> Texts:
    """Brings every text into the one form.

    Args:
        texts: n texts of valid UTF-8.

    Returns:
        n texts of valid UTF-8, none longer than it was.
    """
    data, offsets = _normalise(texts.data, texts.offsets)
    data.flags.writeable = False
    return Texts(data, offsets)


@njit(cache=True, nogil=True)
def _normalise(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    out = np.empty(len(data), np.uint8)
    out_offsets = np.zeros(len(offsets), np.int64)
    size = 0
    for row in range(len(offsets) - 1):
        size = _normalise_text(data, offsets[row], offsets[row + 1], out, size)
        out_offsets[row + 1] = size
    return out[:size], out_offsets


@njit(cache=True, nogil=True)
def _normalise_text(data: NDArray[np.uint8], at: int, end: int, out: NDArray[np.uint8], out_start: int) -> int:
    """Writes the text data[at:end] at `out_start`; returns the end of what it wrote, never more than it read."""
    size = out_start
    breaks, blanks = 0, 0  # line ends and spaces read since the last kept byte
    while at < end:
        if size > out_start:
            # Both sides stand right behind the same kept byte here, so clean blocks can be copied as they are.
            # The spaces and line ends that close the last one are read again: more may follow them.
            while at + _BLOCK + _LOOK_AHEAD <= end and _copy_if_clean(data, at, out, size):
                at += _BLOCK
                size += _BLOCK
            while out[size - 1] == _SPACE or out[size - 1] == _LINE_FEED:
                at -= 1
                size -= 1
        block_end = min(at + _BLOCK, end)
        while at < block_end or (at < end and breaks + blanks > 0):
            kind, width = _KINDS[data[at]], 1
            if kind == _LEAD:
                kind, width = _classify(data, at, end)
            if kind == _KEPT:
                if breaks + blanks > 0 and size > out_start:
                    out[size] = _LINE_FEED if breaks > 0 else _SPACE
                    size += 1
                    if breaks > 1:
                        out[size] = _LINE_FEED
                        size += 1
                breaks, blanks = 0, 0
                out[size] = data[at]
                size += 1
            breaks += kind == _BREAK
            blanks += kind == _BLANK
            at += width
    return size


@njit(cache=True, nogil=True)
def _copy_if_clean(data: NDArray[np.uint8], at: int, out: NDArray[np.uint8], size: int) -> bool:
    """Copies a block and says whether nothing in it can need a change; free of branches, so it runs on vectors."""
    block, target = data[at : at + _BLOCK + _LOOK_AHEAD], out[size : size + _BLOCK]
    dirty = False
    for i in range(_BLOCK):
        a, b, c = block[i], block[i + 1], block[i + 2]
        target[i] = a
        dirty |= (a < _SPACE) & (a != _LINE_FEED)
        dirty |= a == _DELETE
        dirty |= (a == _SPACE) & ((b == _SPACE) | (b == _LINE_FEED))
        dirty |= (a == _LINE_FEED) & ((b == _SPACE) | ((b == _LINE_FEED) & (c == _LINE_FEED)))
        dirty |= (a == 0xC2) & ((b == 0x85) | (b == 0xA0))
        dirty |= (a == 0xE1) & (b == 0x9A)
        # U+2010 to U+2027, the dashes and curly quotes of any English page, are clean.
        dirty |= (a == 0xE2) & (((b == 0x80) & ((c <= 0x8A) | (c >= 0xA8))) | (b == 0x81))
        dirty |= (a == 0xE3) & (b == 0x80) & (c == 0x80)
        dirty |= (a == 0xEF) & (b == 0xBB)
    return not dirty


@njit(cache=True, nogil=True)
def _classify(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """What the character behind a lead byte becomes, and its bytes to step over; kept ones go byte by byte."""
    a = data[at]
    b = data[at + 1] if at + 1 < end else 0
    c = data[at + 2] if at + 2 < end else 0
    if a == _CARRIAGE_RETURN:
        return _BREAK, 2 if b == _LINE_FEED else 1
    if a == 0xC2:
        return (_BREAK, 2) if b == 0x85 else (_BLANK, 2) if b == 0xA0 else (_KEPT, 1)
    point = (a & 0x0F) << 12 | (b & 0x3F) << 6 | (c & 0x3F)
    if point == 0x2028 or point == 0x2029:
        return _BREAK, 3
    if 0x2000 <= point <= 0x200A or point == 0x1680 or point == 0x202F or point == 0x205F or point == 0x3000:
        return _BLANK, 3
    return (_REMOVED, 3) if point == 0xFEFF else (_KEPT, 1)
