"""Order against a plain-Python oracle on whole numbers, frozen vectors, and its laws."""

from __future__ import annotations

import itertools
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from corpus.order import (
    Cut,
    KeyHistogram,
    Permutation,
    crossing,
    cut,
    derive_key,
    in_validation,
    order,
    order_keys,
    proportional_quotas,
    shard_count,
    shard_of,
    splitmix64,
)

MASK = 2**64 - 1
KEYS = st.integers(0, MASK)


def mix(state: int) -> int:
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def key_of(doc_id: bytes, key: int) -> int:
    low, high = int.from_bytes(doc_id[:8], "little"), int.from_bytes(doc_id[8:], "little")
    return mix(mix(mix(key) ^ low) ^ high)


def place_of(number: int, n: int, key: int) -> int:
    a = isqrt(n - 1) + 1
    b = -(-n // a)
    round_keys = [mix((mix(key) + i) & MASK) for i in range(6)]
    while True:
        left, right = divmod(number, b)
        for i in range(0, 6, 2):
            left = (left + mix(right ^ round_keys[i])) % a
            right = (right + mix(left ^ round_keys[i + 1])) % b
        number = left * b + right
        if number < n:
            return number


def ids_from(seed: int, n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 16), np.uint8)


def u64(*numbers: int) -> NDArray[np.uint64]:
    return np.array(numbers, np.uint64)


def test_splitmix64_gives_the_published_sequence() -> None:
    states = u64(*((1234567 + i * 0x9E3779B97F4A7C15) & MASK for i in range(3)))
    assert splitmix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_keys_are_frozen() -> None:
    assert derive_key(1, "order") == 14799484474849325831
    ids = np.arange(48, dtype=np.uint8).reshape(3, 16)
    assert order_keys(ids, 0).tolist() == [13685358115931031676, 17070983440605340435, 10185564120593938728]
    assert order_keys(ids, MASK).tolist() == [6250135097130797733, 10082603631883047981, 228925015915576350]


def test_a_key_serves_one_seed_and_one_purpose() -> None:
    keys = {derive_key(seed, purpose) for seed in range(-3, 50) for purpose in ("order", "windows", "")}
    assert len(keys) == 53 * 3
    assert all(0 <= key <= MASK for key in keys)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=30), KEYS)
def test_order_is_that_of_a_sort(doc_ids: list[bytes], key: int) -> None:
    ids = np.frombuffer(b"".join(doc_ids), np.uint8).reshape(-1, 16)
    assert order_keys(ids, key).tolist() == [key_of(doc_id, key) for doc_id in doc_ids]
    expected = sorted(range(len(doc_ids)), key=lambda row: (key_of(doc_ids[row], key), doc_ids[row]))
    assert order(ids, key).tolist() == expected


def test_equal_keys_are_ordered_by_id() -> None:
    # Ids chosen so that the keys are equal: the second half undoes what the first did.
    low, other = 5, 9
    key = 3
    high = 77 ^ mix(mix(key) ^ low) ^ mix(mix(key) ^ other)
    first = low.to_bytes(8, "little") + (77).to_bytes(8, "little")
    second = other.to_bytes(8, "little") + high.to_bytes(8, "little")
    assert key_of(first, key) == key_of(second, key)
    ids = np.frombuffer(second + first, np.uint8).reshape(2, 16)
    assert order(ids, key).tolist() == [1, 0]
    keys = order_keys(ids, key)
    end = Cut(int(keys[0]), first, 0)
    assert in_validation(keys, ids, end).tolist() == [False, True]


@st.composite
def documents(draw: st.DrawFn) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    n = draw(st.integers(0, 60))
    weights = draw(st.lists(st.integers(0, 1000), min_size=n, max_size=n))
    return ids_from(draw(st.integers(0, 1000)), n), np.array(weights, np.int64)


@given(documents(), KEYS, st.integers(0, 20_000), st.integers(1, 5), st.integers(0, 4))
def test_validation_is_the_head_of_the_order(
    drawn: tuple[NDArray[np.uint8], NDArray[np.int64]], key: int, quota: int, parts: int, crowding: int
) -> None:
    ids, weights = drawn
    keys = order_keys(ids, key) >> np.uint64(
        16 * crowding if crowding < 4 else 63
    )  # many in one bin, then all keys alike
    rows = [range(part, len(ids), parts) for part in range(parts)]
    histogram = KeyHistogram.merged(KeyHistogram.of(keys[r], weights[r]) for r in map(list, reversed(rows)))
    where = crossing(histogram, quota)
    end = None
    if where is not None:
        shown = np.flatnonzero(where.holds(keys))[::-1]
        end = cut(keys[shown], ids[shown], weights[shown], where, quota)

    expected, total = set(), 0
    for row in sorted(range(len(ids)), key=lambda row: (int(keys[row]), ids[row].tobytes())):
        if total >= quota:
            break
        expected.add(row)
        total += int(weights[row])
    assert set(np.flatnonzero(in_validation(keys, ids, end)).tolist()) == expected
    assert (end.weight if end else 0) == total


