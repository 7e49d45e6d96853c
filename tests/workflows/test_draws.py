"""What the sample is made with: choices that a name decides, wrapped lines, the Jaccard of a pair."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

SAMPLE = Path(__file__).parents[2] / "workflows" / "sample"

sys.path.insert(0, str(SAMPLE))
import draws  # noqa: E402
import forms  # noqa: E402
import planted  # noqa: E402

sys.path.remove(str(SAMPLE))


@given(st.text(alphabet="ab  \n", max_size=200), st.integers(1, 30))
def test_wrapped_keeps_the_words_and_fills_the_lines(text: str, columns: int) -> None:
    wrapped = forms.wrapped(text, columns)
    assert wrapped.split() == text.split()
    rows = wrapped.split("\n")
    assert all(len(row) <= columns or " " not in row for row in rows)
    for row, following in pairwise(rows):
        assert len(row) + 1 + len(following.split(" ")[0]) > columns


@given(
    st.text(alphabet="abAB \t\n\u00e9\u00c9", max_size=80), st.text(alphabet="abAB \t\n\u00e9\u00c9", max_size=80)
)
def test_jaccard_is_symmetric_and_blind_to_case_and_spacing(one: str, other: str) -> None:
    inter, union = planted.jaccard(one, other)
    assert 0 <= inter <= union and union >= 1
    assert planted.jaccard(other, one) == (inter, union)
    assert planted.jaccard(one.upper().replace(" ", "\n "), other) == (inter, union)


@given(st.lists(st.integers(), max_size=30), st.text(max_size=5))
def test_shuffled_is_a_permutation_that_the_name_decides(items: list[int], name: str) -> None:
    shuffled = draws.Draws(name).shuffled(items)
    assert sorted(shuffled) == sorted(items)
    assert draws.Draws(name).shuffled(items) == shuffled


def test_draws_are_frozen() -> None:
    stream = draws.Draws("a test")
    assert [stream.below(1000) for _ in range(6)] == [445, 103, 174, 643, 948, 127]


def test_full_counts_reach_what_the_demo_needs() -> None:
    assert planted.EQUAL_PAIRS + sum(count for low, _, count in planted.BINS if low >= 0.95) >= 400
    assert sum(count for low, _, count in planted.BINS if low < 0.95) >= 400
