"""One of the processes of a run whose weights and moments are sharded by FSDP2, for the tests of checkpoints.

    python sharded_run.py CORPUS RUN_DIR RANK RANKS ATTEMPT UNTIL OUT

Goes on from the last checkpoint, saves after every second update, and leaves all tensors, whole, in OUT.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import small_run
import torch
import torch.distributed as dist
from small_run import CONFIG, build
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from training.checkpoint import Saver, State, load
from training.loop import Trainer
from training.optimiser import build_optimiser
from training.peers import all_peers
from training.resumption import last_checkpoint
from training.token_stream import Corpus


def sharded(attempt: int, ranks: int) -> Trainer:
    """A trainer each of whose tensors lies in parts on all processes."""
    trainer = build(CONFIG, attempt)
    mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("shard",))
    for layer in trainer.model.model.decoder.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(trainer.model, mesh=mesh)
    return replace(trainer, optimiser=build_optimiser(trainer.model.parameters(), CONFIG.optimisation))


def update(trainer: Trainer, number: int, rank: int, ranks: int) -> None:
    """A bare one, without dropout, of this process's rows."""
    rows = trainer.stream.read(trainer.order.batch(number))[rank::ranks]
    token_BT = trainer.to_device(rows)
    (trainer.model(token_BT[:, :-1], token_BT[:, 1:]) / token_BT[:, 1:].numel()).backward()
    trainer.optimiser.step()
    trainer.optimiser.zero_grad()


def whole(tensor: Tensor) -> Tensor:
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().clone()


def main() -> None:
    ref, run_dir, rank, ranks, attempt, until, out = sys.argv[1:]
    dist.init_process_group("gloo", init_method=f"file://{out}.store", rank=int(rank), world_size=int(ranks))
    small_run.small_corpus = lambda: ref  # the parent's; nobody builds a second
    trainer, peers = sharded(int(attempt), int(ranks)), all_peers()
    assert peers.any(peers.rank == 1) and not peers.any(False)
    state = State(trainer.model, trainer.optimiser)
    last = last_checkpoint(run_dir, print, peers=peers)
    if last is not None:
        load(last, state, peers)
    done = last.commit.step if last is not None else 0
    with Saver(run_dir, trainer, state, Corpus.open(ref).digest, done, {"shard": int(ranks)}) as saver:
        for number in range(done, int(until)):
            update(trainer, number, int(rank), int(ranks))
            if number % 2:
                saver.save(number + 1)
        saver.wait()
    found = {name: whole(tensor) for name, tensor in state.tensors().items()}
    if int(rank) == 0:
        torch.save(found, Path(out))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
