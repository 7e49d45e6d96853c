"""Verdicts against the policies in plain Python."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from corpus.duplicates import Policy, RankOrder, reaches, resolve

Pair = tuple[int, int]
Verdict = tuple[int, int, int]  # loser, winner, via


def plain_direct(pairs: set[Pair]) -> dict[int, tuple[int, int]]:
    """Loser -> (winner, via), one document after the other in rank order."""
    dropped: dict[int, tuple[int, int]] = {}
    for node in sorted({node for pair in pairs for node in pair}):
        kept = [a for a, b in pairs if b == node and a not in dropped]
        if kept:
            dropped[node] = min(kept), min(kept)
    return dropped


def plain_component(pairs: set[Pair]) -> dict[int, tuple[int, int]]:
    """Loser -> (winner, via), by distances between all nodes."""
    nodes = sorted({node for pair in pairs for node in pair})
    near = {node: {a + b - node for a, b in pairs if node in (a, b)} for node in nodes}
    dropped: dict[int, tuple[int, int]] = {}
    seen: set[int] = set()
    for keeper in nodes:
        if keeper in seen:
            continue
        seen.add(keeper)
        ring = {keeper}
        while ring:
            further = {n for node in ring for n in near[node]} - seen
            dropped |= {node: (keeper, min(near[node] & ring)) for node in further}
            seen |= further
            ring = further
    return dropped


PLAIN = {Policy.DIRECT: plain_direct, Policy.COMPONENT: plain_component}


def resolved(pairs: list[Pair], policy: Policy) -> dict[int, tuple[int, int]]:
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    found = resolve(columns[:, 0], columns[:, 1], policy)
    assert np.all(np.diff(found.loser) > 0)
    # The evidence is the pair of the loser and the one it is dropped by way of.
    assert [sorted(pairs[i]) for i in found.pair] == [
        sorted(edge) for edge in zip(found.loser.tolist(), found.via.tolist(), strict=True)
    ]
    return dict(
        zip(found.loser.tolist(), zip(found.winner.tolist(), found.via.tolist(), strict=True), strict=True)
    )


@pytest.mark.parametrize(
    ("shared", "union", "expected"),
    [(95, 100, True), (94, 100, False), (19, 20, True), (18, 19, False), (949_999, 10**6, False), (1, 1, True)],
)
def test_the_threshold_is_exact(shared: int, union: int, expected: bool) -> None:
    assert reaches(np.array([shared]), np.array([union]), 95).tolist() == [expected]


edges = st.sets(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=30).map(
    lambda pairs: sorted((a, b) for a, b in pairs if a < b)
)


@given(edges, st.sampled_from(Policy), st.randoms(use_true_random=False))
@settings(max_examples=1000)
def test_verdicts_are_the_policy(pairs: list[Pair], policy: Policy, draw: random.Random) -> None:
    expected = PLAIN[policy](set(pairs))
    assert resolved(pairs, policy) == expected
    # Neither the order of the pairs, nor one that comes twice, nor the gaps between nodes move a verdict.
    mixed = pairs + draw.sample(pairs, len(pairs) // 2)
    draw.shuffle(mixed)
    assert resolved(mixed, policy) == expected
    far = {node: 10**12 + node**5 for node in range(15)}
    assert resolved([(far[a], far[b]) for a, b in mixed], policy) == {
        far[loser]: (far[winner], far[via]) for loser, (winner, via) in expected.items()
    }


@given(edges, st.lists(st.integers(0, 30), max_size=4))
def test_rank_order_does_not_see_where_pieces_end(pairs: list[Pair], cuts: list[int]) -> None:
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    order, dropped = RankOrder(15), {}
    for start, end in pairwise([0, *sorted(cuts), len(ordered)]):
        piece = np.array(ordered[start:end], np.int64).reshape(-1, 2)
        for better, worse in piece[order.drops(piece[:, 0], piece[:, 1])].tolist():
            dropped[worse] = (better, better)
    assert dropped == plain_direct(set(pairs))


@given(edges)
def test_a_component_is_scipys(pairs: list[Pair]) -> None:
    found = resolved(pairs, Policy.COMPONENT)
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (columns[:, 0], columns[:, 1])), shape=(15, 15))
    _, label = connected_components(graph, directed=False)
    best = {int(group): int(np.flatnonzero(label == group)[0]) for group in np.unique(label)}
    assert {node: best[int(label[node])] for node in range(15) if best[int(label[node])] != node} == {
        loser: winner for loser, (winner, _) in found.items()
    }


PATH = [(0, 1), (1, 2), (2, 3), (3, 4)]
STAR_OF_THE_WORST = [(0, 4), (1, 4), (2, 4), (3, 4)]
STAR_OF_THE_BEST = [(0, 1), (0, 2), (0, 3)]
CLIQUE = list(combinations(range(4), 2))
# From 0 by way of 5 to 1 and 3, which are neighbours as well: 1 is best-ranked but its way to 0 is by 5.
DETOUR = [(0, 5), (1, 5), (3, 5), (1, 3)]


@pytest.mark.parametrize(
    ("pairs", "direct", "component"),
    [
        ([], {}, {}),
        (PATH, {1: (0, 0), 3: (2, 2)}, {1: (0, 0), 2: (0, 1), 3: (0, 2), 4: (0, 3)}),
        (STAR_OF_THE_WORST, {4: (0, 0)}, {1: (0, 4), 2: (0, 4), 3: (0, 4), 4: (0, 0)}),
        (STAR_OF_THE_BEST, {1: (0, 0), 2: (0, 0), 3: (0, 0)}, {1: (0, 0), 2: (0, 0), 3: (0, 0)}),
        (CLIQUE, {1: (0, 0), 2: (0, 0), 3: (0, 0)}, {1: (0, 0), 2: (0, 0), 3: (0, 0)}),
        (DETOUR, {5: (0, 0), 3: (1, 1)}, {1: (0, 5), 3: (0, 5), 5: (0, 0)}),
    ],
    ids=["none", "path", "star of the worst", "star of the best", "clique", "detour"],
)
def test_shapes(
    pairs: list[Pair], direct: dict[int, tuple[int, int]], component: dict[int, tuple[int, int]]
) -> None:
    assert resolved(pairs, Policy.DIRECT) == direct
    assert resolved(pairs, Policy.COMPONENT) == component


def test_via_leads_to_the_winner() -> None:
    # A long path in a random numbering: the walk must not depend on the depth of a stack.
    count = 50_000
    number = np.random.default_rng(1).permutation(count)
    better, worse = np.sort(np.stack([number[:-1], number[1:]]), axis=0)
    found = resolve(better, worse, Policy.COMPONENT)
    assert found.loser.tolist() == list(range(1, count))
    assert not found.winner.any()
    towards = np.arange(count)
    towards[found.loser] = found.via
    for _ in range(count.bit_length()):
        towards = towards[towards]
    assert not towards.any()


def test_a_pair_the_wrong_way_round_is_refused() -> None:
    for pair in ((2, 1), (1, 1)):
        with pytest.raises(ValueError, match="better rank"):
            resolve(np.array([0, pair[0]]), np.array([1, pair[1]]), Policy.DIRECT)
