"""Finding words and cutting spans in a packed batch: what the line rules are made of.

A clean batch is read once and left as it is; only the lines that hold a rule's words are ever looked at one by
one. Positions are bytes of `Texts.data`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts

_LINE_FEED = 0x0A
_CASE_BIT = 0x20  # what sets a small ASCII letter apart from its capital

# Long enough to fill the vector registers, short enough to look at again byte by byte.
_BLOCK = 64
# Bytes of a word that a block is searched for before it is looked at byte by byte.
_PROBE = 4


def rows_with(texts: Texts, words: bytes) -> NDArray[np.int64]:
    """The rows of the texts that hold the words, ASCII capitals and small letters alike.

    Args:
        texts: n texts.
        words: At least four bytes of ASCII, in small letters. The first four are best a rare beginning.

    Returns:
        int64[k], in order.
    """
    every = np.arange(len(texts), dtype=np.int64)
    held, _ = _find(texts.data, texts.offsets, every, np.frombuffer(words, np.uint8), True)
    return held


def lines_with(texts: Texts, rows: NDArray[np.int64], words: bytes, reach: int) -> list[tuple[int, int, int]]:
    """The lines that hold the words near their start, ASCII capitals and small letters alike.

    Args:
        texts: n texts.
        rows: int64[k], the texts to look into, in order.
        words: At least four bytes of ASCII, in small letters; sought within a line.
        reach: The words begin at most this many bytes behind the start of their line.

    Returns:
        (row, start, end) of each such line in order, its LF left out; each line once.
    """
    held, found = _find(texts.data, texts.offsets, rows, np.frombuffer(words, np.uint8), False)
    starts, ends = _line_bounds(texts.data, texts.offsets, held, found, reach)
    first = starts >= 0
    first[1:] &= starts[1:] != starts[:-1]
    return list(zip(held[first].tolist(), starts[first].tolist(), ends[first].tolist(), strict=True))


def cut(texts: Texts, spans: list[tuple[int, int]]) -> Texts:
    """The texts without these spans.

    Args:
        texts: n texts.
        spans: (start, end), in order, disjoint, none over the border of two texts.
    """
    if not spans:
        return texts
    bounds = np.array([(0, 0), *spans, (len(texts.data), len(texts.data))], np.int64)
    kept = [texts.data[end:start] for end, start in zip(bounds[:-1, 1], bounds[1:, 0], strict=True)]
    data = np.concatenate(kept)
    data.flags.writeable = False
    removed = np.cumsum(bounds[:, 1] - bounds[:, 0])
    # A span that ends at or before an offset lies before it: its bytes move the offset down.
    before = np.searchsorted(bounds[:-1, 1], texts.offsets, side="right") - 1
    return Texts(data, texts.offsets - removed[before])


@njit(cache=True, nogil=True)
def _find(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    needle: NDArray[np.uint8],
    only_first: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two int64[k], rows and positions where the needle stands inside a text, in order, without overlaps."""
    held = np.empty(len(data) // len(needle), np.int64)
    found = np.empty(len(data) // len(needle), np.int64)
    count = 0
    for row in rows:
        at = offsets[row]
        last = offsets[row + 1] - len(needle)
        while at <= last:
            # A block may run into the next text: it is then looked at for nothing, which costs time and no more.
            if at + _BLOCK + _PROBE <= len(data) and not _may_hold(data, at, needle):
                at += _BLOCK
                continue
            block_end = min(at + _BLOCK, last + 1)
            while at < block_end:
                if _stands_at(data, at, needle):
                    held[count], found[count] = row, at
                    count += 1
                    at = last + 1 if only_first else at + len(needle)
                else:
                    at += 1
    return held[:count].copy(), found[:count].copy()


@njit(cache=True, nogil=True)
def _may_hold(data: NDArray[np.uint8], at: int, needle: NDArray[np.uint8]) -> bool:
    """Whether the needle's first bytes, in any case, begin in a block; free of branches, so it runs on vectors."""
    block = data[at : at + _BLOCK + _PROBE]
    p, q, r, s = needle[0] | _CASE_BIT, needle[1] | _CASE_BIT, needle[2] | _CASE_BIT, needle[3] | _CASE_BIT
    held = False
    for i in range(_BLOCK):
        held |= (
            ((block[i] | _CASE_BIT) == p)
            & ((block[i + 1] | _CASE_BIT) == q)
            & ((block[i + 2] | _CASE_BIT) == r)
            & ((block[i + 3] | _CASE_BIT) == s)
        )
    return held


@njit(cache=True, nogil=True)
def _stands_at(data: NDArray[np.uint8], at: int, needle: NDArray[np.uint8]) -> bool:
    for i in range(len(needle)):
        byte = data[at + i]
        if 0x41 <= byte <= 0x5A:
            byte |= _CASE_BIT
        if byte != needle[i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _line_bounds(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    found: NDArray[np.int64],
    reach: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two int64[k], start and end of the line around each position; -1 where it starts out of reach."""
    starts, ends = np.full(len(found), -1, np.int64), np.full(len(found), -1, np.int64)
    for i in range(len(found)):
        text_start, text_end = offsets[rows[i]], offsets[rows[i] + 1]
        start = found[i]
        while start > text_start and found[i] - start <= reach and data[start - 1] != _LINE_FEED:
            start -= 1
        if found[i] - start > reach:
            continue
        end = found[i]
        while end < text_end and data[end] != _LINE_FEED:
            end += 1
        starts[i], ends[i] = start, end
    return starts, ends
