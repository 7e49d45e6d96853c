"""Order, as a function of ids and keys: who is validation, which shard, in which order; and a keyed permutation.

Everything comes from one 64-bit number a document, its order key. Documents stand in the order of their keys; the
first of them, up to a quota of bytes, are the validation set; shards are contiguous ranges of keys. So to take a
document out moves no other document to another shard, and none of this depends on how documents arrive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from corpus.document import DOC_ID_BYTES

ORDER_VERSION: Final = 1

# Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), as in Vigna's
# splitmix64.c: the golden-ratio increment, and the shifts and multipliers of the finaliser (Stafford's Mix13).
_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2: Final = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)

# Unpublished: our choice. 65,536 bins of 160 GB are 2.4 MB each, a hundredth of a shard.
BIN_BITS: Final = 16
_BINS: Final = 1 << BIN_BITS
_BIN_SHIFT: Final = np.uint64(64 - BIN_BITS)

# Unpublished: our choice. With two rounds 250 of 65,537 numbers keep their successor, with four 1.9, with six 1,
# as in a random permutation. Luby and Rackoff (SIAM J. Comput. 17, 1988) ask for four, of ideal round functions.
PERMUTATION_ROUNDS: Final = 6


def derive_key(seed: int, purpose: str) -> int:
    """A 64-bit key for one purpose, from the recipe's one seed: the head of sha256(tag, seed, purpose)."""
    digest = hashlib.sha256(b"tokentrail-key/1\0%d\0%s" % (seed, purpose.encode())).digest()
    return int.from_bytes(digest[:8], "little")


def splitmix64(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """uint64[...], the output of the splitmix64 generator that stands in each of these states: a bijection."""
    mixed = state + _GAMMA
    mixed ^= mixed >> _SHIFT_1
    mixed *= _MULTIPLIER_1
    mixed ^= mixed >> _SHIFT_2
    mixed *= _MULTIPLIER_2
    mixed ^= mixed >> _SHIFT_3
    return mixed


def order_keys(doc_ids: NDArray[np.uint8], key: int) -> NDArray[np.uint64]:
    """The order keys of documents: both halves of the id, mixed with the key.

    Args:
        doc_ids: uint8[n, 16].
        key: 64 bits (`derive_key`).

    Returns:
        uint64[n].
    """
    halves = np.ascontiguousarray(doc_ids).reshape(-1, DOC_ID_BYTES).view("<u8").astype(np.uint64, copy=False)
    keyed = splitmix64(np.array([key], np.uint64))
    return splitmix64(splitmix64(keyed ^ halves[:, 0]) ^ halves[:, 1])


def order(doc_ids: NDArray[np.uint8], key: int) -> NDArray[np.int64]:
    """int64[n], the rows of these documents, uint8[n, 16], in order: by order key, then by id."""
    return _ordered(order_keys(doc_ids, key), doc_ids)


def _ordered(keys: NDArray[np.uint64], doc_ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    halves = np.ascontiguousarray(doc_ids).reshape(-1, DOC_ID_BYTES).view(">u8").astype(np.uint64)
    return np.lexsort((halves[:, 1], halves[:, 0], keys))


@dataclass(frozen=True, eq=False)
class KeyHistogram:
    """How a weight (bytes of text, bytes of tokens) lies over the top 16 bits of the order keys.

    Attributes:
        bins: int64[m], the bins that hold a document, ascending, each once.
        weights: int64[m], the weight in each.
    """

    bins: NDArray[np.int64]
    weights: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.uint64], weights: NDArray[np.int64]) -> KeyHistogram:
        """The histogram of documents with these keys, uint64[n], and weights, int64[n]."""
        bins, rows = np.unique((keys >> _BIN_SHIFT).astype(np.int64), return_inverse=True)
        sums = np.zeros(len(bins), np.int64)
        np.add.at(sums, rows, weights)
        return cls(bins, sums)

    @classmethod
    def merged(cls, histograms: Iterable[KeyHistogram]) -> KeyHistogram:
        """The histogram of all the documents, in whatever parts and order they came; holds one part at a time."""
        weights = np.zeros(_BINS, np.int64)
        occupied = np.zeros(_BINS, np.bool_)
        for histogram in histograms:
            weights[histogram.bins] += histogram.weights
            occupied[histogram.bins] = True
        bins = np.flatnonzero(occupied)
        return cls(bins, weights[bins])

    @property
    def total(self) -> int:
        """The weight of all documents."""
        return int(self.weights.sum())


