"""Several processes that meet by gloo, as torchrun's do, for a test: real ones, forked from one that has torch."""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# Imported once, in the server that the processes are forked from: torch alone takes each two seconds.
_PRELOADED = [
    "torch._dynamo",
    "torch.distributed.fsdp",
    "torch.distributed.tensor.parallel",
    "torch.optim",
    "numba",
    "pyarrow",
]


def start_processes(size: int, work: Callable[..., None], *arguments: Any) -> list[BaseProcess]:
    """So many processes, each of which runs `work(rank, *arguments)`; none outlives this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    started = [context.Process(target=work, args=(rank, *arguments), daemon=True) for rank in range(size)]
    for process in started:
        process.start()
    return started


def run_processes(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(rank, *arguments)` gave on each of so many processes of one group."""
    with tempfile.TemporaryDirectory(prefix="processes-") as folder:
        for process in start_processes(size, _join, size, folder, work, arguments):
            process.join()
        told = [pickle.loads(Path(folder, str(rank)).read_bytes()) for rank in range(size)]
    failed = [text for text, _ in told if text]
    assert not failed, failed[0]
    return [result for _, result in told]


def _join(rank: int, size: int, folder: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    try:
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
        told = ("", work(rank, *arguments))
        dist.barrier()
    except BaseException:
        told = (f"rank {rank}: {traceback.format_exc()}", None)
    Path(folder, str(rank)).write_bytes(pickle.dumps(told))
