"""From keys to verdicts: which documents to compare, and which of them are dropped for which.

    band records -> exchange by key -> `candidate_pairs` -> both texts fetched, Jaccard counted exactly
    -> `reaches` -> `resolve` over all pairs that reached the threshold

Documents are numbered by rank: node 0 is the one to keep above all others (the recipe's source order, then the
smallest id), and a pair is always (better rank, worse rank).

Candidates. In a bucket of at most `EXHAUSTIVE` documents every pair is a candidate. A larger one would cost the
square of its size, so it is searched twice in linear work: every member is paired with the bucket's `LEADERS`
best-ranked members, and the bucket is divided by each refine key into smaller ones, exhaustive or led likewise.
A member costs `LEADERS` pairs there, and for each refine key as many again or, on average, at most 31.5.

What that loses, with two refine keys of 8 rows: nothing of a pair with one of the leaders; of the other pairs at
Jaccard .95, those that agree in neither refine key, (1 - .95**8)**2 = 11%, if *every* bucket they share is large,
and more where a refined bucket is large again. Under `direct` few of these decide anything, since one pair with a
kept document is enough to drop a document; but some do. Measured against all pairs, in share of the drops found
(candidates a document), on families of 5,000 documents of one template, beside the two halves of the design alone
and with twice the leaders; the last two rows are means of three families, which differ by up to 1.5 points:

    family, mean Jaccard of two members        leaders alone, 32   refine keys, 32    both, 16
    near-copies, .95                             99.8% (51)          99.2% (52)         99.8% (36)
    near-copies, .91                             98.9% (62)          98.0% (63)         99.2% (54)
    near-copies, .87                             98.6% (71)          97.5% (66)         98.7% (65)
    own content, .85, 40% copied from another    90.3% (81)          96.3% (86)         96.1% (75)
    own content, .76, 40% copied from another    98.4% (77)          99.5% (60)         99.7% (70)

Leaders find the copies of a template, refine keys the copies of a document made from one. Both together are not
the best of the three in every family, but never far from it. A large family of moderately similar members stays
the weak spot: 4% of its drops are missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

DUPLICATES_VERSION = 1

# Unpublished: our choice. A member of the largest exhaustive bucket costs 31.5 pairs; one of a large bucket with
# two refine keys 48 where the refined buckets are large too, and at most 16 + 2 * 31.5 = 79 where they are not.
EXHAUSTIVE = 64
LEADERS = 16

_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)


class Policy(StrEnum):
    """Which of a group of near-duplicates are dropped.

    DIRECT: in rank order, a document is dropped if a better-ranked one that is *kept* is its near-duplicate.
    COMPONENT: of documents connected by near-duplicates, near or far, only the best-ranked is kept.
    """

    DIRECT = "direct"
    COMPONENT = "component"


@dataclass(frozen=True, eq=False)
class CandidatePairs:
    """Pairs of documents to compare.

    Attributes:
        better: int64[k], the better-ranked node; pairs are distinct and ascend by (better, worse).
        worse: int64[k].
        in_large_buckets: Records that lay in buckets too large for all their pairs.
    """

    better: NDArray[np.int64]
    worse: NDArray[np.int64]
    in_large_buckets: int


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Who is dropped, for whom, and on what evidence.

    Attributes:
        loser: int64[k], the dropped nodes, ascending.
        winner: int64[k], the kept node each is dropped for: under `DIRECT` its best-ranked kept near-duplicate,
            under `COMPONENT` the one its component keeps.
        via: int64[k], the node whose Jaccard with the loser was measured. Under `DIRECT` the winner. Under
            `COMPONENT` the best-ranked near-duplicate among those one step nearer to the winner: following `via`
            from loser to loser ends at the winner.
        pair: int64[k], where the pair of loser and via stands in the input.
    """

    loser: NDArray[np.int64]
    winner: NDArray[np.int64]
    via: NDArray[np.int64]
    pair: NDArray[np.int64]


def candidate_pairs(
    key: NDArray[np.uint64], node: NDArray[np.int64], refine: NDArray[np.uint32]
) -> CandidatePairs:
    """The pairs to compare among the records of one partition.

    Neither the order of the records nor one that comes twice changes the answer. A key's records must all be here.

    Args:
        key: uint64[m].
        node: int64[m], the document's rank; fewer than 2**32 different ones.
        refine: uint32[m, r], the further keys of the document.
    """
    nodes, member = np.unique(node, return_inverse=True)
    order = np.lexsort((member, key))
    key, member = key[order], member[order]
    fresh = _differs(key, member)
    key, member, refine = key[fresh], member[fresh], refine[order][fresh]
    starts = _starts(key)
    pairs = [_pair_up(member, starts)]
    sizes = np.diff(starts)
    large = np.repeat(sizes > EXHAUSTIVE, sizes)
    bucket, member, refine = np.repeat(np.arange(len(sizes)), sizes)[large], member[large], refine[large]
    for column in refine.T:
        order = np.lexsort((member, column, bucket))
        pairs.append(_pair_up(member[order], _starts(bucket[order], column[order])))
    packed = np.sort(np.concatenate(pairs))
    packed = packed[_differs(packed)]
    return CandidatePairs(nodes[packed >> _HIGH], nodes[packed & _LOW], len(member))


