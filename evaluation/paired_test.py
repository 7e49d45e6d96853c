"""Whether two models differ on the same items, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evaluation.intervals import Interval, Z


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided probability of so uneven a split, or a more uneven one, if neither is better.

    Args:
        only_first: Items that the first alone answered rightly,
        only_second: and the second alone: those that both or neither did say nothing of a difference.

    Source: McNemar, Psychometrika 12 (1947), with the binomial distribution itself in the place of its limit.
    """
    of = only_first + only_second
    term = total = 1
    for place in range(min(only_first, only_second)):
        term = term * (of - place) // (place + 1)
        total += term
    share: float = 2 * total / (1 << of)
    return min(1.0, share)


def difference_interval(only_first: int, only_second: int, of: int) -> Interval:
    """Where the second's share less the first's lies with 95% confidence.

    Args:
        only_first: Items that the first alone answered rightly.
        only_second: Items that the second alone did.
        of: All items, at least one.

    Source: Agresti and Min, Statistics in Medicine 24 (2005): Wald's interval after half an item is added to each
    of the four cells. It has a width where the two never differ, too.
    """
    first, second, items = only_first + 0.5, only_second + 0.5, of + 2
    middle = (second - first) / items
    reach = Z * math.sqrt((first + second) - (second - first) ** 2 / items) / items
    return Interval(max(-1.0, middle - reach), min(1.0, middle + reach))


def holm(probabilities: Sequence[float]) -> list[float]:
    """The same probabilities, corrected for how many there are: below .05 one in twenty such lists is in error.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    corrected, least = [0.0] * len(probabilities), 0.0
    for rank, place in enumerate(sorted(range(len(probabilities)), key=lambda at: (probabilities[at], at))):
        least = max(least, min(1.0, (len(probabilities) - rank) * probabilities[place]))
        corrected[place] = least
    return corrected
