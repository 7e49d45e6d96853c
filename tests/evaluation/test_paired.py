"""Paired tests: against cases that were computed by hand, and against the binomial distribution counted out."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.paired_test import difference_interval, holm, mcnemar


def test_mcnemar_by_hand() -> None:
    # Of 8 items in which they differ, 1 for the first: 2 * (1 + 8) / 256.
    assert mcnemar(1, 7) == mcnemar(7, 1) == 18 / 256
    assert mcnemar(0, 6) == 2 / 64
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1.0
    assert mcnemar(0, 1) == 1.0


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_counts_all_splits_as_uneven(a: int, b: int) -> None:
    """Those of n coins that fall as unevenly, or more so, of all 2**n."""
    of = a + b
    as_uneven = sum(math.comb(of, heads) for heads in range(of + 1) if abs(2 * heads - of) >= abs(a - b))
    assert mcnemar(a, b) == pytest.approx(float(Fraction(as_uneven, 2**of)))


def test_mcnemar_of_many_items_is_small_and_quick() -> None:
    assert mcnemar(4000, 6000) == pytest.approx(1.7404316412268e-89)  # scipy.stats.binomtest
    assert mcnemar(0, 5000) == 0.0


def test_the_interval_of_a_difference_by_hand() -> None:
    # 10 and 20 of 98 items; a half more each, of 100: .10 -+ 1.96 * sqrt(31 - 100/100) / 100
    found = difference_interval(10, 20, 98)
    assert (found.low, found.high) == (pytest.approx(-0.007352, abs=1e-6), pytest.approx(0.207352, abs=1e-6))
    same = difference_interval(0, 0, 50)
    assert same.low == -same.high and 0 < same.high < 0.05


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_the_interval_turns_with_the_sides(a: int, b: int, others: int) -> None:
    of = a + b + others
    if of:
        one, other = difference_interval(a, b, of), difference_interval(b, a, of)
        assert -1 <= one.low < one.high <= 1
        assert (one.low, one.high) == (pytest.approx(-other.high), pytest.approx(-other.low))


def test_holm_by_hand() -> None:
    # .01 * 4, .02 * 3, .03 * 2 (not below the one before), .9
    assert holm([0.03, 0.9, 0.01, 0.02]) == pytest.approx([0.06, 0.9, 0.04, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
