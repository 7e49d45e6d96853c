"""Perplexities: against cases that were computed by hand, and the same whoever adds."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_results import windows

from corpus.errors import RunError
from evaluation.window_loss import Windows, window_loss


def made(*rows: tuple[float, int, int, int]) -> Windows:
    nll, *counts = zip(*rows, strict=True)
    return Windows(np.array(nll), *(np.array(each) for each in counts))


def test_every_rate_by_hand() -> None:
    """6 nats in all, of 3 tokens, 12 bytes and 2 GPT-2 tokens: a ratio of sums, no mean of ratios."""
    found = window_loss("prose", made((5.0, 2, 4, 1), (1.0, 1, 8, 1)))
    assert (found.windows, found.tokens, found.bytes, found.gpt2_tokens) == (2, 3, 12, 2)
    assert found.per_token and found.per_token.value == pytest.approx(math.exp(2))
    assert found.per_byte and found.per_byte.value == pytest.approx(math.exp(0.5))
    assert found.bits_per_byte and found.bits_per_byte.value == pytest.approx(0.5 / math.log(2))
    assert found.per_gpt2_token and found.per_gpt2_token.value == pytest.approx(math.exp(3))
    # Two windows: a draw is one of them twice, or both; a quarter of draws is at either end.
    ends = found.per_token.interval
    assert ends is not None
    assert (ends.low, ends.high) == (pytest.approx(math.e), pytest.approx(math.exp(2.5)))


def test_one_window_has_no_interval() -> None:
    found = window_loss("prose", made((5.0, 2, 4, 1)))
    assert found.per_token is not None and found.per_token.interval is None


def test_what_there_is_nothing_of_is_none() -> None:
    found = window_loss("prose", made((5.0, 2, 0, 0), (5.0, 2, 0, 0)))
    assert found.per_token is not None
    assert found.per_byte is found.bits_per_byte is found.per_gpt2_token is None
    nothing = np.array([], np.int64)
    empty = window_loss("prose", Windows(np.array([]), nothing, nothing, nothing))
    assert empty.windows == 0 and empty.per_token is None


def test_a_loss_that_is_no_number_is_named() -> None:
    with pytest.raises(RunError) as error:
        made((1.0, 1, 1, 1), (math.nan, 1, 1, 1))
    assert "window 1" in str(error.value)
    with pytest.raises(ValueError, match="not all is told"):
        Windows(np.array([1.0]), np.array([1, 2]), np.array([1]), np.array([1]))


@given(st.permutations(range(24)))
def test_the_order_of_windows_moves_no_last_bit(order: list[int]) -> None:
    of = windows(3.1, 24)
    turned = Windows(of.nll[order], of.tokens[order], of.bytes[order], of.gpt2_tokens[order])
    found, other = window_loss("prose", of), window_loss("prose", turned)
    assert found.per_token and other.per_token and found.per_token.value == other.per_token.value


def test_the_exponential_is_rounded_correctly() -> None:
    """libm's are not, and differ between machines; here every digit of the double is right."""
    found = window_loss("prose", made(*[(3.7, 1, 1, 1)] * 3)).per_token
    assert found is not None and found.value == float(Decimal.from_float(3.7).exp())


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of 60 sources of 50 windows each, whose losses a window are 1 or 3 nats evenly: 1.96 of 2 hold the mean."""
    random = np.random.default_rng(7)
    held = 0
    for number in range(60):
        nll = 1.0 + 2.0 * random.integers(0, 2, 50)
        one = np.ones(50, np.int64)
        ends = window_loss(f"source {number}", Windows(nll, one, one, one)).per_token
        assert ends is not None and ends.interval is not None
        held += ends.interval.low <= math.exp(2) <= ends.interval.high
    assert 51 <= held <= 60
