"""Perplexity of what was held out: per token, per byte and per GPT-2 token, with bootstrap intervals over windows.

Losses are summed as whole micro-nats, so that a sum does not depend on its order or on the machine that adds, and
exponentials are taken in decimal arithmetic, which rounds correctly everywhere; libm's do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

from corpus.errors import RunError
from evaluation.intervals import Interval, percentile_interval
from evaluation.metrics import Estimate

_MICRO = 1_000_000
_BIT = 0.6931471805599453  # nats: the double nearest to ln 2
_EXACT = Context(prec=28)


@dataclass(frozen=True, eq=False)
class Windows:
    """What was scored of a source, a window an element.

    Attributes:
        nll: float64[n], the sum of the negative log-probabilities, natural, of the window's tokens that count.
        tokens: int64[n], how many those are.
        bytes: int64[n], of UTF-8 text that those stand for; what ends a document stands for none.
        gpt2_tokens: int64[n], into how many GPT-2's vocabulary cuts that text.

    Raises:
        RunError: A loss is no number.
    """

    nll: NDArray[np.float64]
    tokens: NDArray[np.int64]
    bytes: NDArray[np.int64]
    gpt2_tokens: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.nll) == len(self.tokens) == len(self.bytes) == len(self.gpt2_tokens):
            raise ValueError("windows of which not all is told")
        wrong = np.flatnonzero(~np.isfinite(self.nll))
        if len(wrong):
            raise RunError(
                f"the loss of {len(wrong):,} windows is no number",
                where=f"window {wrong[0]:,}",
                remedy="evaluate in float32, or an earlier checkpoint: this one may be broken",
            )


@dataclass(frozen=True)
class WindowLoss:
    """What windows come to; None where there is nothing to divide by.

    Attributes:
        windows: How many.
        tokens: In all.
        bytes: In all.
        gpt2_tokens: In all.
        per_token: exp(loss over tokens).
        per_byte: exp(loss over bytes).
        bits_per_byte: Loss over bytes, in bits.
        per_gpt2_token: exp(loss over GPT-2 tokens).
    """

    windows: int
    tokens: int
    bytes: int
    gpt2_tokens: int
    per_token: Estimate | None
    per_byte: Estimate | None
    bits_per_byte: Estimate | None
    per_gpt2_token: Estimate | None


def window_loss(name: str, windows: Windows) -> WindowLoss:
    """Sums a source's windows.

    Args:
        name: Of the source: the draws of its bootstrap come of it.
        windows: Each is one unit of the bootstrap: what neighbouring tokens share, a window keeps together.
    """
    nll = np.rint(windows.nll * _MICRO).astype(np.int64)
    tokens, text = (_rate(name, nll, of) for of in (windows.tokens, windows.bytes))
    return WindowLoss(
        windows=len(nll),
        tokens=int(windows.tokens.sum()),
        bytes=int(windows.bytes.sum()),
        gpt2_tokens=int(windows.gpt2_tokens.sum()),
        per_token=_exponential(tokens),
        per_byte=_exponential(text),
        bits_per_byte=None if text is None else _each(text, lambda nats: nats / _BIT),
        per_gpt2_token=_exponential(_rate(name, nll, windows.gpt2_tokens)),
    )


def _rate(name: str, nll: NDArray[np.int64], of: NDArray[np.int64]) -> Estimate | None:
    """Nats over a count, a ratio of sums."""
    if not of.sum():
        return None

    def of_draws(places: NDArray[np.int64]) -> NDArray[np.float64]:
        # A draw of windows without a byte would divide by nothing.
        rates: NDArray[np.float64] = nll[places].sum(axis=1) / np.maximum(of[places].sum(axis=1), 1) / _MICRO
        return rates

    return Estimate(int(nll.sum()) / int(of.sum()) / _MICRO, percentile_interval(name, len(nll), of_draws))


def _exponential(rate: Estimate | None) -> Estimate | None:
    return None if rate is None else _each(rate, lambda nats: float(_EXACT.exp(Decimal(nats))))


def _each(rate: Estimate, change: Callable[[float], float]) -> Estimate:
    """The same of a number and of both ends of its interval: all of them grow together."""
    ends = rate.interval
    return Estimate(change(rate.value), None if ends is None else Interval(change(ends.low), change(ends.high)))
