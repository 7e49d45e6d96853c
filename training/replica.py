"""The part of each global batch that a process computes, and how what it finds is added to what the others find.

Replicas are the processes that hold different rows: the product of a mesh's data axes, not of its tensor axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corpus.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor


def _alone(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True, eq=False)
class Replica:
    """One of the processes that share a batch.

    Attributes:
        rank: Its number.
        count: How many there are.
        add: Gives the sum of a tensor over all replicas.
    """

    rank: int = 0
    count: int = 1
    add: Callable[[Tensor], Tensor] = _alone

    def micro_batches(self, batch: int, micro_batch: int) -> list[range]:
        """The rows of a global batch that this replica computes, a range for each forward pass.

        Raises:
            RecipeError: The batch does not divide among the replicas, or a share into micro-batches.
        """
        share = batch // self.count
        size = micro_batch or share
        if batch % self.count or share % size:
            what = f"{batch:,} sequences among {self.count:,} replicas"
            raise RecipeError(
                f"the batch does not divide: {what}, {size:,} at once",
                where="batch, micro_batch",
                remedy="choose a batch that replicas x micro_batch divides, or another topology",
            )
        first = self.rank * share
        return [range(start, start + size) for start in range(first, first + share, size)]
