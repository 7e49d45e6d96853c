"""Intervals: against cases that were computed by hand, and against an oracle that counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.intervals import DRAWS, Interval, Z, draws, percentile_interval, standard_error, wilson


def test_wilson_by_hand() -> None:
    """Of 8 of 10: Newcombe, Statistics in Medicine 17 (1998) writes 81 of 263 as .2553 to .3662; z*z is 3.8415."""
    found = wilson(8, 10)
    # (8 + 3.8415/2 -+ 1.96 * sqrt(8*2/10 + 3.8415/4)) / 13.8415
    assert (found.low, found.high) == (pytest.approx(0.49016, abs=1e-5), pytest.approx(0.94332, abs=1e-5))
    newcombe = wilson(81, 263)
    assert (round(newcombe.low, 4), round(newcombe.high, 4)) == (0.2553, 0.3662)


def test_wilson_at_none_and_at_all() -> None:
    assert wilson(0, 4) == Interval(0.0, pytest.approx(Z * Z / (4 + Z * Z)))
    assert wilson(4, 4) == Interval(pytest.approx(4 / (4 + Z * Z)), 1.0)


@given(st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilson_holds_the_share(case: tuple[int, int]) -> None:
    right, of = case
    found = wilson(right, of)
    assert 0 <= found.low <= right / of <= found.high <= 1 and found.low < found.high
    mirrored = wilson(of - right, of)
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_standard_error_is_that_of_the_sample_mean() -> None:
    outcomes = [1, 1, 1, 0, 0]
    assert standard_error(3, 5) == pytest.approx(np.std(outcomes, ddof=1) / math.sqrt(5))
    assert standard_error(0, 5) == 0.0
    assert standard_error(1, 1) is None


def test_draws_are_frozen_and_of_every_place() -> None:
    """A change of these numbers changes every interval that was ever written."""
    first = next(draws("a", 10))
    assert first[0].tolist() == FROZEN
    assert next(draws("b", 10))[0].tolist() != FROZEN
    everything = np.concatenate(list(draws("a", 7)))
    assert everything.shape == (DRAWS, 7)
    counts = np.bincount(everything.ravel(), minlength=7)
    assert abs(counts - DRAWS).max() < 5 * math.sqrt(DRAWS)


def test_draws_do_not_depend_on_how_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(draws("a", 30)))
    monkeypatch.setattr("evaluation.intervals._AT_ONCE", 100)
    assert (np.concatenate(list(draws("a", 30))) == whole).all()


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.arange(400) % 10 / 1.0
    found = percentile_interval("mean", 400, lambda places: values[places].mean(axis=1))
    assert found is not None
    reach = Z * values.std() / 20
    assert found.low == pytest.approx(4.5 - reach, abs=0.05) and found.high == pytest.approx(4.5 + reach, abs=0.05)
    assert percentile_interval("mean", 1, lambda places: values[places].mean(axis=1)) is None


FROZEN = [6, 3, 4, 9, 7, 9, 2, 0, 4, 3]