@dataclass(frozen=True)
class Crossing:
    """The bin in which a quota is reached.

    Attributes:
        bin: The top 16 bits of the keys in it.
        before: The weight of all documents in lower bins.
    """

    bin: int
    before: int

    def holds(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """bool[n], which documents lie in the bin, and so must be shown to `cut`."""
        inside: NDArray[np.bool_] = (keys >> _BIN_SHIFT) == np.uint64(self.bin)
        return inside


@dataclass(frozen=True)
class Cut:
    """The last document of a validation set, in order.

    Attributes:
        key: Its order key.
        doc_id: Its id.
        weight: The weight of the set; what it has above the quota is the overshoot.
    """

    key: int
    doc_id: bytes
    weight: int


def crossing(histogram: KeyHistogram, quota: int) -> Crossing | None:
    """The bin in which the documents, taken in order, reach the quota; the last bin if they never do.

    Returns:
        None if the quota is 0 or there is no document: nothing is taken.
    """
    if quota <= 0 or len(histogram.bins) == 0:
        return None
    reached = np.cumsum(histogram.weights)
    row = min(int(np.searchsorted(reached, quota)), len(reached) - 1)
    return Crossing(int(histogram.bins[row]), int(reached[row] - histogram.weights[row]))


def cut(
    keys: NDArray[np.uint64], doc_ids: NDArray[np.uint8], weights: NDArray[np.int64], where: Crossing, quota: int
) -> Cut:
    """The exact end of the validation set: whole documents, until the quota is reached.

    Args:
        keys: uint64[n], the order keys of all documents of the crossing bin, from every part, in any order.
        doc_ids: uint8[n, 16].
        weights: int64[n].
        where: The bin.
        quota: The weight to reach.
    """
    rows = _ordered(keys, doc_ids)
    reached = where.before + np.cumsum(weights[rows])
    last = min(int(np.searchsorted(reached, quota)), len(rows) - 1)
    return Cut(int(keys[rows[last]]), doc_ids[rows[last]].tobytes(), int(reached[last]))


def in_validation(keys: NDArray[np.uint64], doc_ids: NDArray[np.uint8], end: Cut | None) -> NDArray[np.bool_]:
    """bool[n], which documents stand at or before the cut; without a cut, none.

    Args:
        keys: uint64[n], their order keys.
        doc_ids: uint8[n, 16].
        end: The cut of their source.
    """
    if end is None:
        return np.zeros(len(keys), np.bool_)
    taken = keys < np.uint64(end.key)
    for row in np.flatnonzero(keys == np.uint64(end.key)):
        taken[row] = doc_ids[row].tobytes() <= end.doc_id
    return taken


def proportional_quotas(weights: Mapping[str, int], total: int) -> dict[str, int]:
    """Parts a total out in proportion, in whole units that add up to it, by largest remainder.

    Args:
        weights: Source -> its weight. Equal remainders are served in the order of the names.
        total: What is parted out; never more than all there is.
    """
    everything = sum(weights.values())
    if everything == 0:
        return dict.fromkeys(weights, 0)
    total = min(total, everything)
    quotas = {name: total * weight // everything for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(total * weights[name] % everything), name))
    for name in by_remainder[: total - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def shard_of(keys: NDArray[np.uint64], shard_count: int) -> NDArray[np.int64]:
    """int64[n], the shard of each document: shards are equal ranges of the keys' top 16 bits, in their order."""
    return ((keys >> _BIN_SHIFT).astype(np.int64) * shard_count) >> BIN_BITS


def shard_count(histogram: KeyHistogram, limit: int) -> int:
    """The fewest shards of which none exceeds the limit, a shard of a single bin apart: that one cannot be split.

    Args:
        histogram: Bytes of tokens.
        limit: The most bytes for a shard.
    """
    weight_before = np.zeros(_BINS + 1, np.int64)
    weight_before[histogram.bins + 1] = histogram.weights
    bins_before = np.zeros(_BINS + 1, np.int64)
    bins_before[histogram.bins + 1] = 1
    np.cumsum(weight_before, out=weight_before)
    np.cumsum(bins_before, out=bins_before)
    # No shard answers for more than the limit, once a bin that exceeds it counts as full.
    least = -(-int(np.minimum(histogram.weights, limit).sum()) // limit)
    for count in range(max(1, least), _BINS):
        firsts = -(-np.arange(count + 1) * _BINS // count)  # the first bin of each shard
        too_full = (np.diff(weight_before[firsts]) > limit) & (np.diff(bins_before[firsts]) > 1)
        if not too_full.any():
            return count
    return _BINS


class Permutation:
    """A keyed bijection of [0, n), in closed form both ways: no table, and any part of it in any order.

    A number is written as (left, right) with left < a and right < b, where a and b are equal or nearly so and
    a * b < n + sqrt(n) + 1. Rounds add a hash of one half to the other, in turn: a balanced Feistel network. What
    leaves [0, n) is sent through again until it is back (cycle walking), which is rare.

    Args:
        n: How many, 1 to 2**40.
        key: 64 bits (`derive_key`).
    """

    def __init__(self, n: int, key: int) -> None:
        if not 1 <= n <= 2**40:
            raise ValueError(f"a permutation of {n} numbers; it can be of 1 to 2**40")
        self.n = n
        root = isqrt(n - 1) + 1
        self._a, self._b = np.uint64(root), np.uint64(-(-n // root))
        rounds = np.arange(PERMUTATION_ROUNDS, dtype=np.uint64)
        self._round_keys = splitmix64(splitmix64(np.array([key], np.uint64)) + rounds)

    def forward(self, index: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """uint64[m], where each of these numbers below n goes."""
        return self._walk(index, lambda numbers: _encipher(numbers, self._a, self._b, self._round_keys))

    def inverse(self, place: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """uint64[m], which number goes to each of these places below n."""
        return self._walk(place, self._decipher)

    def _walk(
        self, numbers: NDArray[np.uint64], step: Callable[[NDArray[np.uint64]], NDArray[np.uint64]]
    ) -> NDArray[np.uint64]:
        if numbers.size and int(numbers.max()) >= self.n:
            raise ValueError(f"{int(numbers.max())} is not below {self.n}")
        out = step(numbers.astype(np.uint64, copy=False))
        outside = np.flatnonzero(out >= self.n)
        while outside.size:
            out[outside] = step(out[outside])
            outside = outside[out[outside] >= self.n]
        return out

    def _decipher(self, place: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = np.divmod(place, self._b)
        for i in range(PERMUTATION_ROUNDS - 2, -1, -2):
            right = (right + self._b - splitmix64(left ^ self._round_keys[i + 1]) % self._b) % self._b
            left = (left + self._a - splitmix64(right ^ self._round_keys[i]) % self._a) % self._a
        return left * self._b + right

    @staticmethod
    def forward_each(
        permutations: Sequence[Permutation], which: NDArray[np.int64], index: NDArray[np.uint64]
    ) -> NDArray[np.uint64]:
        """uint64[m], where each number goes in a permutation of its own: one pass for all of them.

        Args:
            permutations: At least one.
            which: int64[m], the permutation of each number.
            index: uint64[m], each below its permutation's n.
        """
        a = np.array([each._a for each in permutations])[which]
        b = np.array([each._b for each in permutations])[which]
        n = np.array([each.n for each in permutations], np.uint64)[which]
        round_keys = np.stack([each._round_keys for each in permutations], axis=1)[:, which]
        out = _encipher(index, a, b, round_keys)
        outside = np.flatnonzero(out >= n)
        while outside.size:
            out[outside] = _encipher(out[outside], a[outside], b[outside], round_keys[:, outside])
            outside = outside[out[outside] >= n[outside]]
        return out


def _encipher(
    index: NDArray[np.uint64],
    a: np.uint64 | NDArray[np.uint64],
    b: np.uint64 | NDArray[np.uint64],
    round_keys: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    left, right = np.divmod(index, b)
    for i in range(0, PERMUTATION_ROUNDS, 2):
        left = (left + splitmix64(right ^ round_keys[i]) % a) % a
        right = (right + splitmix64(left ^ round_keys[i + 1]) % b) % b
    out: NDArray[np.uint64] = left * b + right
    return out
