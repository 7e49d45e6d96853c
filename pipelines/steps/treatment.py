"""What happens to a text before it is compared: it is normalised and judged, and its language is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus import filters, language, normalise
from corpus.document import Texts
from corpus.drops import Drop
from corpus.recipe import Text
from corpus.table import Columns

MEASURED = (
    "words",
    "letters_percent",
    "repeated_lines_percent",
    "language",
    "language_percent",
)
"""What the ledger holds of every text, kept or dropped."""


def treat(texts: Texts, text: Text) -> tuple[Texts, Columns]:
    """Treats n texts as a recipe says, each by itself.

    Returns:
        The texts as they are compared and tokenized, and the columns `drop` (uint8[n], the first reason found) and
        those of `MEASURED` (int32[n]).
    """
    normal = normalise.normalise(texts, text.normalise)
    judgement = filters.judge(normal, text.filters)
    found = language.identify(normal, text.language.keep)
    drop = judgement.drop
    if text.language.keep:
        drop = _first(drop, found.percent < text.language.min_percent, Drop.OTHER_LANGUAGE)
    return normal, {
        "drop": drop,
        "words": judgement.words,
        "letters_percent": judgement.letters_percent.astype(np.int32),
        "repeated_lines_percent": judgement.repeated_lines_percent.astype(np.int32),
        "language": found.language,
        "language_percent": found.percent,
    }


def _first(drop: NDArray[np.uint8], refused: NDArray[np.bool_], reason: Drop) -> NDArray[np.uint8]:
    """The reason of those that had none."""
    return np.where((drop == Drop.KEPT) & refused, reason, drop).astype(np.uint8)


def describe(texts: Sequence[Text]) -> dict[str, Any]:
    """What decides these treatments beside their parameters: the versions of all that they name.

    Raises:
        RecipeError: A treatment names what there is not, or what is not installed.
    """
    used = {name for text in texts for name in text.normalise}
    said: dict[str, Any] = {
        "normalise": {name: normalise.RULES[name].version for name in sorted(used) if name in normalise.RULES},
        "filters": {drop.label: version for drop, version in filters.FILTER_VERSIONS.items()},
    }
    if languages := sorted({code for text in texts for code in text.language.keep}):
        said["language"] = language.describe(languages)
    return said
