"""From texts to the keys that bring near-duplicates together: MinHash signatures cut into bands.

Two texts of Jaccard J agree in one row of their signatures with probability J, in a band of r rows with J**r,
and in at least one of b bands with 1 - (1 - J**r)**b. Bands are chosen for recall at the threshold; what they
bring together by chance is thrown out by the exact Jaccard afterwards.

Version 1 of the definition:

    rows     datasketch 2.0's `affine32` scheme over the low 32 bits of the shingle hashes (see corpus.shingles):
             row i is the smallest a[i] * fmix32(h) + b[i] modulo 2**32. a and b are drawn by numpy's legacy
             RandomState(seed), whose stream is frozen, first all a, made odd, then all b.
    key      of band i: h = mix64(i + 1); for every row of the band in order: h = mix64(h ^ row). Two keys
             follow each other as `bands` and `bands` + 1 from rows that no band has: the refine keys, of which
             only the low 32 bits are kept.
    small    A text of m distinct shingles can have a Jaccard of at least t with a text of another set only when
             m / (m + 1) >= t. Below that (18 shingles at .95) equal sets are all there is to find, and one key
             finds all of them: mix64(mix64(2**63 + m) ^ the sum of the set's hashes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.errors import RecipeError
from corpus.shingles import Shingles, mix64, shingle_runs

MINHASH_VERSION = 1

REFINE_KEYS = 2  # unpublished: our choice, by the experiment told in corpus.duplicates
_SET_TAG = np.uint64(1 << 63)
_EMPTY_ROW = np.uint32(0xFFFFFFFF)
# Hashes that stay in the L1 cache while every row runs over them, and the vector lanes they are padded to.
_TILE, _LANES = 1024, 32


@dataclass(frozen=True)
class MinHashRule:
    """What a near-duplicate is, and how hard it is looked for.

    The default of 6 bands of 8 rows brings together 99.85% of the pairs of Jaccard .95 and 2% of those of .5.

    Attributes:
        seed: Of the permutations, 0 to 2**32 - 1.
        words: Words to a shingle. Unpublished: our choice.
        bands: Bands to a signature. Unpublished: our choice.
        rows: Rows to a band. Unpublished: our choice.
        threshold_percent: Least Jaccard of a near-duplicate, in percent, 1 to 99. Source: OPT (arXiv 2205.01068),
            section 2.3: "Jaccard similarity >= .95".
    """

    seed: int
    words: int = 5
    bands: int = 6
    rows: int = 8
    threshold_percent: int = 95

    def __post_init__(self) -> None:
        """Refuses values outside their range.

        Raises:
            RecipeError: A value is out of range.
        """
        limits = {"seed": (0, 2**32 - 1), "words": (1, 1000), "bands": (1, 1000), "rows": (1, 1000),
                  "threshold_percent": (1, 99)}  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise RecipeError(
                    f"{name} is {value}", where=f"minhash.{name}", remedy=f"choose a value from {low} to {high}"
                )

    @property
    def permutations(self) -> int:
        """Rows of a whole signature: those of the bands, then those of the refine keys."""
        return (self.bands + REFINE_KEYS) * self.rows

    @property
    def smallest_set(self) -> int:
        """The fewest distinct shingles with which a text can reach the threshold with a text of another set.

        The nearest other set has one shingle more, so this is the least m with 100 * m >= threshold * (m + 1):
        19 at .95, where 19 shingles out of 20 are exactly .95.
        """
        return -(-self.threshold_percent // (100 - self.threshold_percent))


@dataclass(frozen=True, eq=False)
class BandRecords:
    """What texts send to the exchange by key: one record per band, or a single one of a small text.

    Attributes:
        key: uint64[m]; near-duplicates share at least one, with the probability that `recall` gives.
        row: int64[m], the text, ascending.
        refine: uint32[m, REFINE_KEYS], keys of further rows, by which very large buckets are divided.
    """

    key: NDArray[np.uint64]
    row: NDArray[np.int64]
    refine: NDArray[np.uint32]


@dataclass(frozen=True)
class RecallAt:
    """One point of the curve: a Jaccard, and the share of pairs of it that meet in at least one band."""

    jaccard_percent: int
    recall: float


def band_records(texts: Texts, rule: MinHashRule) -> BandRecords:
    """The records that normalised texts send to the exchange, in order of text and band."""
    scales, shifts = _draw_permutations(rule.seed, rule.permutations)
    parts = [BandRecords(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros((0, REFINE_KEYS), np.uint32))]
    for first, run in shingle_runs(texts, rule.words):
        part = _records(run, rule, _row_minima(run, scales, shifts))
        parts.append(BandRecords(part.key, part.row + first, part.refine))
    return BandRecords(
        np.concatenate([part.key for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.refine for part in parts]),
    )


def signatures(shingles: Shingles, rows: int, seed: int) -> NDArray[np.uint32]:
    """MinHash signatures, bit-equal to datasketch 2.0's `MinHash(num_perm=rows, seed=seed)`.

    Args:
        shingles: Hashed shingles of n documents; their low 32 bits count. Repeats change nothing.
        rows: Rows of a signature. The shifts are drawn after the scales, so that the first rows of a longer
            signature are not a shorter one.
        seed: Of the permutations, 0 to 2**32 - 1.

    Returns:
        uint32[n, rows].
    """
    return _row_minima(shingles, *_draw_permutations(seed, rows))


def recall(jaccard: float, bands: int, rows: int) -> float:
    """The probability that two texts of this Jaccard share a band.

    Source: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4.2.
    """
    return float(1 - (1 - jaccard**rows) ** bands)


def curve(rule: MinHashRule, percents: Sequence[int] = (50, 60, 70, 80, 85, 90, 93, 95, 97, 99)) -> list[RecallAt]:
    """The rule's recall at these Jaccards, for printing."""
    return [RecallAt(percent, recall(percent / 100, rule.bands, rule.rows)) for percent in percents]


