"""The pace of a client, by a clock that only sleepers move."""

from __future__ import annotations

import hashlib
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_server import Time, asking, serving

from corpus.errors import RecipeError
from corpus.source_catalogue import FileAt
from pipelines.mirror.client import PIECE, Pace, rate_of
from pipelines.mirror.download import download


@given(
    rate=st.integers(1, 10**9),
    taken=st.lists(st.tuples(st.integers(0, PIECE), st.floats(0, 100)), min_size=1, max_size=30),
)
def test_the_rate_holds_over_every_stretch(rate: int, taken: list[tuple[int, float]]) -> None:
    time = Time()
    pace = Pace(rate, time.clock, time.sleep)
    starts, ends = [], []
    for size, pause in taken:
        time.now += pause  # a slow server: what was not taken then is not made up for later
        starts.append(time.now)
        pace.took(size)
        ends.append(time.now)
    sizes = [0, *accumulate(size for size, _ in taken)]
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            within = sizes[last + 1] - sizes[first]
            assert within <= rate * (ends[last] - starts[first]) * (1 + 1e-6) + rate * 1e-6


def test_a_file_comes_at_its_rate(tmp_path: Path) -> None:
    time, body = Time(), bytes(3 * PIECE + 5)
    with serving() as server, asking(time, rate=100_000) as (client, said):
        server.put("x", body)
        got = download(FileAt(url=server.url("x"), path="x"), tmp_path / "x", client)
    assert got.sha256 == hashlib.sha256(body).hexdigest()
    assert sum(time.slept) == pytest.approx(len(body) / 100_000)
    assert max(time.slept) <= 1  # in pieces of a second, so that the connection does not fall asleep
    assert time.now == pytest.approx(1000 + sum(time.slept))
    assert said == []


def test_without_a_rate_nobody_sleeps(tmp_path: Path) -> None:
    time = Time()
    with serving() as server, asking(time) as (client, _):
        server.put("x", bytes(3 * PIECE))
        download(FileAt(url=server.url("x"), path="x"), tmp_path / "x", client)
    assert time.slept == []


def test_a_long_file_says_now_and_then_how_far_it_is(tmp_path: Path) -> None:
    body = bytes(100_000)
    with serving() as server, asking(Time(), rate=4_000) as (client, said):
        server.put("x", body)
        download(FileAt(url=server.url("x"), path="f/x"), tmp_path / "x", client)
    assert said == ["f/x: 48.0 kB of 100.0 kB", "f/x: 92.0 kB of 100.0 kB"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10MB", 10_000_000), ("500kB", 500_000), ("1.5 GB/s", 1_500_000_000), ("7", 7), ("2M", 2_000_000)],
)
def test_a_rate_as_people_write_it(text: str, rate: int) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["", "0", "fast", "-1", "10mb", "10MiB", "1e6", "0.1B"])
def test_no_rate(text: str) -> None:
    with pytest.raises(RecipeError, match="no rate"):
        rate_of(text)
