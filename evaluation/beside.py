"""Which of the numbers that others reached stands beside ours: of each family the model nearest in size.

The averages that the paper draws (figures 3 and 4) are curves without numbers in the text: none are made up here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from evaluation.results import PublishedEntry

FAMILIES: Final = ("OPT", "GPT-3")
_SIZE: Final = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)([MB])\b")
_UNITS: Final = {"M": 1e6, "B": 1e9}
# Names without a size. Source: Brown et al., arXiv 2005.14165, table 2.1.
_NAMED: Final = {"GPT-3 Small": 125e6, "GPT-3 Medium": 350e6, "GPT-3 Large": 760e6, "GPT-3 XL": 1.3e9}

# Of the suite that OPT's authors ran while they trained, zero-shot, over its tasks without ReCoRD: no average of
# the fourteen. Source: metaseq, OPT-175B chronicles, initial_eval_results; davinci is GPT-3's largest by the API.
SUITE_AVERAGES: Final = (("OPT 175B", 74.2), ("davinci", 74.1))


def size_of(model: str) -> float | None:
    """How many parameters a model's name says that it has: "OPT 6.7B"; None where it says nothing."""
    found = _SIZE.search(model.replace("-", " "))
    return float(found[1]) * _UNITS[found[2]] if found else _NAMED.get(model)


def of_family(published: Sequence[PublishedEntry], family: str, shots: int) -> list[tuple[float, PublishedEntry]]:
    """(parameters, number) of a family's models, by size: of each size one, what was verified before what was not.

    Args:
        published: Of one task.
        family: How the names of its models begin.
        shots: A number without shots said stands for zero.
    """
    best: dict[float, PublishedEntry] = {}
    for one in published:
        size = size_of(one.model)
        if size is None or not one.model.startswith(family) or (one.shots or 0) != shots:
            continue
        if size not in best or (one.verified and not best[size].verified):
            best[size] = one
    return sorted(best.items(), key=lambda pair: pair[0])


def nearest(
    published: Sequence[PublishedEntry], family: str, parameters: int, shots: int
) -> PublishedEntry | None:
    """The number of the family's model nearest in size, by factor; the smaller of two as near."""
    models = of_family(published, family, shots)
    if not models:
        return None
    return min(models, key=lambda pair: abs(math.log(pair[0] / max(parameters, 1))))[1]


def named(one: PublishedEntry, family: str) -> str:
    """A number and whose it is: "33.7 of 125M", with a star where it was not verified in its source."""
    name = one.model.removeprefix(family).strip(" -")
    return f"{float(one.value):.1f}{'' if one.verified else '*'} of {name}"
