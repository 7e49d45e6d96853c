"""Candidates and verdicts against all pairs and against the policies in plain Python."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from corpus.document import Texts
from corpus.duplicates import (
    EXHAUSTIVE,
    LEADERS,
    CandidatePairs,
    Policy,
    candidate_pairs,
    reaches,
    resolve,
)
from corpus.minhash import REFINE_KEYS, MinHashRule, band_records, signatures
from corpus.shingles import Shingles, count_shared, shingle_sets

settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")

Pair = tuple[int, int]
Verdict = tuple[int, int, int]  # loser, winner, via

# 40 bands of one row miss a pair of Jaccard .5 once in 10**12: what is left to test is not chance.
SURE = MinHashRule(seed=1, words=2, bands=40, rows=1, threshold_percent=50)


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


def as_set(pairs: CandidatePairs) -> set[Pair]:
    found = list(zip(pairs.better.tolist(), pairs.worse.tolist(), strict=True))
    assert found == sorted(set(found))
    return set(found)


def candidates(key: list[int], node: list[int], refine: list[list[int]]) -> CandidatePairs:
    rows = np.array(refine, np.uint32).reshape(len(key), -1) if key else np.zeros((0, REFINE_KEYS), np.uint32)
    return candidate_pairs(np.array(key, np.uint64), np.array(node, np.int64), rows)


def near_duplicates(texts: list[bytes], rule: MinHashRule) -> set[Pair]:
    """The pairs at or above the threshold, through every kernel of the pipeline."""
    batch = Texts.from_list(texts)
    records = band_records(batch, rule)
    pairs = candidate_pairs(records.key, records.row, records.refine)
    sets = shingle_sets(batch, rule.words)
    found = reaches(*count_shared(sets, pairs.better, sets, pairs.worse), rule.threshold_percent)
    return set(zip(pairs.better[found].tolist(), pairs.worse[found].tolist(), strict=True))


def all_pairs(texts: list[bytes], rule: MinHashRule) -> set[Pair]:
    """The same pairs from the words themselves, without a hash."""
    sets = []
    for text in texts:
        words = text.lower().split()
        starts = range(max(1, len(words) - rule.words + 1))
        sets.append({tuple(words[i : i + rule.words]) for i in starts})
    return {
        (i, j)
        for i, j in combinations(range(len(sets)), 2)
        if 100 * len(sets[i] & sets[j]) >= rule.threshold_percent * len(sets[i] | sets[j])
    }


@st.composite
def corpora(draw: st.DrawFn) -> list[bytes]:
    """Texts and edited copies of them: words replaced, cut off, added, repeated, or in other case."""
    word = st.sampled_from([b"w%d" % i for i in range(30)])
    texts = draw(st.lists(st.lists(word, max_size=40), min_size=1, max_size=8))
    for _ in range(draw(st.integers(0, 12))):
        copy = list(draw(st.sampled_from(texts)))
        match draw(st.integers(0, 4)):
            case 0 if copy:
                copy[draw(st.integers(0, len(copy) - 1))] = draw(word)
            case 1:
                copy = copy[: draw(st.integers(0, len(copy)))]
            case 2:
                copy += draw(st.lists(word, max_size=3))
            case 3:
                copy += copy
            case _:
                copy = [word.upper() for word in copy]
        texts.append(copy)
    return [draw(st.sampled_from([b" ", b"\n", b"  "])).join(text) for text in texts]


@given(corpora(), st.integers(50, 99), st.sampled_from(Policy))
@settings(max_examples=400)
def test_small_corpora_against_all_pairs(texts: list[bytes], percent: int, policy: Policy) -> None:
    rule = MinHashRule(seed=1, words=2, bands=40, rows=1, threshold_percent=percent)
    expected = all_pairs(texts, rule)
    pairs = near_duplicates(texts, rule)
    assert pairs == expected
    assert resolved(sorted(pairs), policy) == PLAIN[policy](expected)


@pytest.mark.parametrize(
    ("shared", "union", "expected"),
    [(95, 100, True), (94, 100, False), (19, 20, True), (18, 19, False), (949_999, 10**6, False), (1, 1, True)],
)
def test_the_threshold_is_exact(shared: int, union: int, expected: bool) -> None:
    assert reaches(np.array([shared]), np.array([union]), 95).tolist() == [expected]


@pytest.mark.parametrize(("words", "together"), [(99, True), (98, False)])
def test_texts_exactly_at_the_threshold(words: int, together: bool) -> None:
    # A text of 104 words has 100 shingles; its first 99 words have 95 of them, its first 98 have 94.
    long = [b"w%d" % i for i in range(104)]
    rule = MinHashRule(seed=1, bands=200, rows=4)
    assert near_duplicates([b" ".join(long), b" ".join(long[:words])], rule) == ({(0, 1)} if together else set())


def test_small_sets_are_compared_whole() -> None:
    rule = MinHashRule(seed=1)
    text = b" ".join(b"w%d" % i for i in range(22))
    other = b" ".join(b"w%d" % i for i in range(21))
    assert near_duplicates([text, other, text.upper(), b"", b" ", b"one two", b"One\ntwo"], rule) == {
        (0, 2),
        (3, 4),
        (5, 6),
    }


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


records = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 20), st.integers(0, 2), st.integers(0, 2)), max_size=60
)


@given(records, st.randoms(use_true_random=False))
@settings(max_examples=500)
def test_candidates_are_all_pairs_of_a_bucket(found: list[tuple[int, ...]], draw: random.Random) -> None:
    twice = found + draw.sample(found, len(found) // 2)
    draw.shuffle(twice)
    buckets: dict[int, set[int]] = {}
    for key, node, *_ in found:
        buckets.setdefault(key, set()).add(node)
    pairs = candidates([r[0] for r in twice], [r[1] for r in twice], [list(r[2:]) for r in twice])
    assert as_set(pairs) == {pair for nodes in buckets.values() for pair in combinations(sorted(nodes), 2)}
    assert pairs.in_large_buckets == 0


@pytest.mark.parametrize("size", [EXHAUSTIVE, EXHAUSTIVE + 1])
def test_a_bucket_is_exhausted_up_to_the_stated_size(size: int) -> None:
    pairs = candidates([7] * size, list(range(size)), [[i, i] for i in range(size)])
    led = size if size == EXHAUSTIVE else LEADERS
    assert as_set(pairs) == {(i, j) for i, j in combinations(range(size), 2) if i < led}
    assert pairs.in_large_buckets == (0 if size == EXHAUSTIVE else size)


def test_a_large_bucket_is_led_and_divided() -> None:
    # One bucket of 400 and one of 3. The first refine key divides the large one by 8, small enough for all pairs;
    # the second leaves 200 together, to be led again, and the others alone.
    size = 400
    refine = [[i % 8, i % 2 * (i + 1)] for i in range(size)]
    draw = list(range(size + 3))
    random.Random(2).shuffle(draw)
    key, node = [1] * size + [2] * 3, [*range(size), 5, 17, 30]
    refine += [[0, 0]] * 3
    pairs = candidates([key[i] for i in draw], [node[i] for i in draw], [refine[i] for i in draw])
    even = list(range(0, size, 2))
    expected = {
        (i, j)
        for i, j in combinations(range(size), 2)
        if i < LEADERS or i % 8 == j % 8 or (i in even[:LEADERS] and j % 2 == 0)
    }
    assert as_set(pairs) == expected | {(5, 17), (5, 30), (17, 30)}
    assert pairs.in_large_buckets == size


@pytest.mark.parametrize("kinds", [1, 7, 100_000])
def test_a_bucket_of_100_000_is_linear_work(kinds: int) -> None:
    size = 100_000
    rng = np.random.default_rng(3)
    key, refine = np.zeros(size, np.uint64), rng.integers(0, kinds, (size, REFINE_KEYS), np.uint32)
    pairs = candidate_pairs(key, rng.permutation(size), refine)
    # One refined bucket has the leaders of the whole; several have their own, or are small enough for all pairs.
    most = LEADERS if kinds == 1 else LEADERS + REFINE_KEYS * EXHAUSTIVE // 2
    assert len(pairs.better) <= most * size
    led = np.bincount(pairs.better, minlength=LEADERS)[:LEADERS]
    assert led.tolist() == list(range(size - 1, size - 1 - LEADERS, -1))


def template_copies(count: int, size: int, edits: float) -> tuple[Shingles, NDArray[np.int64]]:
    """Copies of one template, runs of five shingles replaced in each; and how many each two share."""
    rng = np.random.default_rng(17)
    template = rng.integers(0, 2**63, size, np.uint64)
    kept = np.ones((count, size), bool)
    for copy, places in enumerate(rng.poisson(edits, count)):
        for start in rng.integers(0, size, places):
            kept[copy, start : start + 5] = False
    own = rng.integers(0, 2**63, (count, size), np.uint64)
    shingles = Shingles(np.where(kept, template, own).ravel(), np.arange(count + 1) * size)
    exact = kept.astype(np.float32)  # sums below 2**24 are exact
    return shingles, (exact @ exact.T).astype(np.int64)


# Measured: 0.16%, 0.76% and 1.28% lost. Refine keys without leaders lose 0.78%, 2.04% and 2.55%, above each bound.
@pytest.mark.parametrize(("edits", "most_lost"), [(1.0, 0.005), (2.0, 0.012), (3.0, 0.02)])
def test_copies_of_one_template(edits: float, most_lost: float) -> None:
    # 5,000 copies, nearly all of them in large buckets: what is lost against all 12.5 million pairs.
    count, size, rule = 5000, 400, MinHashRule(seed=1)
    shingles, shared = template_copies(count, size, edits)
    near = np.triu(reaches(shared, 2 * size - shared, 95), 1)
    minima = signatures(shingles, rule.permutations, rule.seed)
    folded = minima.reshape(count, -1, rule.rows).astype(np.uint64)
    # Any injective folding will do here, and the test then knows no key of ours.
    bands = [np.unique(folded[:, i], axis=0, return_inverse=True)[1] for i in range(folded.shape[1])]
    key = np.concatenate([(i << 32) + bands[i] for i in range(rule.bands)]).astype(np.uint64)
    refine = np.tile(np.stack(bands[rule.bands :], axis=1), (rule.bands, 1)).astype(np.uint32)
    pairs = candidate_pairs(key, np.tile(np.arange(count), rule.bands), refine)
    assert pairs.in_large_buckets > 3 * count
    assert len(pairs.better) < rule.bands * (LEADERS + REFINE_KEYS * EXHAUSTIVE // 2) * count
    found = near[pairs.better, pairs.worse]
    expected = resolve(*np.nonzero(near), Policy.DIRECT).loser
    dropped = resolve(pairs.better[found], pairs.worse[found], Policy.DIRECT).loser
    assert len(expected) > 300
    assert len(np.setdiff1d(expected, dropped)) <= most_lost * len(expected)
