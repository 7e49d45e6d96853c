"""The processes of a run, for what they have to agree on: which checkpoint is whole, whether to stop.

What they say travels through the processors' memory, in a group of its own: neither waits for a device, nor mixes
with what another thread sends. A process alone has nobody to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Peers:
    """All processes of a run, seen by one.

    Attributes:
        rank: Its number.
        count: How many there are.
        group: The process group; None for a process alone.
    """

    rank: int = 0
    count: int = 1
    group: Any = None

    def gather(self, mine: T) -> list[T]:
        """What each of them says, by rank; all must call it."""
        if self.group is None:
            return [mine]
        said: list[Any] = [None] * self.count
        dist.all_gather_object(said, mine, group=self.group)
        return said

    def any(self, mine: bool) -> bool:
        """Whether one of them says so; all must call it."""
        if self.group is None:
            return mine
        said = torch.tensor([mine], dtype=torch.int32)
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.group)
        return bool(said)


def all_peers() -> Peers:
    """A new group of all processes; all must call it, in the same order as other such calls."""
    if not dist.is_initialized():
        return Peers()
    return Peers(dist.get_rank(), dist.get_world_size(), dist.new_group(backend="gloo"))
