"""The command line, as a person calls it: a whole run, its folder, and the mistakes it names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_corpus import ROOT, copy_of_corpus, shard_files, small_corpus

from training.attempts import read_attempts
from training.metrics import read_metrics
from training.run import main

TINY = str(ROOT / "workflows" / "runs" / "tiny.toml")
QUICK = ["steps=3", "batch=4", "sequence=32", "model.width=16", "model.feed_forward=32", "validation.every=2"]


def arguments(run_dir: Path, *more: str, ref: str = "", sets: list[str] = QUICK) -> list[str]:
    chosen = ["--config", TINY, "--corpus", ref or small_corpus(), "--run-dir", str(run_dir), "--device", "cpu"]
    return [*chosen, *more, *(word for each in sets for word in ("--set", each))]


def test_a_run_from_beginning_to_end(tmp_path: Path) -> None:
    line = [sys.executable, str(ROOT / "training" / "run.py"), *arguments(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=240, env=_env())
    assert done.returncode == 0, done.stderr
    assert "verified 22 of 22 shards, to the last byte" in done.stdout
    *_, trained, written = done.stdout.splitlines()
    assert trained.startswith("trained tiny to step 3 on 384 tokens: loss 10.")
    assert written == f"report {tmp_path / 'report.html'}" and (tmp_path / "report.html").stat().st_size > 10_000
    assert "step 3/3  loss 10." in done.stderr and done.stderr.rstrip().endswith("0:00 left")
    records = read_metrics(str(tmp_path))
    assert [record.step for record in records] == [1, 2, 3]
    assert [sorted(record.validation) for record in records] == [[], *[["alpha", "beta", "gamma"]] * 2]
    (attempt,) = read_attempts(str(tmp_path))
    assert (attempt.number, attempt.config.steps, attempt.config.model.width) == (1, 3, 16)
    assert attempt.config_digest == attempt.config.digest()


def test_a_second_start_is_a_second_attempt_of_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = [*QUICK, "steps=5", "checkpoint.every=2"]
    assert main(arguments(tmp_path / "whole", "--verify", "off", sets=whole)) == 0
    assert main(arguments(tmp_path / "parts", "--verify", "off")) == 0
    assert "verified 0 of 22 shards" in capsys.readouterr().out
    assert main(arguments(tmp_path / "parts", "--verify", "off", sets=whole)) == 0
    assert "resumed  step 3, from 00000003-0001" in capsys.readouterr().out
    one, other = read_metrics(str(tmp_path / "whole")), read_metrics(str(tmp_path / "parts"))
    assert [record.attempt for record in other] == [1, 1, 1, 2, 2]
    assert [(record.loss, record.windows) for record in one] == [(r.loss, r.windows) for r in other]
    assert main(arguments(tmp_path / "parts", "--verify", "off", sets=whole)) == 0
    assert "nothing is left to train: tiny is at step 5 of 5" in capsys.readouterr().out


def test_an_interrupted_run_saves_says_so_and_can_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [*QUICK, "steps=100000"]
    line = [sys.executable, str(ROOT / "training" / "run.py"), *arguments(tmp_path, sets=sets)]
    with subprocess.Popen(
        line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=_env()
    ) as process:
        while len(read_metrics(str(tmp_path))) < 3 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.rstrip().endswith("interrupted")
    steps = [record.step for record in read_metrics(str(tmp_path))]
    assert steps == [*range(1, len(steps) + 1)]
    assert main(arguments(tmp_path, sets=[*QUICK, f"steps={len(steps) + 1}"])) == 0
    assert f"resumed  step {len(steps):,}, from" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sets", "more", "what"),
    [
        (["model.layerz=3"], [], "unknown key `layerz`"),
        (["model.vocabulary=5000"], [], "the corpus has 50,257 ids"),
        (["sequence=64000", "model.positions=64000"], [], "nothing is drawn"),
        (["batch=8", "micro_batch=3"], [], "the batch does not divide"),
        ([], ["--device", "abacus"], "there is no such device"),
        (["segment=[{update=0, weights={delta=1}}]"], [], "no source delta"),
    ],
)
def test_a_mistake_is_three_lines_and_leaves_nothing(
    sets: list[str], more: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path / "run", *more, sets=[*QUICK, *sets])) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 3 and said.startswith("error: ") and what in said
    assert not (tmp_path / "run").exists()


def test_a_damaged_corpus_is_never_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ref = copy_of_corpus(tmp_path)
    path = shard_files(ref, ".bin")[4]
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    assert main(arguments(tmp_path / "run", ref=ref)) == 1
    assert path.name in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_holds_one_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, sets=[*QUICK, "steps=1"])) == 0
    path = tmp_path / "attempts" / "0001.json"
    body = json.loads(path.read_text())
    path.write_text(json.dumps({**body, "corpus_digest": "0" * 64}))
    assert main(arguments(tmp_path)) == 2
    assert "a run on another corpus" in capsys.readouterr().err


def test_another_runs_folder_is_refused_and_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, sets=[*QUICK, "steps=1"])) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(arguments(tmp_path, sets=[*QUICK, "model.layers=1"])) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: the run was trained with model.layers = 2, and the config says 1",
        f"   at: {tmp_path}/checkpoints/00000001-0001",
        "   do: set it back, or name another --run-dir to begin anew",
    ]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_help_answers_without_torch() -> None:
    program = (
        "import sys; from training.run import options; options().format_help(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "False\n"


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
