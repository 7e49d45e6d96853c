"""Shingle hashes against the definition in plain Python, and sets against Python's own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.shingles import SHINGLE_VERSION, Shingles, count_shared, shingle_runs, shingle_sets

ALL = 2**64 - 1

# Words of every length about the 8 and 16 bytes that are hashed at once, in every alignment; few different ones,
# so that shingles repeat; and bytes that only look like whitespace or capitals.
words = st.one_of(
    st.sampled_from([b"a", b"B", b"the", b"abcdefg", b"abcdefgh", b"ABCDEFGHI", b"x" * 16, b"y" * 17, b"z" * 70]),
    st.sampled_from(["É".encode(), b"\0", b"a\0", b"@[`{", b"\x1c", b"\x85", b"\xa0", b"\x08\x0e", b"\xc1\xda"]),
    st.binary(min_size=1, max_size=20),
)
spaces = st.sampled_from([b" ", b"\n", b"  ", b"\t", b" \r\v\f\n", b" " * 64])
text = st.lists(st.one_of(words, spaces), max_size=60).map(b"".join)
texts = st.lists(text, max_size=6)


def mix(x: int) -> int:
    x ^= x >> 33
    x = x * 0xFF51AFD7ED558CCD & ALL
    x ^= x >> 33
    x = x * 0xC4CEB9FE1A85EC53 & ALL
    return x ^ (x >> 33)


def word_hash(word: bytes) -> int:
    h = len(word) * 0x9E3779B97F4A7C15 & ALL
    for at in range(0, len(word), 8):
        h = mix(h ^ int.from_bytes(word[at : at + 8], "little"))
    return h


def shingle_hash(shingle: list[bytes]) -> int:
    h = len(shingle) * 0x9E3779B97F4A7C15 & ALL
    for word in shingle:
        h = (h ^ word_hash(word)) * 0xFF51AFD7ED558CCD & ALL
        h ^= h >> 32
    return mix(h)


def plain_shingles(text: bytes, n: int) -> list[int]:
    found = text.lower().split()
    return [shingle_hash(found[i : i + n]) for i in range(max(1, len(found) - n + 1))]


def as_lists(shingles: Shingles) -> list[list[int]]:
    bounds = shingles.offsets.tolist()
    return [shingles.hashes[s:e].tolist() for s, e in itertools.pairwise(bounds)]


def shingled(batch: list[bytes], n: int) -> list[list[int]]:
    return [found for _, run in shingle_runs(Texts.from_list(batch), n) for found in as_lists(run)]


@given(texts, st.integers(1, 7))
@settings(max_examples=500)
def test_shingles_are_the_definition(batch: list[bytes], n: int) -> None:
    assert shingled(batch, n) == [plain_shingles(text, n) for text in batch]


@pytest.mark.parametrize("length", range(140))
def test_every_length_and_alignment(length: int) -> None:
    batch = [b"x" * length, b"y" * length + b" ", b" " * length + b"z", b"a " * length, b"", b"end"]
    assert shingled(batch, 2) == [plain_shingles(text, 2) for text in batch]


def test_frozen() -> None:
    # These move only together with SHINGLE_VERSION, and every near-duplicate decision with them.
    assert SHINGLE_VERSION == 1
    assert shingled(
        [b"", b"One", b"the quick brown fox jumps over", b"internationalisation of the web pages"], 5
    ) == [
        [0x0],
        [0x84857656D0049905],
        [0x80B04ABF93F3E6F8, 0x457A03876DC15982],
        [0xFDC4E4063837A048],
    ]


def test_case_and_whitespace_make_no_difference() -> None:
    assert len({tuple(found) for found in shingled([b"One two THREE", b"  one\ttwo\n three\r\n"], 5)}) == 1


def test_a_text_without_a_word_is_like_every_other_such_text_and_like_no_word() -> None:
    empty, blank, nul = shingled([b"", b" \n ", b"\0"], 5)
    assert empty == blank != nul


def test_only_ascii_is_lowered_and_split() -> None:
    upper, lower = shingled(["É é".encode(), "é É".encode()], 1)
    assert sorted(upper) == sorted(lower)
    assert len(set(upper)) == 2
    assert len(shingled(["a\u00a0b\u2003c".encode()], 1)[0]) == 1


def test_short_texts_are_not_shingles_of_longer_ones() -> None:
    short, long = shingled([b"a b c", b"a b c d e"], 5)
    assert not set(short) & set(long)


def test_one_document_alone_is_as_in_any_batch() -> None:
    # Far more than one run of documents, and a document larger than a run, cut nowhere.
    rng = np.random.default_rng(5)
    vocabulary = [bytes(rng.integers(97, 123, length).astype(np.uint8)) for length in rng.integers(1, 14, 500)]
    sizes = [0, 1, 4, 5, 200_000, 3, *rng.integers(0, 3000, 400)]
    batch = [b" ".join(vocabulary[i] for i in rng.integers(0, 500, size)) for size in sizes]
    assert len(list(shingle_runs(Texts.from_list(batch), 5))) > 4
    together = shingled(batch, 5)
    assert together == [shingled([text], 5)[0] for text in batch]
    assert together[4][:1000] == plain_shingles(b" ".join(batch[4].split()[:1004]), 5)


@given(texts, st.integers(1, 6))
def test_sets_are_sorted_and_distinct(batch: list[bytes], n: int) -> None:
    sets = shingle_sets(Texts.from_list(batch), n)
    assert as_lists(Shingles(sets.hashes, sets.offsets)) == [sorted(set(plain_shingles(t, n))) for t in batch]


@given(texts.filter(bool), texts.filter(bool), st.integers(1, 3), st.data())
def test_shared(left: list[bytes], right: list[bytes], n: int, data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, len(left) - 1), st.integers(0, len(right) - 1))
    pairs = np.array(data.draw(st.lists(pair, max_size=12)), np.int64).reshape(-1, 2)
    sets = [shingle_sets(Texts.from_list(batch), n) for batch in (left, right)]
    shared, union = count_shared(sets[0], pairs[:, 0], sets[1], pairs[:, 1])
    plain = [(set(plain_shingles(left[i], n)), set(plain_shingles(right[j], n))) for i, j in pairs]
    assert shared.tolist() == [len(a & b) for a, b in plain]
    assert union.tolist() == [len(a | b) for a, b in plain]


@pytest.mark.parametrize(("left", "right"), [([0, 2], [0, 0]), ([-1], [0]), ([0], [2]), ([0, 1], [0])])
def test_rows_that_are_none(left: list[int], right: list[int]) -> None:
    sets = shingle_sets(Texts.from_list([b"a", b"b"]), 5)
    with pytest.raises(IndexError):
        count_shared(sets, np.array(left), sets, np.array(right))


def test_similar_words_do_not_collide() -> None:
    # Every two words of a long structured list differ, and so do their low halves but for chance.
    batch = [b"%s%d" % (stem, i) for stem in (b"", b"abcdefg", b"0" * 15, b"item-") for i in range(100_000)]
    hashes = np.array([found[0] for found in shingled(batch, 5)], np.uint64)
    distinct = len(set(batch))
    assert len(np.unique(hashes)) == distinct
    # About distinct**2 / 2**33 pairs of 32-bit values collide: 18.6 of 400,000.
    assert distinct - len(np.unique(hashes.astype(np.uint32))) < 50
