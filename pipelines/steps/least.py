"""The few rows of the least keys, in whatever order rows come: samples that nobody chose, nearest misses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corpus.table import Columns, concat, fixed_key, take

SAMPLES = 5  # unpublished: our choice; documents shown of each reason, and on each side of a threshold


class Least:
    """The rows of the least keys, document ids breaking ties.

    Args:
        ids: The columns of 16 bytes that break ties, the first before the second.

    Attributes:
        rows: Those of the least keys so far, in their order; no columns where none came.
    """

    def __init__(self, *ids: str) -> None:
        self._ids = ids or ("doc_id",)
        self._keys = np.zeros(0, np.int64)
        self.rows: Columns = {}

    def add(self, rows: Columns, keys: NDArray[np.int64]) -> None:
        """Takes more rows: int64[n], a key for each."""
        if len(keys) > SAMPLES:  # whatever the ids say, the others are not among the least
            bound = np.partition(keys, SAMPLES - 1)[SAMPLES - 1]
            near = np.flatnonzero(keys <= bound)
            rows, keys = take(rows, near), keys[near]
        rows = concat([self.rows, rows]) if self.rows else rows
        keys = np.concatenate([self._keys, keys])
        ties = [part for name in reversed(self._ids) for part in reversed(fixed_key(rows[name]))]
        order = np.lexsort((*ties, keys))[:SAMPLES]
        self.rows, self._keys = take(rows, order), keys[order]
