"""Which worked examples an item is shown: drawn by a key, never its own, and never a part of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.item import Example, Item

# "drawn": each item has examples of its own, as GPT-3's had (arXiv 2005.14165, section 2.4). "fixed": all items
# have the same, which is cheaper by far: what they share is computed once for all that are scored together.
Preamble = Literal["drawn", "fixed"]


@dataclass(frozen=True)
class Shots:
    """How examples are drawn.

    Attributes:
        count: How many; 0 for none.
        seed: The same seed draws the same examples.
        preamble: "drawn" or "fixed".
    """

    count: int
    seed: int
    preamble: Preamble = "drawn"

    def draw(self, task: str, item: Item, pool: Sequence[Example]) -> list[Example]:
        """The examples of an item, in the order they are shown; fewer where the pool holds no more.

        A function of the seed, the task, the pool and, if drawn, the item's key: neither of batch nor of process.
        """
        if not self.count or not pool:
            return []
        from corpus.order import Permutation, derive_key  # which compiles: --help does not wait for it

        purpose = f"shots/{task}/{item.key}" if self.preamble == "drawn" else f"shots/{task}"
        order = Permutation(len(pool), derive_key(self.seed, purpose))
        chosen: list[Example] = []
        # All examples of a family may come first: there are as many steps as it takes, mostly `count`.
        for first in range(0, len(pool), self.count):
            numbers = np.arange(first, min(first + self.count, len(pool)), dtype=np.uint64)
            for place in order.forward(numbers).tolist():
                if pool[place].key != item.key and (not item.family or pool[place].family != item.family):
                    chosen.append(pool[place])
                if len(chosen) == self.count:
                    return chosen
        return chosen
