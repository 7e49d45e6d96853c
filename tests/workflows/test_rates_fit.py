"""Lines through measurements: exact ones are found, none is negative, and nothing measured once has a start."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipelines.planning.rates import Line
from workflows.benchmarks.rates_fit import Observation, fitted, line

GIVEN = [(100, 900_000), (2_000, 300_000), (5_000, 9_000_000), (700, 20_000_000), (40_000, 50_000_000)]


@given(start=st.floats(0.01, 1), per_row=st.floats(1e-6, 1e-4), per_byte=st.floats(1e-9, 1e-7))
def test_what_lies_on_a_line_is_found(start: float, per_row: float, per_byte: float) -> None:
    values = [start + per_row * rows + per_byte * size for rows, size in GIVEN]
    found = line(GIVEN, values, start=True)
    for (rows, size), value in zip(GIVEN, values, strict=True):
        assert found.start + found.at(rows, size) == pytest.approx(value, rel=0.01)


@given(
    given=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**9)), min_size=1, max_size=6),
    values=st.data(),
)
def test_no_term_is_negative(given: list[tuple[int, int]], values: st.DataObject) -> None:
    measured = values.draw(st.lists(st.floats(0, 1e6), min_size=len(given), max_size=len(given)))
    found = line(given, measured, start=True)
    assert min(found.start, found.per_row, found.per_byte) >= 0


@given(size=st.integers(1, 10**9), value=st.floats(1e-3, 1e6))
def test_what_was_seen_once_grows_in_proportion(size: int, value: float) -> None:
    found = line([(0, size)], [value], start=True)
    assert found.start == 0 and found.at(0, 10 * size) == pytest.approx(10 * value, rel=1e-3)


@given(first=st.floats(0.1, 1), second=st.floats(0.1, 1))
def test_two_noisy_readings_never_make_a_rate_of_nothing(first: float, second: float) -> None:
    assume(first != second)
    assert line([(0, 10**6), (0, 4 * 10**6)], [first, second], start=True).per_byte > 0


def observed(parts: Sequence[tuple[str, int, int]], size: int) -> Observation:
    return Observation("c", "s", "", 0, size, 1.0, size, 0, 0, 0, (1, 1), tuple(parts))


def test_parts_are_told_apart_by_their_endings() -> None:
    names = [("map-00000-0000.rows.arrow", 5, 50), ("map-00001-0001.rows.arrow", 5, 50)]
    names += [("reduce-00000-chosen.arrow", 7, 70), ("wikipedia-valid-00000.bin", 3, 30)]
    names += [("map-00000-0123456789abcdef.damage.arrow", 1, 1)]
    rate = fitted([observed(names, 1000)])["s"][""]
    assert {ending: (part.kind, part.numbered) for ending, part in rate.parts.items()} == {
        ".rows.arrow": ("map", True),
        "-chosen.arrow": ("reduce", False),
        ".bin": ("reduce", False),
    }
    assert rate.parts[".rows.arrow"].bytes == Line(per_byte=0.1)
