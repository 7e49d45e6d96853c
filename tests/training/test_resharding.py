"""Checkpoints of FSDP2 on two processes over gloo: what one topology wrote, another reads, bit for bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from small_corpus import ROOT, small_corpus
from small_run import build, contents, go_on, same, with_state
from torch import Tensor

from training.checkpoint import load
from training.commit import list_folders
from training.resumption import last_checkpoint


def sharded(run_dir: Path, attempt: int, until: int, ranks: int = 2) -> dict[str, Tensor]:
    """One start of a sharded run; its tensors, whole, at the end."""
    out = run_dir.with_name(f"{run_dir.name}-{attempt}.pt")
    program = str(Path(__file__).with_name("sharded_run.py"))
    processes = []
    for rank in range(ranks):
        words = [small_corpus(), run_dir, rank, ranks, attempt, until, out]
        line = [sys.executable, program, *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        processes.append(subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment))
    said = [process.communicate(timeout=200)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * ranks, said
    return dict(torch.load(out, weights_only=True))


def test_two_write_and_one_reads_or_two_go_on(tmp_path: Path) -> None:
    whole = sharded(tmp_path / "whole", 1, 4)
    last = last_checkpoint(str(tmp_path / "whole"), print)
    assert last is not None
    assert (last.commit.step, last.commit.world_size, last.commit.mesh) == (4, 2, {"shard": 2})
    assert sorted(last.commit.files) == [".metadata", "__0_0.distcp", "__1_0.distcp"]
    alone = build()
    load(last, with_state(alone))
    assert same(contents(alone), whole)
    # Of two that share the reading one meets the damage, and both go on from the checkpoint before.
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    damaged = tmp_path / "parts" / "checkpoints" / last.folder.name / "__1_0.distcp"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 3] ^= 16
    damaged.write_bytes(data)
    assert same(sharded(tmp_path / "parts", 2, 4), whole)
    assert [folder.name for folder in list_folders(str(tmp_path / "parts"))][:2] == [
        "00000004-0002",
        "00000004-0001",
    ]


def test_one_writes_and_two_read(tmp_path: Path) -> None:
    trainer = go_on(tmp_path, until=4)[0]
    found = sharded(tmp_path, 2, 4)
    assert same(contents(trainer), found)
