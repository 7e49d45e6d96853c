"""Whether a normalised text is worth training on: five rules in integers, each with its version.

Every value is measured for every text, kept or dropped, and goes into the ledger beside the verdict, so that
another threshold can be tried on paper. The definitions, to the letter:

- A *word* is a run of bytes other than ASCII space and LF. It *has a letter* when it holds an ASCII letter or any
  byte of a non-ASCII character (no Unicode table is asked, so no Unicode version is part of a rule).
- A *line* is what stands between two LFs or the ends of the text; it counts when it holds a word. It is *repeated*
  when an earlier line of the same text has the same bytes, told by a 64-bit hash (FNV-1a, draft-eastlake-fnv).
- Percentages are rounded down: letters = 100 * words with a letter // words, repeated = 100 * repeated lines //
  lines; 0 where there are no words.

OPT names no such filters of its own beyond those of the sources it took, so a recipe states what it uses: by
default all are off but `EMPTY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.drops import Drop

FILTER_VERSIONS: Mapping[Drop, int] = MappingProxyType(
    {
        Drop.EMPTY: 1,
        Drop.TOO_FEW_WORDS: 1,
        Drop.TOO_MANY_BYTES: 1,
        Drop.TOO_FEW_LETTERS: 1,
        Drop.REPEATED_LINES: 1,
    }
)
"""The version of each rule: raised with every change of what it measures or refuses."""

_LINE_FEED, _SPACE = 0x0A, 0x20

# FNV-1a, 64 bits. Source: Fowler, Noll, Vo, Eastlake, draft-eastlake-fnv, section 5.
_HASH_BASIS, _HASH_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class FilterRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The thresholds of a recipe; by default each lets everything pass.

    Attributes:
        min_words: A text of fewer words is dropped. Gopher used 50 (arXiv 2112.11446, appendix A1.1).
        max_bytes: A text of more bytes is dropped; 0 is no limit.
        min_letters_percent: A text is dropped when fewer of its words have a letter. Gopher used 80 (there).
        max_repeated_lines_percent: A text is dropped when more of its lines are repeated. Gopher used 30 (there,
            table A1).
    """

    min_words: _Count = 1
    max_bytes: _Count = 0
    min_letters_percent: _Percent = 0
    max_repeated_lines_percent: _Percent = 100


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the rules said of n texts, and what they measured.

    Attributes:
        drop: uint8[n], the `Drop` of the first rule that refused, in the order of `Drop`, or `Drop.KEPT`.
        words: int32[n].
        size: int64[n], bytes.
        letters_percent: uint8[n].
        repeated_lines_percent: uint8[n].
    """

    drop: NDArray[np.uint8]
    words: NDArray[np.int32]
    size: NDArray[np.int64]
    letters_percent: NDArray[np.uint8]
    repeated_lines_percent: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.drop)


def judge(texts: Texts, rules: FilterRules) -> Judgement:
    """Measures every text and says which rule refuses it first.

    Args:
        texts: n normalised texts, each of fewer than 2**31 bytes.
        rules: The thresholds.
    """
    words, lettered, lines, repeated = _measure(texts.data, texts.offsets)
    size = texts.lengths
    letters_percent = 100 * lettered // np.maximum(words, 1)
    repeated_percent = 100 * repeated // np.maximum(lines, 1)
    drop = refusal(words, size, letters_percent, repeated_percent, rules)
    return Judgement(
        drop=drop,
        words=words.astype(np.int32),
        size=size,
        letters_percent=letters_percent.astype(np.uint8),
        repeated_lines_percent=repeated_percent.astype(np.uint8),
    )


def refusal(
    words: NDArray[np.int64],
    size: NDArray[np.int64],
    letters_percent: NDArray[np.int64],
    repeated_percent: NDArray[np.int64],
    rules: FilterRules,
) -> NDArray[np.uint8]:
    """Which rule refuses texts of these measured values first: uint8[n], a `Drop`."""
    refusals = (
        (Drop.EMPTY, words == 0),
        (Drop.TOO_FEW_WORDS, words < rules.min_words),
        (Drop.TOO_MANY_BYTES, (size > rules.max_bytes) & (rules.max_bytes > 0)),
        (Drop.TOO_FEW_LETTERS, letters_percent < rules.min_letters_percent),
        (Drop.REPEATED_LINES, repeated_percent > rules.max_repeated_lines_percent),
    )
    drop = np.select([refused for _, refused in refusals], [reason for reason, _ in refusals], Drop.KEPT)
    return drop.astype(np.uint8)


@njit(cache=True, nogil=True)
def _measure(
    data: NDArray[np.uint8], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Four int64[n]: words, words with a letter, lines that count, and those of them that are repeated."""
    n = len(offsets) - 1
    words, lettered = np.zeros(n, np.int64), np.zeros(n, np.int64)
    lines, repeated = np.zeros(n, np.int64), np.zeros(n, np.int64)
    longest = 0
    for row in range(n):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest // 2 + 1, np.uint64)  # a line that counts takes a byte and, but for the last, an LF
    for row in range(n):
        text = data[offsets[row] : offsets[row + 1]]
        words[row], lettered[row], lines[row] = _measure_text(text, hashes)
        repeated[row] = _count_repeated(hashes[: lines[row]])
    return words, lettered, lines, repeated


@njit(cache=True, nogil=True)
def _measure_text(text: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> tuple[int, int, int]:
    """Words, words with a letter, and lines that count; fills in the hash of each such line."""
    words, lettered, lines = 0, 0, 0
    words_before_line = 0
    line_hash = _HASH_BASIS
    in_word, has_letter = 0, 0  # of the word so far; 0 or 1, since a branch here would be mispredicted per word
    for byte in text:
        if byte == _LINE_FEED:
            if words > words_before_line:
                hashes[lines] = line_hash
                lines += 1
                words_before_line = words
            line_hash = _HASH_BASIS
            in_word, has_letter = 0, 0
            continue
        line_hash = (line_hash ^ np.uint64(byte)) * _HASH_PRIME
        solid = int(byte != _SPACE)
        letter = int((byte >= 0x80) | (((byte | 0x20) >= 0x61) & ((byte | 0x20) <= 0x7A)))
        words += solid & ~in_word
        lettered += letter & ~has_letter
        in_word = solid
        has_letter = solid & (has_letter | letter)
    if words > words_before_line:
        hashes[lines] = line_hash
        lines += 1
    return words, lettered, lines


@njit(cache=True, nogil=True)
def _count_repeated(hashes: NDArray[np.uint64]) -> int:
    """How many of the hashes stand before them too; sorts them in place."""
    hashes.sort()
    repeated = 0
    for i in range(1, len(hashes)):
        repeated += int(hashes[i] == hashes[i - 1])
    return repeated