def test_histograms_know_no_order() -> None:
    keys, weights = order_keys(ids_from(0, 5000), 1), np.arange(5000)
    whole = KeyHistogram.of(keys, weights)
    pieces = [KeyHistogram.of(keys[i : i + 700], weights[i : i + 700]) for i in range(0, 5000, 700)]
    for arrival in (pieces, pieces[::-1]):
        merged = KeyHistogram.merged(arrival)
        assert merged.bins.tolist() == whole.bins.tolist() == sorted({int(key) >> 48 for key in keys})
        assert merged.weights.tolist() == whole.weights.tolist()
    assert whole.total == sum(range(5000))
    assert KeyHistogram.merged([]).total == 0


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 10**12), max_size=8), st.integers(0, 10**10))
def test_quotas_are_proportional_and_add_up(weights: dict[str, int], total: int) -> None:
    quotas = proportional_quotas(weights, total)
    everything = sum(weights.values())
    assert list(quotas) == list(weights)
    assert sum(quotas.values()) == min(total, everything)
    for name, quota in quotas.items():
        assert 0 <= quota <= weights[name]
        assert everything == 0 or abs(quota * everything - min(total, everything) * weights[name]) < everything
    assert proportional_quotas(dict(reversed(weights.items())), total) == quotas


def test_quotas_by_hand() -> None:
    assert proportional_quotas({"b": 1, "a": 1, "c": 1}, 2) == {"b": 1, "a": 1, "c": 0}
    assert proportional_quotas({"pile": 600, "reddit": 300, "books": 99}, 200) == {
        "pile": 120,
        "reddit": 60,
        "books": 20,
    }


def test_shards_are_ranges_of_the_order() -> None:
    keys = np.sort(order_keys(ids_from(2, 3000), 7))
    for count in (1, 2, 3, 17, 640, 65_536):
        shards = shard_of(keys, count)
        assert shards.tolist() == [((int(key) >> 48) * count) >> 16 for key in keys]
        assert (np.diff(shards) >= 0).all()
        assert 0 <= shards[0] <= shards[-1] < count


@settings(max_examples=40)
@given(st.dictionaries(st.integers(0, 65_535), st.integers(1, 50), min_size=0, max_size=12), st.integers(1, 120))
def test_shard_count_is_the_least_that_fits(weights: dict[int, int], limit: int) -> None:
    def fits(count: int) -> bool:
        held: dict[int, list[int]] = {}
        for number, weight in weights.items():
            held.setdefault((number * count) >> 16, []).append(weight)
        return all(sum(shard) <= limit or len(shard) == 1 for shard in held.values())

    bins = sorted(weights)
    histogram = KeyHistogram(np.array(bins, np.int64), np.array([weights[number] for number in bins], np.int64))
    count = shard_count(histogram, limit)
    assert fits(count)
    assert not any(map(fits, range(1, count)))


def test_shard_count_of_neighbours_that_must_part() -> None:
    histogram = KeyHistogram(np.array([32_766, 32_767]), np.array([90, 90]))
    assert shard_count(histogram, 100) == 16_385  # 2**16 / 4 + 1: the first whose bounds fall between the two
    assert shard_count(KeyHistogram(np.array([5]), np.array([900])), 100) == 1  # cannot be split


@settings(max_examples=60)
@given(st.integers(1, 3000), KEYS)
def test_permutation_is_a_bijection(n: int, key: int) -> None:
    permutation = Permutation(n, key)
    everything = np.arange(n, dtype=np.uint64)
    places = permutation.forward(everything)
    assert sorted(places.tolist()) == list(range(n))
    assert permutation.inverse(places).tolist() == everything.tolist()


@given(st.integers(1, 2**40), KEYS, st.data())
def test_permutation_is_that_of_plain_python(n: int, key: int, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, n - 1), max_size=20))
    permutation = Permutation(n, key)
    places = permutation.forward(np.array(numbers, np.uint64))
    assert places.tolist() == [place_of(number, n, key) for number in numbers]
    assert permutation.inverse(places).tolist() == numbers


def test_permutation_is_frozen() -> None:
    assert Permutation(10, 1).forward(np.arange(10, dtype=np.uint64)).tolist() == [3, 4, 0, 8, 2, 7, 9, 6, 5, 1]
    assert Permutation(88_000_000, derive_key(1, "windows")).forward(u64(0, 1, 2, 87_999_999)).tolist() == [
        70537460,
        3405325,
        62040130,
        37803791,
    ]
    assert Permutation(2**40, MASK).forward(u64(0, 1, 2**40 - 1)).tolist() == [
        27753560322,
        933484973042,
        98124668800,
    ]


def test_permutation_of_three_is_each_of_the_six() -> None:
    seen = {tuple(Permutation(3, key).forward(np.arange(3, dtype=np.uint64)).tolist()) for key in range(200)}
    assert seen == set(itertools.permutations(range(3)))


def test_permutation_shows_no_order() -> None:
    n = 1_000_003
    places = Permutation(n, 42).forward(np.arange(n, dtype=np.uint64)).astype(np.int64)
    # Where 64 stretches of numbers go, in 64 stretches of places: chi-square with 63 * 63 = 3969 degrees of
    # freedom, whose standard deviation is 89.
    table = np.histogram2d(np.arange(n), places, bins=64)[0]
    chi_square = float(((table - n / 64**2) ** 2 / (n / 64**2)).sum())
    assert abs(chi_square - 63 * 63) < 5 * 89
    # As many fixed points and kept successors as in a random permutation: about one of each.
    assert (places == np.arange(n)).sum() < 10
    assert (np.diff(places) == 1).sum() < 10
    assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 0.005


@pytest.mark.parametrize("n", [0, -1, 2**40 + 1])
def test_permutation_refuses_what_it_cannot_number(n: int) -> None:
    with pytest.raises(ValueError, match="1 to 2"):
        Permutation(n, 0)


def test_permutation_refuses_a_number_outside() -> None:
    with pytest.raises(ValueError, match="5 is not below 5"):
        Permutation(5, 0).forward(u64(1, 5))
