"""What happens to a text before it is compared: normalised, judged, its language found, handed to blocks.

Blocks of another library come last, being the slowest, and see only what is still kept. What they rewrote is
normalised and judged again, so that a text in a corpus is as our rules leave it, whoever wrote it last; the
language stays that of the text before.
"""

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
from pipelines import datatrove_blocks

MEASURED = (
    "words",
    "letters_percent",
    "repeated_lines_percent",
    "language",
    "language_percent",
    "block",
    "reason",
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
    block = reason = np.full(len(texts), datatrove_blocks.NO_BLOCK, np.int32)
    if text.blocks:
        kept = np.flatnonzero(drop == Drop.KEPT)
        passed = datatrove_blocks.pass_blocks(normal.take(kept), text.blocks)
        normal = normalise.normalise(_put(normal, kept, passed.texts), text.normalise)
        judgement = filters.judge(normal, text.filters)
        block, reason = block.copy(), reason.copy()
        block[kept], reason[kept] = passed.block, passed.reason
        drop = _first(drop, block != datatrove_blocks.NO_BLOCK, Drop.FOREIGN_RULE)
        drop = np.where(drop == Drop.KEPT, judgement.drop, drop)
    return normal, {
        "drop": drop,
        "words": judgement.words,
        "letters_percent": judgement.letters_percent.astype(np.int32),
        "repeated_lines_percent": judgement.repeated_lines_percent.astype(np.int32),
        "language": found.language,
        "language_percent": found.percent,
        "block": block,
        "reason": reason,
    }


def _put(texts: Texts, rows: NDArray[np.intp], others: Texts) -> Texts:
    """The texts with others in the place of these rows."""
    which = np.arange(len(texts))
    which[rows] = len(texts) + np.arange(len(others))
    return Texts.concat([texts, others]).take(which)


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
    if any(text.blocks for text in texts):
        said["blocks"] = datatrove_blocks.describe([text.blocks for text in texts])
    return said
