"""What a model is asked: how probable some tokens are behind others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Request:
    """Tokens, and how many of them, at the end, are asked for.

    Attributes:
        ids: uint16[n], n >= 2.
        scored: From 1 to n - 1.
    """

    ids: NDArray[np.uint16]
    scored: int


def common_prefix(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> int:
    """How many tokens two texts begin with alike."""
    least = min(len(one), len(other))
    differ = one[:least] != other[:least]
    return int(differ.argmax()) if differ.any() else least
