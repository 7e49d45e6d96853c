"""How far a number measured on a sample may lie from what all items would give: 95% intervals.

A share of items that were answered rightly has Wilson's interval, which is one at none and at all of few too.
What is no share (macro-F1, a perplexity) has the percentile interval of a bootstrap. Its draws come of a key, a
counter and integer arithmetic alone, so they are the same wherever they are made, with any version of a library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from corpus.order import derive_key, splitmix64

Z: Final = 1.959963984540054  # of a standard normal, 95% lies within
# Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3, ask for 1,000 and more.
DRAWS: Final = 2000
_TAIL: Final = DRAWS * 25 // 1000  # draws below the interval, and as many above
_AT_ONCE: Final = 1 << 20  # unpublished: our choice; indices held at a time, 8 MB


@dataclass(frozen=True)
class Interval:
    """Where a number lies with 95% confidence."""

    low: float
    high: float


def wilson(right: int, of: int) -> Interval:
    """The score interval of a share, as a share.

    Args:
        right: Of so many,
        of: at least one.

    Source: Wilson, JASA 22 (1927); Brown, Cai and DasGupta, Statistical Science 16 (2001), section 3.1.1.
    """
    share, square = right / of, Z * Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    # At none and at all the two ends meet the share itself, but for the last bit.
    return Interval(0.0 if right == 0 else middle - reach, 1.0 if right == of else middle + reach)


def standard_error(right: int, of: int) -> float | None:
    """Of a share: sample standard deviation over the root of the count; None of fewer than two."""
    return math.sqrt(right * (of - right) / of / (of - 1) / of) if of > 1 else None


def draws(name: str, of: int) -> Iterator[NDArray[np.int64]]:
    """int64[m, of], the places that draws with replacement take of so many; `DRAWS` rows in all.

    Args:
        name: Of what is drawn: another name, other draws.
        of: At least one.
    """
    key = splitmix64(np.array([derive_key(0, f"bootstrap/{name}")], np.uint64))
    rows = max(1, _AT_ONCE // of)
    for start in range(0, DRAWS, rows):
        places = np.arange(start * of, min(start + rows, DRAWS) * of, dtype=np.uint64)
        # The remainder favours some places by less than one draw in 2^40.
        numbers = splitmix64(splitmix64(places) ^ key) % np.uint64(of)
        yield numbers.astype(np.int64).reshape(-1, of)


def percentile_interval(
    name: str, of: int, statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]]
) -> Interval | None:
    """The bootstrap's interval of a statistic; None of fewer than two units.

    Args:
        name: Of what is drawn.
        of: Units that are drawn: items, or windows.
        statistic: int64[m, of], places drawn -> float64[m], its value on each draw.
    """
    if of < 2:
        return None
    values = np.sort(np.concatenate([statistic(places) for places in draws(name, of)]))
    return Interval(float(values[_TAIL]), float(values[DRAWS - 1 - _TAIL]))
