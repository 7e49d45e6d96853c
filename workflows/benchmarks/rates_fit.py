"""Lines through what was measured: never negative, and as near in proportion to a small build as a large."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.planning.rates import Line, PartRate, Rate

_NAMES = ("start", "per_row", "per_byte")
_NOTHING = 1e-9  # no clock tells such seconds, and bytes are whole
_FLOOR = 0.05  # of the mean: what is nearly nothing need not be met exactly


@dataclass(frozen=True)
class Observation:
    """One stage of one build.

    Attributes:
        corpus: What was built.
        variant: The format of its files, its encoder, or "".
        rows: Records it was given; 0 of a stage that reads raw files.
        bytes: Likewise: of texts, or of files as they lie on disk.
        parts: (name, rows, bytes) of each part.
    """

    corpus: str
    stage: str
    variant: str
    rows: int
    bytes: int
    cpu_seconds: float
    read: int
    shuffled: int
    written: int
    text: int
    tasks: tuple[int, int]
    parts: tuple[tuple[str, int, int], ...]


def fitted(observed: Sequence[Observation]) -> dict[str, dict[str, Rate]]:
    """The rates of every stage and variant."""
    grouped: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for one in observed:
        grouped[one.stage, one.variant].append(one)
    found: dict[str, dict[str, Rate]] = defaultdict(dict)
    for (stage, variant), mine in sorted(grouped.items()):
        found[stage][variant] = _rate(mine)
    return dict(found)


def _rate(mine: Sequence[Observation]) -> Rate:
    given = [(one.rows, one.bytes) for one in mine]
    return Rate(
        cpu_seconds=line(given, [one.cpu_seconds for one in mine], start=True),
        read=line(given, [max(0, one.read) for one in mine]),
        shuffled=line(given, [one.shuffled for one in mine]),
        text=line(given, [one.text for one in mine]),
        parts=_part_rates(mine, given),
    )


def _part_rates(mine: Sequence[Observation], given: Sequence[tuple[int, int]]) -> dict[str, PartRate]:
    totals: dict[str, list[tuple[int, int]]] = {}
    how: dict[str, tuple[bool, bool]] = {}
    for index, one in enumerate(mine):
        for name, rows, size in one.parts:
            found = re.fullmatch(r"(.*-\d{5})(-\d{4,5}(?=\.))?(.+)", name)
            if found is None or name.endswith(".damage.arrow"):
                continue
            ending = found[3]
            how[ending] = name.startswith("map-"), found[2] is not None
            sums = totals.setdefault(ending, [(0, 0)] * len(mine))
            sums[index] = sums[index][0] + rows, sums[index][1] + size
    return {
        ending: PartRate(
            kind="map" if how[ending][0] else "reduce",
            numbered=how[ending][1],
            rows=line(given, [rows for rows, _ in sums]),
            bytes=line(given, [size for _, size in sums]),
        )
        for ending, sums in totals.items()
    }


def line(given: Sequence[tuple[int, int]], values: Sequence[float], start: bool = False) -> Line:
    """The line with the least squares of relative errors, none of its terms negative.

    Args:
        given: Rows and bytes of each observation.
        values: What was measured of each.
        start: Whether something is paid once; a stage that is given nothing has nothing else.
    """
    if not any(rows or size for rows, size in given):
        return Line(start=_digits(float(np.mean(values))))
    features = np.array([(1.0 if start else 0.0, rows, size) for rows, size in given])
    target = np.array(values, float)
    target[target < _NOTHING] = 0
    weights = 1 / np.maximum(target, _FLOOR * target.mean() or 1.0)
    best, least = np.zeros(3), float(np.square(target * weights).sum())
    usable = [column for column in range(3) if features[:, column].any()]
    # Of three terms every choice of those that are not 0 can be tried: least squares that are nowhere negative.
    # What was seen once or twice grows in proportion, or one noisy reading would make a rate of nothing.
    for count in range(1, max(1, min(len(usable), len(target) - 1)) + 1):
        for chosen in map(list, itertools.combinations(usable, count)):
            if chosen == [0]:
                continue
            scale = features[:, chosen].max(axis=0)
            terms = np.linalg.lstsq(features[:, chosen] / scale * weights[:, None], target * weights, rcond=None)[
                0
            ]
            error = float(np.square((features[:, chosen] / scale @ terms - target) * weights).sum())
            if (terms >= 0).all() and error < least:
                best, least = np.zeros(3), error
                best[chosen] = terms / scale
    return Line(**{name: _digits(value) for name, value in zip(_NAMES, best.tolist(), strict=True) if value})


def _digits(value: float) -> float:
    """Four significant digits: more was never measured."""
    return float(f"{value:.4g}")
