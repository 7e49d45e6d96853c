"""A seeded stream of draws that is the same on every machine and every Python.

Only `random.Random.random` is used: its stream is promised by the standard library, while `choice`, `shuffle` and
`randrange` may change how they consume it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """Draws for one purpose; streams of different names are independent.

    Args:
        name: What the draws are for; it is the seed.
    """

    def __init__(self, name: str) -> None:
        # A string seed goes through sha512, so it does not depend on PYTHONHASHSEED.
        self._random = random.Random(f"tokentrail sample 1: {name}")

    def unit(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def below(self, limit: int) -> int:
        """An integer in [0, limit)."""
        return int(self._random.random() * limit)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely as another."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a random order (Fisher-Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def heavy_tailed(self, smallest: int, largest: int) -> int:
        """A Pareto length of exponent 1.8, whose mean is about 2.2 times the smallest, cut at the largest."""
        return min(largest, int(smallest * (1.0 - self._random.random()) ** (-1 / 1.8)))
