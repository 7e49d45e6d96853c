"""Word n-gram shingles of a text as 64-bit hashes, and how many of them two texts share.

Version 1 of the definition; every sum and product is modulo 2**64:

    words    the lower-cased text split at whitespace: in Python, `text.lower().split()` over *bytes*. That
             lower-cases A-Z and splits at space, \\t, \\n, \\v, \\f and \\r: ASCII alone, so that no Unicode
             version is part of the definition. Normalised text holds no other whitespace than space and newline.
    mix(x)   MurmurHash3's 64-bit finaliser, a bijection.
    word     h = length * GOLDEN; for every 8 bytes of the word, little-endian, the last padded with zeros:
             h = mix(h ^ bytes). Words of up to 8 bytes and one length therefore never collide.
    shingle  of m words: h = m * GOLDEN; for every word in order: h = (h ^ word) * MURMUR_A, h = h ^ (h >> 32);
             then mix(h). Every step is a bijection of h and of the word.
    text     its shingles of n consecutive words; below n words, one shingle of all its words. A text without a
             word has one shingle, of no words, so that no set is empty and no Jaccard is 0 / 0.

Two different shingles collide about once in 2**64 pairs: a Jaccard over the hashes is the Jaccard over the
shingles but for that. The hash has no key: whoever can choose texts can build collisions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from corpus.document import Texts

SHINGLE_VERSION = 1

# Source: Appleby, MurmurHash3 (2011), fmix64; the golden ratio's fraction: Knuth, TAOCP vol. 3, section 6.4.
_MURMUR_A = np.uint64(0xFF51AFD7ED558CCD)
_MURMUR_B = np.uint64(0xC4CEB9FE1A85EC53)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# Kernels work on runs of documents of about this size, so that what passes between them stays in the L2 cache.
# It moves no result. Unpublished: our choice, by measurement.
_RUN_BYTES = 1 << 19
_BLOCK = 64  # bytes whose whitespace fits one 64-bit word
_TILE = 512  # shingles that stay in the L1 cache over the passes of their words

# numba takes an operation of uint64 and a plain int for float64, so every operand is uint64.
_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_32, _33, _63 = np.uint64(32), np.uint64(33), np.uint64(63)


@dataclass(frozen=True, eq=False)
class Shingles:
    """The shingles of some documents, in text order and with repeats.

    Attributes:
        hashes: uint64[offsets[-1]].
        offsets: int64[n + 1]; document i has hashes[offsets[i]:offsets[i + 1]], at least one.
    """

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, eq=False)
class ShingleSets:
    """The shingle sets of some documents.

    Attributes:
        hashes: uint64[offsets[-1]], ascending and distinct inside each document.
        offsets: int64[n + 1]; document i has hashes[offsets[i]:offsets[i + 1]], at least one.
    """

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """MurmurHash3's 64-bit finaliser: a bijection of uint64 in which every input bit moves every output bit.

    Source: Appleby, MurmurHash3 (2011), fmix64.
    """
    x = (x ^ (x >> _33)) * _MURMUR_A
    x = (x ^ (x >> _33)) * _MURMUR_B
    return x ^ (x >> _33)


def shingle_runs(texts: Texts, words: int) -> Iterator[tuple[int, Shingles]]:
    """Shingles the texts, a cache-sized run of whole documents at a time.

    Args:
        texts: Normalised texts.
        words: Words to a shingle, at least 1.

    Yields:
        The row of the run's first document, and the run's shingles.
    """
    row, rows, offsets = 0, len(texts), texts.offsets
    while row < rows:
        end = int(np.searchsorted(offsets, offsets[row] + _RUN_BYTES, side="right")) - 1
        end = min(max(end, row + 1), rows)
        run = texts.data[offsets[row] : offsets[end]]
        yield row, _shingle(run, offsets[row : end + 1] - offsets[row], words)
        row = end


def shingle_sets(texts: Texts, words: int) -> ShingleSets:
    """The set of shingles of each text.

    Args:
        texts: Normalised texts.
        words: Words to a shingle, at least 1.
    """
    hashes, sizes = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for _, run in shingle_runs(texts, words):
        # numpy's sort is vectorised, numba's is not: one call per document is still several times faster.
        bounds = run.offsets.tolist()
        for start, end in itertools.pairwise(bounds):
            run.hashes[start:end].sort()
        distinct = np.empty(len(run), np.int64)
        kept = _drop_repeats(run.hashes, run.offsets, distinct)
        hashes.append(run.hashes[:kept].copy())
        sizes.append(distinct)
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.concatenate(sizes), out=offsets[1:])
    return ShingleSets(np.concatenate(hashes), offsets)


def count_shared(
    left: ShingleSets, left_rows: NDArray[np.int64], right: ShingleSets, right_rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts the shingles that pairs of documents share.

    Args:
        left: Sets of the first members.
        left_rows: int64[k], rows of `left`.
        right: Sets of the second members; may be `left` itself.
        right_rows: int64[k], rows of `right`.

    Returns:
        int64[k] shingles in both, and int64[k] shingles in either, never 0.

    Raises:
        IndexError: A row is not one of the sets, or the rows are not pairs.
    """
    if len(left_rows) != len(right_rows):
        raise IndexError(f"{len(left_rows)} left rows against {len(right_rows)} right rows")
    for rows, sets in ((left_rows, left), (right_rows, right)):
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(sets):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(sets)} sets")
    shared = np.empty(len(left_rows), np.int64)
    _merge(left.hashes, left.offsets[left_rows], left.offsets[left_rows + 1], right.hashes,
           right.offsets[right_rows], right.offsets[right_rows + 1], shared)  # fmt: skip
    sizes = np.diff(left.offsets)[left_rows] + np.diff(right.offsets)[right_rows]
    return shared, sizes - shared


