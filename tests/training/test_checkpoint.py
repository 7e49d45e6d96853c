"""Going on = never stopped; what a checkpoint may not decide; what is refused; what stays on the disk."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from small_corpus import ROOT, small_corpus
from small_run import CONFIG, build, changed, contents, go_on, same, told

from corpus.errors import IntegrityError, RecipeError, RunError, StoreError
from corpus.mapped_corpus import MappedCorpus
from corpus.window_order import Segment
from training.canonical_state import canonical_state, weights_of
from training.checkpoint import Saver, load
from training.commit import FILE, list_folders
from training.loop import train
from training.resumption import check_same_run, last_checkpoint
from training.retention import hold, remove_torn


def steps(run_dir: Path) -> list[str]:
    """The checkpoints there are, oldest name first."""
    return sorted(folder.name for folder in list_folders(str(run_dir)) if (folder / FILE).exists())


def test_going_on_is_never_having_stopped(tmp_path: Path) -> None:
    """Fused and residual dropout of .1; whatever random state the process is in."""
    trainer, whole, _ = go_on(tmp_path / "whole")
    first = go_on(tmp_path / "parts", until=4)[1]
    torch.manual_seed(99), np.random.seed(99), random.seed(99)
    second = go_on(tmp_path / "parts", attempt=2, until=7)[1]
    third_trainer, third, said = go_on(tmp_path / "parts", attempt=3)
    assert [len(first), len(second), len(third), said] == [4, 3, 2, []]
    assert told([*first, *second[:2], *third]) == told(whole)
    assert same(contents(trainer), contents(third_trainer))
    assert steps(tmp_path / "parts") == ["00000006-0002", "00000008-0003"]


def test_a_snapshot_knows_nothing_of_what_comes_after_it(tmp_path: Path) -> None:
    """The save is still being written, or not even begun, while the model changes under it."""
    trainer = build()
    going = train(trainer)
    with Saver(str(tmp_path), trainer, "0" * 64, 0) as saver:
        next(going)
        expected = contents(trainer)
        saver.save(1)
        for tensor in canonical_state(trainer).values():
            tensor.detach().fill_(7)
        saver.wait()
    other = build()
    load(last_checkpoint(str(tmp_path), print), canonical_state(other))
    assert same(contents(other), expected)


def test_hyperparameters_are_the_configs_and_never_the_checkpoints(tmp_path: Path) -> None:
    """OPT's test of plain SGD was void because loading a checkpoint brought the old betas back."""
    go_on(tmp_path, until=4)
    now = {
        "learning_rate": 1e-4,
        "betas": (0.0, 0.5),
        "epsilon": 1e-3,
        "weight_decay": 0.7,
        "clip": 0.25,
    }
    config = changed(optimisation=now)
    trainer, records, _ = go_on(tmp_path, config, attempt=2, until=5)
    (group,) = trainer.optimiser.param_groups
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.0, 0.5), 1e-3, 0.7)
    assert records[0].learning_rate < 1e-4
    # By hand: the same update from the same weights and moments.
    other = build(config)
    load(last_checkpoint(str(tmp_path), print), canonical_state(other))
    before = contents(other)
    record = next(train(other, 4))
    after = contents(other)
    name = "model.decoder.layers.0.fc1.weight"
    for kind, decay in (("exp_avg", 0.0), ("exp_avg_sq", 0.5)):
        assert not torch.equal(after[f"optimiser.{name}.{kind}"], before[f"optimiser.{name}.{kind}"])
        assert decay or record.gradient_norm > 0.25
    m, v = after[f"optimiser.{name}.exp_avg"], after[f"optimiser.{name}.exp_avg_sq"]
    gradient = m  # the first beta is 0
    torch.testing.assert_close(v, 0.5 * before[f"optimiser.{name}.exp_avg_sq"] + 0.5 * gradient**2)
    step = m / ((v / (1 - 0.5**5)).sqrt() + 1e-3)
    expected = before[f"model.{name}"] * (1 - record.learning_rate * 0.7) - record.learning_rate * step
    torch.testing.assert_close(after[f"model.{name}"], expected)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"model": {"layers": 1}}, "model.layers = 2, and the config says 1"),
        ({"model": {"layers": 3}}, "model.layers = 2, and the config says 3"),
        ({"model": {"heads": 4}}, "model.heads = 2, and the config says 4"),
        ({"model": {"normalise": "after"}}, "model.normalise = before"),
        ({"precision": {"compute": "fp64"}}, "another model's: model.model.decoder"),
        ({"seed": 2}, "seed = 1, and the config says 2"),
        ({"batch": 8}, "batch = 4"),
        ({"segment": (Segment(skip=1),)}, "segments before update 2"),
        ({"segment": (Segment(), Segment(update=1, skip=1))}, "segments before update 2"),
    ],
)
def test_another_run_is_refused(keys: dict[str, object], what: str, tmp_path: Path) -> None:
    go_on(tmp_path, until=2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RecipeError) as caught:
        go_on(tmp_path, changed(**keys), attempt=2)
    assert what in str(caught.value) and len(str(caught.value).splitlines()) == 3
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_another_corpus_or_order_of_windows_is_refused(tmp_path: Path) -> None:
    go_on(tmp_path, until=2)
    last = last_checkpoint(str(tmp_path), print)
    assert last is not None
    digest = last.commit.corpus_digest
    check_same_run(last, CONFIG, digest)
    with pytest.raises(RecipeError, match=f"trained on another corpus, sha256:{digest}"):
        check_same_run(last, CONFIG, "0" * 64)
    older = replace(last, commit=msgspec.structs.replace(last.commit, window_order=0))
    with pytest.raises(RecipeError, match="drawn by rule 0, and this release draws by 1"):
        check_same_run(older, CONFIG, digest)


