"""From keys to verdicts: which documents to compare, and which of them are dropped for which.

    band records -> exchange by key -> `pair_up` -> both texts fetched, Jaccard counted exactly
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


def pair_up(member: NDArray[np.uint64], starts: NDArray[np.int64], large: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """The pairs of each bucket, packed: all of them, or of a large one those with its leaders.

    Args:
        member: uint64[starts[-1]] or more, the nodes of bucket after bucket, each bucket's in rank order.
        starts: int64[n + 1], where each bucket begins.
        large: bool[n], whether a bucket is led.
    """
    sizes = np.diff(starts)
    led = np.where(large, np.minimum(LEADERS, sizes), sizes)
    packed = np.empty(int((led * sizes - led * (led + 1) // 2).sum()), np.uint64)
    _write_pairs(member, starts, led, packed)
    return packed


def unpack(packed: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The better and the worse ranked nodes of packed pairs, which sort by the better, then the worse."""
    return (packed >> _HIGH).astype(np.int64), (packed & _LOW).astype(np.int64)


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
        pair = order[RankOrder(len(nodes)).drops(high[order], low[order])]
        return Verdicts(worse[pair], better[pair], better[pair], pair)
    source, target = np.concatenate([high, low]), np.concatenate([low, high])
    order = np.argsort(_pack(source, target))
    starts = np.searchsorted(source[order], np.arange(len(nodes) + 1))
    winner, via, edge = (np.full(len(nodes), -1) for _ in range(3))
    _drop_by_component(starts, target[order], winner, via, edge)
    losers = np.flatnonzero(via >= 0)
    pair = order[edge[losers]] % max(len(better), 1)
    return Verdicts(nodes[losers], nodes[winner[losers]], nodes[via[losers]], pair)


class RankOrder:
    """`Policy.DIRECT` over pairs that come piece by piece; holds a byte a node.

    Args:
        nodes: How many there are.
    """

    def __init__(self, nodes: int) -> None:
        self._dropped = np.zeros(nodes, bool)

    def drops(self, better: NDArray[np.int64], worse: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[k], which of the next pairs drop their worse node: for each that is dropped, its first one.

        Args:
            better: int64[k], the better-ranked node of each pair.
            worse: int64[k], the worse-ranked one; pairs ascend by (worse, better), from piece to piece too.
        """
        drops = np.zeros(len(better), bool)
        _drop_in_rank_order(better, worse, self._dropped, drops)
        return drops


def _pack(high: NDArray[np.int64], low: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Two numbers below 2**32 as one that sorts as they do."""
    return (high.astype(np.uint64) << _HIGH) | low.astype(np.uint64)


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
def _drop_in_rank_order(high, low, dropped, drops):  # type: ignore[no-untyped-def]
    """Drops each node for its first kept neighbour; pairs ascend by (low, high), so that every high is decided."""
    for i in range(len(high)):
        if not dropped[low[i]] and not dropped[high[i]]:
            dropped[low[i]] = drops[i] = True


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
