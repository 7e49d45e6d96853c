"""The command line, as a person calls it: a whole run, its folder, and the mistakes it names."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    done = subprocess.run(line, capture_output=True, text=True, timeout=600, env=_env())
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


@pytest.mark.parametrize(
    ("sets", "more", "what"),
    [
        (["model.layerz=3"], [], "unknown key `layerz`"),
        (["model.vocabulary=5000"], [], "the corpus has 50,257 ids"),
        (["sequence=64000", "model.positions=64000"], [], "nothing is drawn"),
        (["batch=8", "micro_batch=3"], [], "the batch does not divide"),
        (["mesh.tp=2"], [], "a mesh of 1 x any x 2 cannot be made of 1 processes"),
        (["mesh.shard=4"], [], "a mesh of 1 x 4 x 1 cannot be made of 1 processes"),
        (["mesh.tp=3"], [], "model.heads, 4, does not divide by the 3 of mesh.tp"),
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


@contextmanager
def processes(
    run_dir: Path, size: int, *more: str, sets: list[str] = QUICK
) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes of a run, with what torchrun would tell them, and nobody who would end them all."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    line = [sys.executable, str(ROOT / "training" / "run.py"), *arguments(run_dir, *more, sets=sets)]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**_env(), **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(size)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()


def said(started: list[subprocess.Popen[str]]) -> tuple[list[str], list[str], list[int]]:
    """What each process wrote on its two streams, and its exit code, when all have ended."""
    written = [process.communicate(timeout=600) for process in started]
    return [out for out, _ in written], [err for _, err in written], [process.returncode for process in started]


def test_a_run_under_torchrun_is_told_once_and_is_the_run_of_one_process(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    sets = [*QUICK, "mesh.tp=2", "model.heads=2"]
    line = [*torchrun, str(ROOT / "training" / "run.py"), *arguments(tmp_path / "two", sets=sets)]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=600, env={**_env(), "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert main(arguments(tmp_path / "one", "--verify", "off", sets=[*QUICK, "model.heads=2"])) == 0
    assert done.stdout.count("verified 22 of 22 shards") == done.stdout.count("trained tiny to step 3") == 1
    assert done.stderr.count("step 3/3") == 1
    two, one = (read_metrics(str(tmp_path / folder)) for folder in ("two", "one"))
    assert [each.windows for each in two] == [each.windows for each in one]
    for mine, theirs in zip(two, one, strict=True):
        assert mine.loss == pytest.approx(theirs.loss, abs=1e-5)
        assert mine.validation == pytest.approx(theirs.validation, abs=1e-5)
    (attempt,) = read_attempts(str(tmp_path / "two"))
    assert attempt.host["mesh"] == [1, 1, 2]
    assert attempt.host["command"][:4] == ["torchrun", "--standalone", "--nproc-per-node", "2"]


def test_a_run_interrupted_in_any_process_saves_says_so_and_can_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [*QUICK, "steps=100000", "validation.every=0"]
    with processes(tmp_path, 2, "--verify", "off", sets=sets) as started:
        while len(read_metrics(str(tmp_path))) < 3 and started[0].poll() is None:
            time.sleep(0.05)
        started[1].send_signal(signal.SIGTERM)
        out, err, codes = said(started)
    assert codes == [130, 130]
    assert sum(each.count("interrupted") for each in err) == 1
    steps = [record.step for record in read_metrics(str(tmp_path))]
    assert steps == [*range(1, len(steps) + 1)]
    assert out[0].splitlines()[-1] == f"saved step {len(steps):,}: the same command goes on from there"
    assert main(arguments(tmp_path, sets=[*QUICK, f"steps={len(steps) + 1}"])) == 0
    assert f"resumed  step {len(steps):,}, from" in capsys.readouterr().out


def test_an_error_of_one_process_ends_all_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()  # which rank 0 alone finds out, while the other has begun to train
    with processes(tmp_path, 2, "--verify", "off", sets=[*QUICK, "steps=100000"]) as started:
        out, err, codes = said(started)
    assert codes == [2, 1]
    assert err[0].startswith("error: cannot write the metrics") and len(err[0].splitlines()) == 3
    assert (out[1], err[1]) == ("", "")


def test_a_process_that_is_killed_ends_all(tmp_path: Path) -> None:
    sets = [*QUICK, "steps=100000", "validation.every=0"]
    with processes(tmp_path, 2, "--verify", "off", sets=sets) as started:
        while not read_metrics(str(tmp_path)) and started[0].poll() is None:
            time.sleep(0.05)
        started[1].kill()
        _, err, codes = said(started)
    assert codes == [1, -signal.SIGKILL]
    assert err[0].splitlines()[-3] == "error: another process of the run has ended without a word"


def test_what_all_find_wrong_is_said_once(tmp_path: Path) -> None:
    with processes(tmp_path / "run", 2, sets=[*QUICK, "mesh.tp=4"]) as started:
        _, err, codes = said(started)
    assert codes == [2, 2]
    assert sorted(len(each.splitlines()) for each in err) == [0, 3]
    assert "a mesh of 1 x any x 4 cannot be made of 2 processes" in "".join(err)
    assert not (tmp_path / "run").exists()


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