def test_what_is_yet_to_come_may_change(tmp_path: Path) -> None:
    go_on(tmp_path, until=2)
    now = changed(segment=(Segment(), Segment(update=2, skip=5)), model={"dropout": 0.0}, micro_batch=2)
    assert [record.data_step for record in go_on(tmp_path, now, attempt=2, until=3)[1]] == [7]


def test_only_just_the_same_tensors_are_loaded(tmp_path: Path) -> None:
    """Past the config's word: a model of fewer layers, of more, of another width, by the tensors alone."""
    go_on(tmp_path, until=2)
    last = last_checkpoint(str(tmp_path), print)
    assert last is not None
    for shape in ({"layers": 1}, {"layers": 3}, {"feed_forward": 64}):
        other = build(changed(model=shape))
        for tensors in (canonical_state(other), weights_of(other.model)):
            with pytest.raises(RecipeError, match="another model's"):
                load(last, tensors)


def test_weights_alone_can_be_loaded(tmp_path: Path) -> None:
    trainer = go_on(tmp_path, until=2)[0]
    other = build()
    load(last_checkpoint(str(tmp_path), print), weights_of(other.model))
    assert same(weights_of(trainer.model), weights_of(other.model))
    assert not other.optimiser.state


def test_a_part_that_does_not_say_so_is_never_saved(tmp_path: Path) -> None:
    """As Megatron's layers are: a rank's rows under the name of the whole."""
    trainer = build()
    weight = trainer.model.model.decoder.layers[1].fc1.weight
    weight.data = weight.data[:16].clone()
    with pytest.raises(RunError, match=r"layers.1.fc1.weight is \(16, 16\), not \(32, 16\)"):
        Saver(str(tmp_path), trainer, "0" * 64, 0)
    assert not list_folders(str(tmp_path))


