"""The order of windows: its laws on drawn unions, a plain walk through its segments, and frozen vectors."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RecipeError
from corpus.order import Permutation
from corpus.window_order import BLOCK, Place, Segment, WindowOrder

NAMES = "abcde"


@st.composite
def orders(draw: st.DrawFn) -> WindowOrder:
    """Small unions, drawn in several stretches, some of which leave a source out."""
    counts = draw(st.lists(st.integers(1, 30), min_size=1, max_size=5))
    windows = dict(zip(NAMES, counts, strict=False))
    segments = [Segment(weights=_weights(draw, windows) if draw(st.booleans()) else {})]
    for _ in range(draw(st.integers(0, 3))):
        update = segments[-1].update + draw(st.integers(1, 6))
        weights = _weights(draw, windows) if draw(st.booleans()) else {}
        segments.append(Segment(update=update, skip=draw(st.integers(0, 3)), weights=weights))
    return WindowOrder(windows, draw(st.integers(0, 9)), draw(st.integers(1, 12)), segments)


def _weights(draw: st.DrawFn, windows: dict[str, int]) -> dict[str, int]:
    weights = {name: draw(st.integers(0, 4)) for name in windows}
    return weights if any(weights.values()) else dict.fromkeys(windows, 1)


@settings(max_examples=60, deadline=None)
@given(orders())
def test_every_epoch_of_every_source_holds_every_window_once(order: WindowOrder) -> None:
    seen: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for data_step in range(40):
        ids = order.batch(data_step)
        for source, epoch, window in zip(
            ids.source.tolist(), ids.epoch.tolist(), ids.window.tolist(), strict=True
        ):
            seen[source].append((epoch, window))
    windows = dict(enumerate(order._windows.tolist()))
    for source, drawn in seen.items():
        epochs = [epoch for epoch, _ in drawn]
        assert epochs == [number // windows[source] for number in range(len(drawn))]
        assert len(set(drawn)) == len(drawn)
        for epoch in range(epochs[-1]):  # the last may not be drawn to its end
            assert sorted(window for found, window in drawn if found == epoch) == list(range(windows[source]))


@settings(max_examples=40, deadline=None)
@given(orders())
def test_every_window_is_found_where_it_is_drawn(order: WindowOrder) -> None:
    for data_step in (0, 3, 7, 13, 31):
        ids = order.batch(data_step)
        for row, (source, epoch, window) in enumerate(
            zip(ids.source.tolist(), ids.epoch.tolist(), ids.window.tolist(), strict=True)
        ):
            place = order.find(order.sources[source], epoch, window)
            assert place == Place(data_step, row, order.update(data_step))


@settings(max_examples=40, deadline=None)
@given(orders(), st.sampled_from([1, 2, 4, 8]))
def test_ranks_see_parts_of_the_same_batches(order: WindowOrder, ranks: int) -> None:
    for data_step in (0, 5, 17):
        whole = order.batch(data_step)
        edges = [rank * order.batch_size // ranks for rank in range(ranks + 1)]
        parts = [order.batch(data_step, first, end) for first, end in pairwise(edges) if end > first]
        for name in ("source", "epoch", "window"):
            assert [n for part in parts for n in getattr(part, name).tolist()] == getattr(whole, name).tolist()


@settings(max_examples=60, deadline=None)
@given(orders())
def test_updates_and_data_steps_as_one_walks_through_the_segments(order: WindowOrder) -> None:
    trained, data_step = [], 0
    for update in range(40):
        for segment in order._segments:
            data_step += segment.skip if segment.update == update else 0
        trained.append(data_step)
        data_step += 1
    assert [order.data_step(update) for update in range(40)] == trained
    inverse = {data_step: update for update, data_step in enumerate(trained)}
    assert [order.update(step) for step in range(trained[-1] + 1)] == [
        inverse.get(step) for step in range(trained[-1] + 1)
    ]


def test_a_block_holds_the_weights_and_any_run_of_rows_nearly_does() -> None:
    order = WindowOrder({"a": 900, "b": 50, "c": 50}, 1, 10, [Segment(weights={"a": 5, "b": 3, "c": 2})])
    drawn: Counter[int] = Counter()
    for data_step in range(30):
        ids = order.batch(data_step)
        assert Counter(ids.source.tolist()) == {0: 5, 1: 3, 2: 2}
        drawn.update(ids.source.tolist())
    assert drawn == {0: 150, 1: 90, 2: 60}


def test_without_weights_an_epoch_of_the_union_is_an_epoch_of_each_source() -> None:
    order = WindowOrder({"a": 70, "b": 21, "c": 9}, 3, 20, [Segment()])
    union = [order.batch(step) for step in range(10)]
    assert all(set(ids.epoch.tolist()) == {step // 5} for step, ids in enumerate(union))


def test_a_union_beyond_a_block_is_drawn_in_proportion() -> None:
    windows = {"a": 60_000_000, "b": 27_000_000, "c": 240_000}
    order = WindowOrder(windows, 3, BLOCK, [Segment()])
    share = Counter(order.batch(0).source.tolist())
    exact = [BLOCK * count / sum(windows.values()) for count in windows.values()]
    assert all(abs(share[number] - count) < 1 for number, count in enumerate(exact))
    assert sum(share.values()) == BLOCK


def test_what_is_passed_over_is_drawn_by_the_old_weights_and_not_trained_on() -> None:
    first, then = Segment(weights={"a": 1}), Segment(update=4, skip=3, weights={"b": 1})
    order = WindowOrder({"a": 10, "b": 10}, 1, 1, [first, then])
    assert [int(order.batch(step).source[0]) for step in range(9)] == [0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert [order.update(step) for step in range(9)] == [0, 1, 2, 3, None, None, None, 4, 5]
    assert [order.data_step(update) for update in range(6)] == [0, 1, 2, 3, 7, 8]
    left = set(range(10)) - {int(order.batch(step).window[0]) for step in range(7)}
    assert all(order.find("a", 0, window) is None for window in left)


def test_the_order_is_frozen() -> None:
    """A change here is a change of every run: WINDOW_ORDER_VERSION moves with it."""
    segments = [Segment(), Segment(update=1000, skip=20, weights={"a": 2, "b": 1})]
    order = WindowOrder({"a": 1000, "b": 333, "c": 7}, 42, 8, segments)
    ids = order.batch(0)
    assert (ids.source.tolist(), ids.window.tolist()) == (
        [0, 0, 1, 0, 0, 0, 1, 0],
        [144, 662, 163, 984, 116, 763, 152, 87],
    )
    assert [order.batch(step).digest()[:16] for step in (0, 999, 1020, 10**9)] == [
        "e182a4c29a103083",
        "c758e254ebd053df",
        "ef611858dd8de325",
        "989c4e3c8b5231fe",
    ]


def test_permutations_at_once_are_those_one_by_one() -> None:
    each = [Permutation(n, key) for n, key in ((1, 5), (10, 6), (10, 7), (65537, 8), (2**40, 9))]
    which = np.repeat(np.arange(5), [1, 10, 10, 500, 500])
    index = np.concatenate([np.arange(n, dtype=np.uint64) for n in (1, 10, 10, 500, 500)])
    expected = np.concatenate([p.forward(index[which == i]) for i, p in enumerate(each)])
    assert np.array_equal(Permutation.forward_each(each, which, index), expected)


@pytest.mark.parametrize(
    ("segments", "says"),
    [
        ([], "do not follow"),
        ([Segment(update=1)], "do not follow"),
        ([Segment(), Segment(update=5), Segment(update=5)], "do not follow"),
        ([Segment(), Segment(update=5, skip=-1)], "passes over -1"),
        ([Segment(weights={"z": 1})], "no source z"),
        ([Segment(weights={"a": -1})], "is negative"),
        ([Segment(weights={"empty": 1})], "not one whole window"),
        ([Segment(weights={"a": 0})], "nothing is drawn"),
        ([Segment(weights={"a": 10**9, "b": 1})], f"not one window in {BLOCK:,}"),
    ],
)
def test_wrong_segments_are_refused(segments: list[Segment], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        WindowOrder({"a": 5, "b": 5, "empty": 0}, 1, 4, segments)


def test_what_is_drawn_is_what_stands_in_the_batches() -> None:
    segments = [Segment(), Segment(update=7, skip=3, weights={"a": 3, "c": 1})]
    order = WindowOrder({"a": 50, "b": 30, "c": 7}, 1, 8, segments)
    counts = np.zeros(3, np.int64)
    for data_step in range(20):
        assert list(order.drawn(data_step).values()) == counts.tolist()
        counts += np.bincount(order.batch(data_step).source, minlength=3)