def _shingle(data: NDArray[np.uint8], offsets: NDArray[np.int64], words: int) -> Shingles:
    """The shingles of one run of documents."""
    # A word's last load reads up to 15 bytes past its end.
    padded = (len(data) // _BLOCK + 2) * _BLOCK
    lowered, space = np.empty(padded, np.uint8), np.empty(padded, np.uint8)
    lowered[len(data) :], space[len(data) :] = ord(" "), 1
    _lower(data, lowered, space)
    blocks = np.empty(padded // _BLOCK, np.uint64)
    _pack_bits(space.view(np.uint64), blocks)
    hashes, firsts = np.empty(len(data) // 2 + len(offsets), np.uint64), np.empty_like(offsets)
    _hash_words(lowered.view(np.uint64), blocks, offsets, hashes, firsts)
    counts = np.diff(firsts)
    ends = np.zeros_like(offsets)
    np.cumsum(np.maximum(counts - words + 1, 1), out=ends[1:])
    shingles = np.empty(int(ends[-1]), np.uint64)
    _hash_shingles(hashes, firsts, words, shingles, ends)
    return Shingles(shingles, ends)


@intrinsic
def _trailing_zeros(typing_context, word):  # type: ignore[no-untyped-def]
    """The number of zero bits below the lowest one of a uint64 that is not 0."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.int64(types.uint64), codegen


_mix64: Callable[..., Any] = njit(cache=True, nogil=True)(mix64)


@njit(cache=True, nogil=True)
def _lower(data, lowered, space):  # type: ignore[no-untyped-def]
    """Lower-cases A-Z, and marks whitespace with 1."""
    for i in range(len(data)):
        byte = data[i]
        upper = np.uint8(byte - np.uint8(ord("A"))) < np.uint8(26)
        lowered[i] = byte | np.uint8(32) if upper else byte
        space[i] = (byte == np.uint8(ord(" "))) | (np.uint8(byte - np.uint8(ord("\t"))) < np.uint8(5))


@njit(cache=True, nogil=True)
def _pack_bits(flags, blocks):  # type: ignore[no-untyped-def]
    """Packs byte flags, seen eight to a uint64, into one bit each."""
    gather = np.uint64(0x0102040810204080)  # moves bit 0 of byte i to bit 56 + i
    for block in range(len(blocks)):
        bits = np.uint64(0)
        for part in range(8):
            bits |= ((flags[8 * block + part] * gather) >> np.uint64(56)) << np.uint64(8 * part)
        blocks[block] = bits


@njit(cache=True, nogil=True)
def _hash_word(lowered, start, end):  # type: ignore[no-untyped-def]
    """The hash of the word at bytes start to end of the text, seen eight bytes to a uint64."""
    word = np.uint64(end - start) * _GOLDEN
    at = start
    while at < end:
        # Two aligned loads make one unaligned load; the double shift is by 64 where the position is aligned.
        cell, shift = at >> 3, np.uint64((at & 7) << 3)
        chunk = (lowered[cell] >> shift) | ((lowered[cell + 1] << _ONE) << (_63 - shift))
        if end - at < 8:
            chunk &= (_ONE << np.uint64((end - at) << 3)) - _ONE
        word = _mix64(word ^ chunk)
        at += 8
    return word


@njit(cache=True, nogil=True)
def _hash_words(lowered, blocks, offsets, hashes, firsts):  # type: ignore[no-untyped-def]
    """Hashes every word; `firsts` gets the number of words before each document."""
    count = 0
    for document in range(len(offsets) - 1):
        firsts[document] = count
        begin, end = offsets[document], offsets[document + 1]
        outside = _ONE  # whether the byte before is whitespace, or of another document
        start = begin
        for block in range(begin >> 6, (end + 63) >> 6):
            base = block << 6
            space = blocks[block]
            if base < begin:
                space |= (_ONE << np.uint64(begin - base)) - _ONE
            # A bit is set where a byte differs from the byte before it: words start and end there.
            edges = space ^ ((space << _ONE) | outside)
            if end - base < 64:
                edges &= (_ONE << np.uint64(end - base)) - _ONE
            while edges != np.uint64(0):
                edge = base + _trailing_zeros(edges)  # type: ignore[call-arg]
                edges &= edges - _ONE
                if outside:
                    start = edge
                else:
                    hashes[count] = _hash_word(lowered, start, edge)
                    count += 1
                outside ^= _ONE
        if not outside:
            hashes[count] = _hash_word(lowered, start, end)
            count += 1
    firsts[len(offsets) - 1] = count


@njit(cache=True, nogil=True)
def _hash_shingles(words, firsts, n, shingles, offsets):  # type: ignore[no-untyped-def]
    """Hashes the shingles of each document, word position by word position so that the loops vectorise."""
    for document in range(len(offsets) - 1):
        width = min(n, firsts[document + 1] - firsts[document])
        first, last = offsets[document], offsets[document + 1]
        for low in range(first, last, _TILE):
            tile = shingles[low : min(low + _TILE, last)]
            tile[:] = np.uint64(width) * _GOLDEN
            for position in range(width):
                # Word i + position of the document belongs to its shingle i.
                nth = words[firsts[document] + low - first + position :]
                for i in range(len(tile)):
                    mixed = (tile[i] ^ nth[i]) * _MURMUR_A
                    tile[i] = mixed ^ (mixed >> _32)
            for i in range(len(tile)):
                tile[i] = _mix64(tile[i])


@njit(cache=True, nogil=True)
def _drop_repeats(hashes, offsets, sizes):  # type: ignore[no-untyped-def]
    """Closes up sorted hashes to the distinct ones of each document; returns how many are left in all."""
    kept = 0
    for document in range(len(offsets) - 1):
        before = kept
        for i in range(offsets[document], offsets[document + 1]):
            hashes[kept] = hashes[i]
            kept += i + 1 == offsets[document + 1] or hashes[i] != hashes[i + 1]
        sizes[document] = kept - before
    return kept


@njit(cache=True, nogil=True)
def _merge(left, left_starts, left_ends, right, right_starts, right_ends, shared):  # type: ignore[no-untyped-def]  # noqa: PLR0913
    """Counts the common values of pairs of ascending slices."""
    for pair in range(len(shared)):
        i, j, count = left_starts[pair], right_starts[pair], 0
        while i < left_ends[pair] and j < right_ends[pair]:
            a, b = left[i], right[j]
            # No branches but the loop's: which side is behind is a coin toss that no predictor learns.
            count += a == b
            i += a <= b
            j += b <= a
        shared[pair] = count
