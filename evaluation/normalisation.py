"""How log-probabilities of answers of different lengths are compared: columns of the same samples."""

from __future__ import annotations

import math
from typing import Final, Literal

from evaluation.sample import Sample, ScoredChoice

# "token": the mean over tokens, GPT-3's rule (arXiv 2005.14165, section 2.4), and that of OPT's own suite (metaseq
# 6c16be49, `scoring='mean'`). "unconditional": against the same answer behind "Answer:", GPT-3's rule for ARC and
# OpenBookQA (the same section). "character" and "byte": lm-evaluation-harness' acc_norm and acc_bytes.
Normalisation = Literal["sum", "token", "character", "byte", "unconditional"]
NORMALISATIONS: Final[tuple[Normalisation, ...]] = ("sum", "token", "character", "byte", "unconditional")


def value(choice: ScoredChoice, by: Normalisation) -> float:
    """What the choices of an item are compared by; NaN where it was not asked for."""
    total = math.fsum(choice.logprobs)
    if by == "unconditional":
        return math.nan if choice.unconditional is None else total - choice.unconditional
    lengths = {"sum": 1, "token": len(choice.logprobs), "character": choice.characters, "byte": choice.bytes}
    return total / lengths[by]


def chosen(sample: Sample, by: Normalisation) -> int:
    """The place of the answer with the highest value, the first of equals; -1 where it was not asked for."""
    values = [value(choice, by) for choice in sample.choices]
    return -1 if any(map(math.isnan, values)) else values.index(max(values))