@contextmanager
def files_up_to(limit: int) -> Iterator[None]:
    """No file of this process grows beyond: what a full disk looks like to who writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_three_lines_and_costs_no_checkpoint(tmp_path: Path) -> None:
    go_on(tmp_path, until=2)
    with files_up_to(100_000), pytest.raises(StoreError) as caught:
        go_on(tmp_path, attempt=2, until=4)
    assert str(caught.value).splitlines()[0] == "error: cannot write the checkpoint: File too large"
    assert len(str(caught.value).splitlines()) == 3
    assert [folder.name for folder in list_folders(str(tmp_path))] == ["00000002-0001"]
    assert told(go_on(tmp_path, attempt=3)[1]) == told(go_on(tmp_path / "whole")[1][2:])


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    trainer = build()
    next(train(trainer))
    with Saver(str(tmp_path), trainer, "0" * 64, 0) as saver:
        saver.save(1)
        saver.wait()
        before = (tmp_path / "checkpoints" / "00000001-0001" / "__0_0.distcp").read_bytes()
        next(train(trainer))
        saver.save(1)
        with pytest.raises(StoreError, match="cannot write the checkpoint"):
            saver.wait()
    assert (tmp_path / "checkpoints" / "00000001-0001" / "__0_0.distcp").read_bytes() == before
    assert last_checkpoint(str(tmp_path), print) is not None


def test_the_last_few_and_every_so_many_stay(tmp_path: Path) -> None:
    config = changed(steps=14, checkpoint={"every": 2, "keep": 2, "keep_every": 6})
    go_on(tmp_path, config)
    assert steps(tmp_path) == [f"{step:08d}-0001" for step in (6, 12, 14)]
    assert [folder.name for folder in sorted((tmp_path / "checkpoints").glob("0*"))] == steps(tmp_path)


def test_what_the_run_did_not_write_stays(tmp_path: Path) -> None:
    go_on(tmp_path, until=2)
    first = tmp_path / "checkpoints" / "00000002-0001"
    notes = [
        tmp_path / "checkpoints" / "best" / "weights",
        tmp_path / "checkpoints" / "00000001-0001" / "mine.txt",
    ]
    for note in notes:
        note.parent.mkdir()
        note.write_text("mine")
    go_on(tmp_path, changed(checkpoint={"keep": 1}), attempt=2, until=4)
    assert not first.exists()
    assert all(note.read_text() == "mine" for note in notes)
    # One in a checkpoint that goes stays too, and its folder.
    note = tmp_path / "checkpoints" / "00000004-0002" / "mine.txt"
    note.write_text("mine")
    with pytest.raises(IntegrityError, match="none is whole"):
        last_checkpoint(str(tmp_path), (said := []).append)
    assert said[0] == "passed over: checkpoint 00000004-0002 is damaged: mine.txt is no file of it"
    note.rename(tmp_path / "mine.txt")
    assert last_checkpoint(str(tmp_path), said.append) is not None


def test_a_damaged_checkpoint_is_passed_over_aloud_and_kept(tmp_path: Path) -> None:
    whole = go_on(tmp_path / "whole")[1]
    go_on(tmp_path / "run", until=6)
    harmed = tmp_path / "run" / "checkpoints" / "00000006-0001" / "__0_0.distcp"
    data = bytearray(harmed.read_bytes())
    data[len(data) // 2] ^= 1
    harmed.write_bytes(data)
    _, records, said = go_on(tmp_path / "run", attempt=2)
    assert said == [
        "passed over: checkpoint 00000006-0001 is damaged: __0_0.distcp has other bytes than were written"
    ]
    assert told(records) == told(whole[4:])
    assert harmed.read_bytes() == data
    assert steps(tmp_path / "run") == ["00000006-0001", "00000006-0002", "00000008-0002"]


def test_where_all_are_damaged_nothing_begins_anew(tmp_path: Path) -> None:
    go_on(tmp_path, until=4)
    for folder in list_folders(str(tmp_path)):
        (folder / ".metadata").unlink()
    with pytest.raises(IntegrityError, match="of 2 checkpoints none is whole"):
        go_on(tmp_path, attempt=2)


def test_a_save_cut_short_is_no_checkpoint_and_goes(tmp_path: Path) -> None:
    go_on(tmp_path, until=4)
    torn = tmp_path / "checkpoints" / "00000006-0001"
    torn.mkdir()
    for name in ("__0_0.distcp", ".metadata.tmp", f".{FILE}.17-0123abcd"):
        (torn / name).write_bytes(b"torn")
    said: list[str] = []
    assert last_checkpoint(str(tmp_path), said.append).commit.step == 4
    assert said == ["passed over: checkpoint 00000006-0001 was not finished"]
    remove_torn(str(tmp_path))
    assert not torn.exists() and len(steps(tmp_path)) == 2


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    with hold(str(tmp_path)):
        program = f"from training.retention import hold; hold({str(tmp_path)!r})"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert "another process trains in this folder" in done.stderr
    hold(str(tmp_path)).close()


def test_a_commit_says_what_the_run_was(tmp_path: Path) -> None:
    go_on(tmp_path, until=2)
    checkpoint = last_checkpoint(str(tmp_path), print)
    assert checkpoint is not None
    commit = checkpoint.commit
    assert (commit.step, commit.attempt, commit.data_step, commit.tokens) == (2, 1, 2, 128)
    assert (commit.world_size, commit.mesh, commit.config) == (1, {}, CONFIG)
    assert commit.corpus_digest == MappedCorpus.open(small_corpus()).digest
    weights = {name: entry for name, entry in commit.tensors.items() if name.startswith("model.")}
    assert sum(int(np.prod(entry.shape)) for entry in weights.values()) == CONFIG.model.parameters
    assert {entry.dtype for entry in commit.tensors.values()} == {"float32"}
    # A step, an average, an average of squares.
    assert len(commit.tensors) == 4 * len(weights)
    on_disk = {path.name: path.stat().st_size for path in checkpoint.folder.iterdir() if path.name != FILE}
    assert {name: entry.size for name, entry in commit.files.items()} == on_disk
