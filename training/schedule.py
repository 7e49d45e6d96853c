"""The learning rate as a function of the tokens trained on, so that a change of batch does not bend it."""

from __future__ import annotations

from training.config import Optimisation


def learning_rate(optimisation: Optimisation, tokens: int) -> float:
    """The rate of the update that brings the tokens trained on to this many: up in a line, then down in one.

    Source: OPT, arXiv 2205.01068 section 2.2. (fairseq takes the tokens before the update, and so begins at rest.)
    """
    peak, end = optimisation.learning_rate, optimisation.final_fraction * optimisation.learning_rate
    if tokens < optimisation.warmup_tokens:
        return peak * tokens / optimisation.warmup_tokens
    gone = (tokens - optimisation.warmup_tokens) / (optimisation.decay_tokens - optimisation.warmup_tokens)
    return peak - (peak - end) * min(1.0, gone)
