"""The `reddit-entities` rule: the three characters that Reddit escapes in its dumps, read back once.

Reddit escapes `&`, `<` and `>` in bodies, self-texts and titles, and nothing else (seen in the Pushshift dumps of
2005 to 2024). To undo that is part of reading a record, once, and no normalisation: who typed `&lt;` stands in
the dump as `&amp;lt;`, and a second pass would turn what they typed into `<`. So this rule, alone of all, is not
idempotent, by its nature.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts

_AMPERSAND, _SEMICOLON, _LESS, _GREATER = 0x26, 0x3B, 0x3C, 0x3E

# Long enough to fill the vector registers, short enough that one ampersand sends little text the slow way.
_BLOCK = 64


def unescape_reddit(texts: Texts) -> Texts:
    """Turns `&amp;`, `&lt;` and `&gt;` into what they stand for, from left to right, each byte read once.

    Args:
        texts: n texts as the dump has them, UTF-8.

    Returns:
        n texts, none longer than it was.
    """
    data, offsets = _unescape(texts.data, texts.offsets)
    data.flags.writeable = False
    return Texts(data, offsets)


@njit(cache=True, nogil=True)
def _unescape(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    out = np.empty(len(data), np.uint8)
    out_offsets = np.zeros(len(offsets), np.int64)
    size = 0
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            while at + _BLOCK <= end and _copy_if_plain(data, at, out, size):
                at += _BLOCK
                size += _BLOCK
            block_end = min(at + _BLOCK, end)
            while at < block_end:
                byte, width = _character(data, at, end) if data[at] == _AMPERSAND else (data[at], 1)
                out[size] = byte
                size += 1
                at += width
        out_offsets[row + 1] = size
    return out[:size], out_offsets


@njit(cache=True, nogil=True)
def _copy_if_plain(data: NDArray[np.uint8], at: int, out: NDArray[np.uint8], size: int) -> bool:
    """Copies a block and says whether it holds no ampersand; free of branches, so it runs on vectors."""
    block, target = data[at : at + _BLOCK], out[size : size + _BLOCK]
    escaped = False
    for i in range(_BLOCK):
        target[i] = block[i]
        escaped |= block[i] == _AMPERSAND
    return not escaped


@njit(cache=True, nogil=True)
def _character(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """The byte that the reference at this ampersand stands for, and the bytes it takes."""
    is_t = at + 4 <= end and data[at + 2] == 0x74 and data[at + 3] == _SEMICOLON
    if is_t and data[at + 1] == 0x67:  # &gt;
        return _GREATER, 4
    if is_t and data[at + 1] == 0x6C:  # &lt;
        return _LESS, 4
    is_am = at + 5 <= end and data[at + 1] == 0x61 and data[at + 2] == 0x6D
    if is_am and data[at + 3] == 0x70 and data[at + 4] == _SEMICOLON:  # &amp;
        return _AMPERSAND, 5
    return _AMPERSAND, 1