def reaches(shared: NDArray[np.int64], union: NDArray[np.int64], threshold_percent: int) -> NDArray[np.bool_]:
    """Whether each Jaccard, shared over union, is at or above the threshold; in integers, so exactly.

    Args:
        shared: int64[k], shingles in both documents.
        union: int64[k], shingles in either.
        threshold_percent: The least Jaccard of a near-duplicate, in percent.
    """
    return 100 * shared >= threshold_percent * union


def resolve(better: NDArray[np.int64], worse: NDArray[np.int64], policy: Policy) -> Verdicts:
    """Decides who is dropped, given every pair that reached the threshold.

    The answer is unique: neither the order of the pairs nor one that comes twice changes it, but for which of
    the equal pairs is named. Work is linear after sorting.

    Args:
        better: int64[e], the better-ranked node of each pair.
        worse: int64[e], the worse-ranked one.
        policy: Which of a group are dropped.

    Raises:
        ValueError: A pair is not (better, worse).
    """
    if not (better < worse).all():
        raise ValueError("a pair's first node must be of better rank than its second")
    nodes, member = np.unique(np.concatenate([better, worse]), return_inverse=True)
    high, low = member[: len(better)], member[len(better) :]
    if policy is Policy.DIRECT:
        order = np.argsort(_pack(low, high))
        via, pair = np.full(len(nodes), -1), np.full(len(nodes), -1)
        _drop_in_rank_order(high[order], low[order], order, via, pair)
        winner = via
    else:
        source, target = np.concatenate([high, low]), np.concatenate([low, high])
        order = np.argsort(_pack(source, target))
        starts = np.searchsorted(source[order], np.arange(len(nodes) + 1))
        winner, via, edge = (np.full(len(nodes), -1) for _ in range(3))
        _drop_by_component(starts, target[order], winner, via, edge)
        pair = order[edge] % max(len(better), 1)
    losers = np.flatnonzero(via >= 0)
    return Verdicts(nodes[losers], nodes[winner[losers]], nodes[via[losers]], pair[losers])


def _pack(high: NDArray[np.int64], low: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Two numbers below 2**32 as one that sorts as they do."""
    return (high.astype(np.uint64) << _HIGH) | low.astype(np.uint64)


def _differs(*columns: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a row of sorted columns differs from the row before; true at the first."""
    fresh = np.ones(len(columns[0]), bool)
    if len(fresh):
        fresh[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return fresh


def _starts(*columns: NDArray[np.generic]) -> NDArray[np.int64]:
    """Where each run of equal rows of sorted columns starts, and after them all the number of rows."""
    return np.append(np.flatnonzero(_differs(*columns)), len(columns[0]))


def _pair_up(member: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The packed pairs of each bucket, whose members are in rank order: all of them, or those with its leaders."""
    sizes = np.diff(starts)
    led = np.where(sizes > EXHAUSTIVE, LEADERS, sizes)
    packed = np.empty(int((led * sizes - led * (led + 1) // 2).sum()), np.uint64)
    _write_pairs(member.astype(np.uint64), starts, led, packed)
    return packed


@njit(cache=True, nogil=True)
def _write_pairs(member, starts, led, packed):  # type: ignore[no-untyped-def]
    """Pairs the first `led` members of each bucket with all members after them."""
    count = 0
    for bucket in range(len(led)):
        end = starts[bucket + 1]
        for leader in range(starts[bucket], starts[bucket] + led[bucket]):
            for follower in range(leader + 1, end):
                packed[count] = (member[leader] << _HIGH) | member[follower]
                count += 1


@njit(cache=True, nogil=True)
def _drop_in_rank_order(high, low, order, via, pair):  # type: ignore[no-untyped-def]
    """Drops each node for its first kept neighbour; pairs ascend by (low, high), so that every high is decided."""
    for i in range(len(high)):
        if via[low[i]] < 0 and via[high[i]] < 0:
            via[low[i]], pair[low[i]] = high[i], order[i]


@njit(cache=True, nogil=True)
def _drop_by_component(starts, targets, winner, via, edge):  # type: ignore[no-untyped-def]
    """Walks each component breadth first from its best-ranked node; a node's targets ascend."""
    steps, queue = np.empty(len(winner), np.int64), np.empty(len(winner), np.int64)
    for keeper in range(len(winner)):
        if winner[keeper] >= 0:
            continue
        winner[keeper], steps[keeper], queue[0] = keeper, 0, keeper
        taken, found = 0, 1
        while taken < found:
            node = queue[taken]
            taken += 1
            for i in range(starts[node], starts[node + 1]):
                neighbour = targets[i]
                if winner[neighbour] < 0:
                    winner[neighbour], steps[neighbour] = keeper, steps[node] + 1
                    queue[found] = neighbour
                    found += 1
                elif steps[neighbour] == steps[node] - 1 and via[node] < 0:
                    # Everything one step nearer was walked before this node: the first such target is the best.
                    via[node], edge[node] = neighbour, i