def _records(run: Shingles, rule: MinHashRule, minima: NDArray[np.uint32]) -> BandRecords:
    """The records of one run of documents, of which `minima` are the signatures."""
    keys = _fold_bands(minima, rule.rows)
    refine = keys[:, rule.bands :].astype(np.uint32)
    distinct, sums = np.empty(len(run), np.int64), np.empty(len(run), np.uint64)
    _count_small(run.hashes, run.offsets, rule.smallest_set, distinct, sums)
    small = distinct < rule.smallest_set
    # A small text takes the place of its first band, and has no others.
    keys[:, 0] = np.where(small, mix64(mix64(_SET_TAG + distinct.astype(np.uint64)) ^ sums), keys[:, 0])
    sent = np.ones((len(run), rule.bands), bool)
    sent[small, 1:] = False
    row = np.repeat(np.arange(len(run), dtype=np.int64), np.where(small, 1, rule.bands))
    return BandRecords(keys[:, : rule.bands][sent], row, refine[row])


def _fold_bands(minima: NDArray[np.uint32], rows: int) -> NDArray[np.uint64]:
    """Folds uint32[n, k] signatures to uint64[n, k // rows] keys that differ from band to band."""
    bands = minima.reshape(len(minima), -1, rows)
    tags = mix64(np.arange(1, bands.shape[1] + 1, dtype=np.uint64))
    keys = np.broadcast_to(tags, bands.shape[:2])
    for row in range(rows):
        keys = mix64(keys ^ bands[:, :, row])
    return keys


def _draw_permutations(seed: int, rows: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The uint32[rows] scales, all odd, and the uint32[rows] shifts.

    Source: datasketch 2.0.0, MinHash._init_permutations, scheme affine32.
    """
    draw = np.random.RandomState(seed)
    scales = draw.randint(0, 1 << 31, rows, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return scales, draw.randint(0, 1 << 32, rows, dtype=np.uint32)


def _row_minima(shingles: Shingles, scales: NDArray[np.uint32], shifts: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The uint32[n, k] smallest permuted values."""
    minima = np.full((len(shingles), len(scales)), _EMPTY_ROW)
    _minimise(shingles.hashes, shingles.offsets, scales, shifts, minima)
    return minima


@njit(cache=True, nogil=True)
def _minimise(hashes, offsets, scales, shifts, minima):  # type: ignore[no-untyped-def]
    """Takes the minimum of every permutation over the hashes of each document, a tile of them at a time."""
    tile = np.empty(_TILE, np.uint32)
    for document in range(len(offsets) - 1):
        for low in range(offsets[document], offsets[document + 1], _TILE):
            size = min(_TILE, offsets[document + 1] - low)
            for i in range(size):
                # Source: Appleby, MurmurHash3 (2011), fmix32.
                x = np.uint32(hashes[low + i])
                x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B))
                x = np.uint32((x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35))
                tile[i] = x ^ (x >> np.uint32(16))
            # Whole vectors only: a value twice moves no minimum.
            padded = (size + _LANES - 1) // _LANES * _LANES
            tile[size:padded] = tile[0]
            for row in range(len(scales)):
                scale, shift, least = scales[row], shifts[row], minima[document, row]
                for i in range(padded):
                    least = min(least, np.uint32(np.uint32(scale * tile[i]) + shift))
                minima[document, row] = least


@njit(cache=True, nogil=True)
def _count_small(hashes, offsets, enough, distinct, sums):  # type: ignore[no-untyped-def]
    """Counts the distinct hashes of each document up to `enough`, and sums them; the sum of fewer is the set's."""
    slots = 4
    while slots < 4 * enough:
        slots *= 2
    values, owners = np.empty(slots, np.uint64), np.full(slots, -1, np.int64)
    for document in range(len(offsets) - 1):
        count, total = 0, np.uint64(0)
        for i in range(offsets[document], offsets[document + 1]):
            if count >= enough:
                break
            value = hashes[i]
            # An open-addressed table; a slot of an earlier document is free, so nothing is ever cleared.
            slot = np.int64(value & np.uint64(slots - 1))
            while owners[slot] == document and values[slot] != value:
                slot = (slot + 1) & (slots - 1)
            if owners[slot] != document:
                owners[slot], values[slot] = document, value
                count += 1
                total += value
        distinct[document], sums[document] = count, total
