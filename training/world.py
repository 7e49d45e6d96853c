"""The processes of a run: which one this is, what they agree on, what is done once, and who of them speaks.

torchrun says who they are, in environment variables; without them a run is one process. What they tell each other
here travels through the processors' memory, and waits for no device. torch is imported by the first method that
needs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

from corpus.errors import RunError

T = TypeVar("T")

# Unpublished: our choice. One process reads a corpus to its last byte while the others wait.
_PATIENCE: Final = timedelta(hours=12)


@dataclass(eq=False)
class World:
    """This process among those of the run.

    Attributes:
        rank: Its number; 0 prints, and writes what is written once.
        size: How many there are.
        local_rank: Its number on its host, and of its GPU.
        local_size: How many a host has.
        group: All of them, by gloo; None for a process alone, and before they have met.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    group: Any = None
    _store: Any = None

    @classmethod
    def of_environment(cls) -> World:
        """What torchrun says."""
        size = os.environ.get("WORLD_SIZE", "1")
        said = (("RANK", "0"), ("WORLD_SIZE", size), ("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", size))
        return cls(*(int(os.environ.get(name, alone)) for name, alone in said))

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Meets the other processes, and leaves them when all is done; one that fails leaves at once.

        Raises:
            RunError: Another of them cannot be reached any more.
        """
        if self.size == 1:
            yield
            return
        # Its library would print a page of its own frames when the store's process ends first, which is no news.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        import torch
        import torch.distributed as dist

        self._store, _, _ = next(dist.rendezvous("env://"))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=dist.PrefixStore("run", self._store),
            rank=self.rank,
            world_size=self.size,
        )
        self.group = dist.new_group(backend="gloo", timeout=_PATIENCE)
        dist.barrier(group=self.group)  # one that ends at once would break the connection while others make it
        try:
            yield
        except RuntimeError as failure:
            lost = self.lost(failure)
            if lost is None:
                raise
            raise lost from failure
        dist.destroy_process_group()

    def launcher(self) -> list[str]:
        """How so many processes are started."""
        if self.size == 1:
            return ["python"]
        hosts = (
            ["--standalone"] if self.size == self.local_size else ["--nnodes", str(self.size // self.local_size)]
        )
        return ["torchrun", *hosts, "--nproc-per-node", str(self.local_size)]

    def once_a_host(self, work: Callable[[], T]) -> T | None:
        """Has one process of each host do something while the others wait; gives what it gave, or None."""
        done = work() if self.local_rank == 0 else None
        if self.size > 1:
            import torch.distributed as dist

            dist.barrier(group=self.group)
        return done

    def from_first(self, work: Callable[[], T]) -> T:
        """Has rank 0 find something out; gives it to all."""
        (found, *_) = self.gather(work() if self.rank == 0 else None)
        return cast(T, found)

    def gather(self, mine: T) -> list[T]:
        """What each of them says, by rank; all must call it, as all that follows here."""
        if self.size == 1:
            return [mine]
        import torch.distributed as dist

        said: list[Any] = [None] * self.size
        dist.all_gather_object(said, mine, group=self.group)
        return said

    def any(self, mine: bool) -> bool:
        """Whether one of them says so."""
        if self.size == 1:
            return mine
        import torch
        import torch.distributed as dist

        said = torch.tensor([mine], dtype=torch.int32)
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.group)
        return bool(said)

    def apart(self) -> World:
        """The same processes, for another thread: what is said there mixes with nothing."""
        if self.size == 1:
            return self
        import torch.distributed as dist

        return replace(self, group=dist.new_group(backend="gloo", timeout=_PATIENCE))

    def say(self, text: str) -> None:
        """Prints it, once."""
        if self.rank == 0:
            print(text, flush=True)

    def speaks(self) -> bool:
        """Whether this process is to say why the run ends: the first that asks is, and one alone always."""
        if self._store is None:
            return True
        try:
            return bool(self._store.add("ended", 1) == 1)
        except RuntimeError:  # who keeps the store has ended before, and has said why
            return False

    def lost(self, error: RuntimeError) -> RunError | None:
        """What is to be said of an error if it is that another process cannot be reached any more."""
        if self._store is None:
            return None
        import torch.distributed as dist

        if not (isinstance(error, dist.DistError) or "gloo/transport" in str(error)):
            return None
        return RunError(
            "another process of the run has ended without a word",
            where=f"rank {self.rank} of {self.size}, which waited for it",
            remedy="see what its host says of it (out of memory, a lost GPU); then start the run again",
        )
