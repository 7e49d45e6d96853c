"""One run on one topology after another: what any of them saved, any other goes on from, bit for bit."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import msgspec
import numpy as np
from processes import run_processes, start_processes
from small_corpus import ROOT, small_corpus
from small_run import CONFIG, build, contents, go_on, same, told
from torch import Tensor

from corpus.mapped_corpus import MappedCorpus
from corpus.window_order import WindowOrder
from training import run
from training.canonical_state import canonical_state
from training.checkpoint import load
from training.commit import FILE, list_folders
from training.config import MeshConfig, Precision, RunConfig, load_run
from training.metrics import read_metrics
from training.resumption import last_checkpoint
from training.token_stream import TokenStream
from training.world import World

TOLERANCE = 1e-12
SHAPE = msgspec.structs.replace(CONFIG.model, attention="eager", vocabulary=50_264)
OPTIMISATION = msgspec.structs.replace(CONFIG.optimisation, learning_rate=6e-4)
DOUBLE = msgspec.structs.replace(
    CONFIG, model=SHAPE, optimisation=OPTIMISATION, precision=Precision(compute="fp64"), steps=10
)


def on(mesh: MeshConfig) -> RunConfig:
    return msgspec.structs.replace(DOUBLE, mesh=mesh)


Started = tuple[list[tuple[object, ...]], list[str], dict[str, Tensor]]
Start = tuple[int, RunConfig, int]  # attempt, config, until which update


def start(rank: int, size: int, ref: str, run_dir: Path, wanted: list[Start]) -> list[Started]:
    """One start of a run after another: what each tells, what it says, and all it has when it ends, whole."""
    found = []
    for attempt, config, until in wanted:
        trainer, records, said = go_on(run_dir, config, attempt, until, ref, World(rank, size))
        found.append((told(records), said, contents(trainer)))
    return found


def starts(run_dir: Path, size: int, *wanted: Start) -> list[Started]:
    """The same on so many processes; by the first of them."""
    return run_processes(size, start, size, small_corpus(), run_dir, list(wanted))[0]


def near(found: list[tuple[object, ...]], expected: list[tuple[object, ...]]) -> None:
    """Steps, batches and windows are the same, losses and norms but for rounding."""
    assert [(each[0], each[1], each[-1]) for each in found] == [(each[0], each[1], each[-1]) for each in expected]
    values = [np.array([each[2:-1] for each in records], dtype=float) for records in (found, expected)]
    assert np.abs(values[0] - values[1]).max() < TOLERANCE


def test_backends_go_on_from_one_another(tmp_path: Path) -> None:
    """Fairscale's layers, ours, fairscale's again, then one process, with dropout: the run of one process."""
    fairscale, ours = (on(MeshConfig(tp=2, backend=backend)) for backend in ("fairscale", "dtensor"))
    found = starts(tmp_path, 4, (1, fairscale, 2), (2, ours, 4), (3, fairscale, 6))
    _, rest, said = go_on(tmp_path, DOUBLE, 4)
    assert said == [] and [each[1] for each in found] == [[]] * 3
    near([record for each in found for record in each[0]] + told(rest), told(go_on(tmp_path / "alone", DOUBLE)[1]))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """Saved by two of fairscale's, loaded by one; and by two, which share the reading."""
    fairscale = on(MeshConfig(tp=2, backend="fairscale"))
    ((_, _, saved),) = starts(tmp_path, 2, (1, fairscale, 4))
    last = last_checkpoint(str(tmp_path), print)
    assert last is not None
    assert (last.commit.step, last.commit.world_size) == (4, 2)
    assert last.commit.mesh == {"replicate": 1, "shard": 1, "tp": 2}
    assert sorted(last.commit.files) == [".metadata", "__0_0.distcp", "__1_0.distcp"]
    alone = build(DOUBLE)
    load(last, canonical_state(alone))
    assert same(contents(alone), saved)
    # One of the two meets the damage, and both go on from the checkpoint before.
    damaged = last.folder / "__1_0.distcp"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 3] ^= 16
    damaged.write_bytes(data)
    ((records, said, again),) = starts(tmp_path, 2, (2, fairscale, 4))
    assert [record[0] for record in records] == [3, 4]
    what = "is damaged: __1_0.distcp has other bytes than were written"
    assert said == [f"passed over: checkpoint {last.folder.name} {what}"]
    assert same(again, saved)


# As a person starts them: 2 x 2 processes, which are killed; then one; then two along the other axis.
SETS = ["batch=4", "sequence=32", "model.width=16", "model.feed_forward=32", "validation.every=0"]
SETS += ["precision.compute=fp64", "model.attention=eager", "model.dropout=0.1", "checkpoint.every=2"]
SETS += ["optimisation.learning_rate=6e-4"]
TINY = str(ROOT / "workflows" / "runs" / "tiny.toml")


def command(rank: int, size: int, port: int, run_dir: str, sets: list[str], ref: str) -> None:
    """The command line of a run in one of so many processes, with what torchrun would tell it."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()} if size > 1 else {}
    line = ["--config", TINY, "--corpus", ref, "--run-dir", run_dir, "--device", "cpu", "--verify", "off"]
    raise SystemExit(run.main([*line, *(word for each in [*SETS, *sets] for word in ("--set", each))]))


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_run_is_killed_on_four_processes_and_goes_on_on_one_and_on_two(tmp_path: Path) -> None:
    """Every window is seen once, and losses and norms are those of one process that nobody killed."""
    run_dir, ref = str(tmp_path / "run"), small_corpus()
    four = start_processes(4, command, 4, a_port(), run_dir, ["mesh.tp=2", "mesh.shard=2", "steps=1000"], ref)
    while sum((folder / FILE).exists() for folder in list_folders(run_dir)) < 2:
        assert four[0].is_alive()
        time.sleep(0.01)
    for process in four:
        process.kill()
    for process in four:
        process.join()
    last = last_checkpoint(run_dir, print)
    assert last is not None and last.commit.mesh == {"replicate": 1, "shard": 2, "tp": 2}
    at = last.commit.step
    end = at + 8
    for sets, size in (([f"steps={at + 4}"], 1), (["mesh.tp=2", f"steps={end}"], 2)):
        started = start_processes(size, command, size, a_port(), run_dir, sets, ref)
        for process in started:
            process.join()
        assert [process.exitcode for process in started] == [0] * size
    records = read_metrics(run_dir)
    assert [(each.step, each.attempt) for each in records] == [
        (step, 1 if step <= at else 2 if step <= at + 4 else 3) for step in range(1, end + 1)
    ]
    config = load_run(TINY, tuple(SETS))
    stream = TokenStream(MappedCorpus.open(ref), "train", config.sequence)
    order = WindowOrder(stream.windows, config.seed, config.batch, config.segment)
    batches = [order.batch(step) for step in range(end)]
    assert [each.windows for each in records] == [ids.digest() for ids in batches]
    seen = [window for ids in batches for window in zip(ids.source.tolist(), ids.window.tolist(), strict=True)]
    assert len(set(seen)) == len(seen) == end * config.batch
    (alone,) = start_processes(1, command, 1, 0, str(tmp_path / "alone"), [f"steps={end}"], ref)
    alone.join()
    for mine, theirs in zip(records, read_metrics(str(tmp_path / "alone")), strict=True):
        for kind in ("loss", "gradient_norm", "parameter_norm"):
            assert abs(getattr(mine, kind) - getattr(theirs, kind)) < TOLERANCE * max(1, getattr(theirs, kind))
