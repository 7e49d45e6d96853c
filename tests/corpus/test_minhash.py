"""Signatures against datasketch, records against the definition in plain Python, recall against the curve."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.errors import RecipeError
from corpus.minhash import (
    MINHASH_VERSION,
    REFINE_KEYS,
    BandRecords,
    MinHashRule,
    band_records,
    curve,
    recall,
    signatures,
)
from corpus.shingles import Shingles, shingle_sets

ALL = 2**64 - 1
RULE = MinHashRule(seed=1)

hashes = st.lists(st.integers(0, ALL), min_size=1, max_size=80)
word = st.sampled_from([b"a", b"b", b"C", b"dd", b"a-much-longer-word"])
text = st.lists(word, max_size=80).map(b" ".join)


def packed(documents: list[list[int]]) -> Shingles:
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    return Shingles(np.array([h for document in documents for h in document], np.uint64), offsets)


def theirs(document: list[int], rows: int, seed: int) -> list[int]:
    sketch = MinHash(num_perm=rows, seed=seed, scheme="affine32", hashfunc=lambda value: value)
    for value in document:
        sketch.update(value & 0xFFFFFFFF)
    return sketch.digest().tolist()


def mix(x: int) -> int:
    x ^= x >> 33
    x = x * 0xFF51AFD7ED558CCD & ALL
    x ^= x >> 33
    x = x * 0xC4CEB9FE1A85EC53 & ALL
    return x ^ (x >> 33)


def plain_records(text: bytes, rule: MinHashRule) -> list[tuple[int, list[int]]]:
    """(key, refine) of each record of a text, from its shingle set, datasketch and the definition."""
    found = set(shingle_sets(Texts.from_list([text]), rule.words).hashes.tolist())
    rows = theirs(sorted(found), (rule.bands + REFINE_KEYS) * rule.rows, rule.seed)
    keys = []
    for band in range(rule.bands + REFINE_KEYS):
        key = mix(band + 1)
        for row in rows[band * rule.rows : (band + 1) * rule.rows]:
            key = mix(key ^ row)
        keys.append(key)
    # Whether any other set, one shingle smaller or larger, could reach the threshold.
    m, t = len(found), rule.threshold_percent
    small = 100 * m < t * (m + 1)
    bands = [mix(mix(2**63 + m) ^ (sum(found) & ALL))] if small else keys[: rule.bands]
    return [(key, [k & 0xFFFFFFFF for k in keys[rule.bands :]]) for key in bands]


def records_of(records: BandRecords, row: int) -> list[tuple[int, list[int]]]:
    chosen = records.row == row
    return list(zip(records.key[chosen].tolist(), records.refine[chosen].tolist(), strict=True))


FROZEN_KEYS = [
    0x8DE5D91FBD3F3E03,
    0xD79B2D2C3D0B195A,
    0x06E49F8815681FAE,
    0x37B389261659042B,
    0xD246DCB64E602101,
    0xEA71AD7AAE630687,
    0x06A77E682AF691E1,
]
FROZEN_REFINE = [0xF22529CB, 0x64234E2E]


def numbered(count: int, start: int = 0) -> bytes:
    """A text of distinct words, so of count - 4 distinct shingles."""
    return b" ".join(b"w%d" % i for i in range(start, start + count))


@given(st.lists(hashes, max_size=4), st.integers(1, 140), st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_signatures_are_datasketch(documents: list[list[int]], rows: int, seed: int) -> None:
    ours = signatures(packed(documents), rows, seed)
    assert ours.dtype == np.uint32
    assert ours.tolist() == [theirs(document, rows, seed) for document in documents]


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1023, 1024, 1025, 5000])
def test_signatures_of_long_documents_are_datasketch(size: int) -> None:
    document = np.random.default_rng(size).integers(0, ALL, size, np.uint64).tolist()
    assert signatures(packed([document, [7]]), 64, 1).tolist() == [theirs(document, 64, 1), theirs([7], 64, 1)]


@given(
    st.lists(text, max_size=5),
    st.builds(
        MinHashRule,
        seed=st.integers(0, 2**32 - 1),
        words=st.integers(1, 6),
        bands=st.integers(1, 8),
        rows=st.integers(1, 9),
        threshold_percent=st.integers(1, 99),
    ),
)
@settings(max_examples=300)
def test_records_are_the_definition(batch: list[bytes], rule: MinHashRule) -> None:
    records = band_records(Texts.from_list(batch), rule)
    assert (records.key.dtype, records.row.dtype, records.refine.dtype) == (np.uint64, np.int64, np.uint32)
    assert np.all(np.diff(records.row) >= 0)
    assert [records_of(records, i) for i in range(len(batch))] == [plain_records(text, rule) for text in batch]


def test_frozen() -> None:
    # These move only together with MINHASH_VERSION or SHINGLE_VERSION, and every key with them.
    assert MINHASH_VERSION == 1
    records = band_records(Texts.from_list([numbered(30), b"the quick brown fox"]), RULE)
    assert records.key.tolist() == FROZEN_KEYS
    assert records.refine[0].tolist() == FROZEN_REFINE


@pytest.mark.parametrize("percent", [1, 49, 50, 66, 67, 80, 90, 94, 95, 96, 98, 99])
def test_smallest_set_is_where_another_set_first_reaches(percent: int) -> None:
    # All pairs of set sizes and of what they can share: the fewest that reach the threshold without being equal.
    reach = min(
        a
        for a, b in product(range(1, 121), repeat=2)
        for shared in range(1, min(a, b) + 1)
        if (shared < max(a, b)) and 100 * shared >= percent * (a + b - shared)
    )
    assert MinHashRule(seed=1, threshold_percent=percent).smallest_set == reach


def test_nineteen_shingles_go_through_bands_and_eighteen_do_not() -> None:
    records = band_records(Texts.from_list([numbered(22), numbered(23), numbered(24)]), RULE)
    assert np.bincount(records.row).tolist() == [1, 6, 6]
    # Exactly .95, and with this seed they do meet.
    assert set(records.key[records.row == 1].tolist()) & set(records.key[records.row == 2].tolist())


def test_small_sets_meet_exactly_when_they_are_equal() -> None:
    same = [
        numbered(20),
        numbered(20).upper(),
        b"\n" + numbered(20).replace(b" ", b"  "),
        b"a b " * 9,
        b"b a " * 500,
    ]
    other = [numbered(19), numbered(21), numbered(20, 1), b"a c " * 9, b"", b"a"]
    records = band_records(Texts.from_list(same + other), RULE)
    assert records.row.tolist() == list(range(11))
    assert records.key[0] == records.key[1] == records.key[2]
    assert records.key[3] == records.key[4]
    assert len(np.unique(records.key)) == 11 - 3


@pytest.mark.parametrize("distinct", [18, 19])
def test_a_long_text_is_judged_by_its_set_however_late_it_ends(distinct: int) -> None:
    # A cycle of words has as many shingles as words; five more come after a long time.
    cycle = [numbered(distinct - 5)] * 3000
    text = b" ".join([*cycle, numbered(5, 100)])
    assert len(shingle_sets(Texts.from_list([text]), 5).hashes) == distinct
    records = band_records(Texts.from_list([text]), RULE)
    assert len(records.row) == (1 if distinct < 19 else RULE.bands)
    assert records_of(records, 0) == plain_records(text, RULE)


def test_one_document_alone_is_as_in_any_batch() -> None:
    draw = random.Random(3)
    batch = [numbered(draw.choice([0, 3, 15, 22, 23, 400]), draw.randrange(9)) for _ in range(3000)]
    batch[7] = numbered(150_000)
    together = band_records(Texts.from_list(batch), RULE)
    for row in [0, 7, 8, *draw.sample(range(3000), 60), 2999]:
        assert records_of(together, row) == records_of(band_records(Texts.from_list([batch[row]]), RULE), 0)


def test_no_text_no_record() -> None:
    records = band_records(Texts.from_list([]), RULE)
    assert (records.key.shape, records.row.shape, records.refine.shape) == ((0,), (0,), (0, REFINE_KEYS))


@pytest.mark.parametrize(
    ("jaccard", "bands", "rows", "expected"),
    # Source: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, figure 3.8 (20 bands of 5 rows).
    [(0.2, 20, 5, 0.006), (0.4, 20, 5, 0.186), (0.5, 20, 5, 0.470), (0.8, 20, 5, 0.9996), (0.95, 6, 8, 0.9985)],
)
def test_recall_is_the_published_curve(jaccard: float, bands: int, rows: int, expected: float) -> None:
    assert recall(jaccard, bands, rows) == pytest.approx(expected, abs=6e-4)


def test_curve() -> None:
    points = curve(RULE, (50, 95))
    assert [(p.jaccard_percent, round(p.recall, 4)) for p in points] == [(50, 0.0232), (95, 0.9985)]


@pytest.mark.parametrize(("shared", "union"), [(95, 100), (90, 100), (80, 100), (50, 100)])
def test_pairs_meet_as_often_as_the_curve_says(shared: int, union: int) -> None:
    # 4,000 planted pairs; six standard deviations, and the same every time.
    rng = np.random.default_rng(shared)
    pairs, apart = 4000, union - shared
    sets = rng.integers(0, ALL, (pairs, union), np.uint64)
    left, right = sets[:, : union - apart // 2], sets[:, [*range(shared), *range(union - apart // 2, union)]]
    keys = []
    for side in (left, right):
        minima = signatures(packed(side.tolist()), RULE.bands * RULE.rows, seed=11)
        keys.append(minima.reshape(pairs, RULE.bands, RULE.rows))
    met = (keys[0] == keys[1]).all(axis=2).any(axis=1).mean()
    expected = recall(shared / union, RULE.bands, RULE.rows)
    assert abs(met - expected) < 6 * (expected * (1 - expected) / pairs) ** 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold_percent", 0), ("threshold_percent", 100), ("bands", 0), ("rows", 0), ("words", 0), ("seed", -1)],
)
def test_a_rule_out_of_range_is_refused(name: str, value: int) -> None:
    fields: dict[str, Any] = {"seed": 1, name: value}
    with pytest.raises(RecipeError, match=f"minhash.{name}"):
        MinHashRule(**fields)
