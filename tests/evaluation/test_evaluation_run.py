"""The command line of an evaluation, on files of few rows: from a model to results, killed, shared, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from small_corpus import ROOT, copy_of_corpus, shard_files, small_corpus
from small_models import SHAPE
from small_models import write as write_model
from small_sets import HELLASWAG, write

from evaluation.results import read_results
from evaluation.run import main

SENTENCES = [
    "The tide came in.",
    "A lamp went out.",
    "The net was dry.",
    "No boat was late.",
    "The bell rang twice.",
]


def copa(idx: int, **changed: object) -> dict[str, object]:
    """A row of COPA, and no two alike."""
    own = {
        "premise": f"{SENTENCES[idx % 5][:-1]} on day {idx}.",
        "choice1": SENTENCES[(idx + 1) % 5],
        "choice2": SENTENCES[(idx + 2) % 5],
        "question": "cause" if idx % 2 else "effect",
        "label": idx % 2,
        "idx": idx,
    }
    return {**own, **changed}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write(folder, "superglue_copa/val.jsonl", [copa(number) for number in range(30)] + [copa(30, label=7), "{"])
    write(folder, "superglue_copa/train.jsonl", [copa(number) for number in range(100, 108)])
    write(folder, "hellaswag/validation.jsonl", [{**HELLASWAG, "ind": number} for number in range(6)])
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_model(str(tmp_path_factory.mktemp("model") / "two-layers"))


def words(model: str, data: Path, out: Path, *more: str) -> list[str]:
    where = ["--checkpoint", model, "--corpus", small_corpus(), "--data", str(data), "--out", str(out)]
    asked = ["--tasks", "perplexity,continuation,copa,hellaswag", "--shots", "0,2", "--device", "cpu"]
    return [*where, *asked, "--window", "96", "--chunk-tokens", "256", *more]


def program(*line: str, processes: int = 1) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    start = torchrun if processes > 1 else [sys.executable]
    return [*start, str(ROOT / "evaluation" / "run.py"), *line]


@pytest.fixture(scope="module")
def results(model: str, data: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """results.json, by a process that nothing disturbs."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(program(*words(model, data, out)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return (out / "results.json").read_bytes()


def test_what_comes_out_and_what_is_said(
    model: str, data: Path, results: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(model, data, tmp_path)) == 0
    said = capsys.readouterr().out
    assert "skipped  superglue_copa/val.jsonl, line 31: " in said
    assert "skipped  superglue_copa/val.jsonl, line 32: no JSON" in said
    assert said.splitlines()[-1] == f"report {tmp_path / 'report.html'}"
    found = read_results(tmp_path)
    scores = {(one.task, one.shots): one for one in found.scores}
    assert {key: one.items for key, one in scores.items() if key[0] != "continuation"} == {
        ("copa", 0): 30,
        ("copa", 2): 30,
        ("hellaswag", 0): 6,
        ("hellaswag", 2): 6,
    }
    assert scores["copa", 2].skipped == {"malformed": 2} and scores["copa", 2].shown_fewest == 2
    assert scores["hellaswag", 2].leave_one_out and not scores["copa", 2].leave_one_out
    assert [one.source for one in found.perplexity] == ["alpha", "beta", "gamma"]
    assert (found.settings.begins_with, found.settings.window, found.settings.stride) == (50_256, 96, 96)
    assert found.canonical() == results


def test_two_processes_give_the_same_results(model: str, data: Path, results: bytes, tmp_path: Path) -> None:
    done = subprocess.run(
        program(*words(model, data, tmp_path), processes=2),
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": str(os.cpu_count() or 1)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("results sha256:") == 1
    assert (tmp_path / "results.json").read_bytes() == results


def test_killed_and_gone_on_with_the_results_are_the_same(
    model: str, data: Path, results: bytes, tmp_path: Path
) -> None:
    kills = 0
    for part, lines in (("perplexity", 2), ("copa-2", 3)):
        started = subprocess.Popen(program(*words(model, data, tmp_path)), stderr=subprocess.PIPE, text=True)
        path = tmp_path / "samples" / f"{part}.part0.jsonl"
        while started.poll() is None:
            if path.exists() and path.read_bytes().count(b"\n") >= lines:
                started.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.001)
        started.communicate()
        if path.exists():  # as a kill within a write leaves it
            path.write_bytes(path.read_bytes()[:-7])
    assert kills  # a busy machine may let a part end before it is seen to have begun
    done = subprocess.run(program(*words(model, data, tmp_path)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results.json").read_bytes() == results
    assert not list((tmp_path / "samples").glob("*part*"))


@pytest.mark.parametrize(
    "more, code, said",
    [
        (["--tasks", "coppa"], 2, "there is no task 'coppa'"),
        (["--tasks", "perplexity", "--corpus", ""], 2, "there is no --corpus to score perplexity on"),
        (["--data", ""], 2, "there is no --data to score"),
        (["--tasks", "rte", "--require"], 2, "the rows of RTE are not there"),
        (["--shots", "two"], 2, "are no numbers of examples"),
        (["--limit", "-1"], 2, "-1 is less than none"),
        (["--window", "4096"], 2, f"the model takes {SHAPE.positions} tokens at once"),
        (["--window", "64", "--stride", "65"], 2, "the model takes"),
        (["--vocabulary", "nowhere.json"], 2, "error: "),
    ],
)
def test_a_mistake_is_three_lines_and_nothing_is_written(
    more: list[str],
    code: int,
    said: str,
    model: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words(model, data, tmp_path / "out", *more)) == code
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 3
    assert not (tmp_path / "out").exists()


def test_a_folder_is_of_one_model(
    model: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--tasks", "copa", "--limit", "3"]
    assert main(words(model, data, tmp_path / "out", *line)) == 0
    before = (tmp_path / "out" / "results.json").read_bytes()
    other = write_model(str(tmp_path / "other"), msgspec.structs.replace(SHAPE, layers=1))
    for changed in (
        words(other, data, tmp_path / "out", *line),
        words(model, data, tmp_path / "out", *line, "--seed", "5"),
    ):
        assert main(changed) == 1
        assert "name another folder with --out" in capsys.readouterr().err
    assert (tmp_path / "out" / "results.json").read_bytes() == before
    # More of the same is no other evaluation.
    assert main(words(model, data, tmp_path / "out", "--tasks", "copa", "--limit", "9")) == 0
    assert json.loads((tmp_path / "out" / "results.json").read_bytes())["scores"][0]["items"] == 9


def test_a_damaged_shard_is_found_before_anything_is_scored(
    model: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = copy_of_corpus(tmp_path)
    shard = next(path for path in shard_files(ref, ".bin") if "valid" in path.name)
    shard.chmod(0o644)
    body = bytearray(shard.read_bytes())
    body[len(body) // 2] ^= 4
    shard.write_bytes(body)
    assert main(words(model, data, tmp_path / "out", "--corpus", ref)) == 1
    assert shard.name in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_items_that_do_not_fit_are_counted_and_left_out(model: str, data: Path, tmp_path: Path) -> None:
    line = ["--tasks", "copa,hellaswag", "--window", "24"]
    assert main(words(model, data, tmp_path, *line)) == 0
    scores = {(one.task, one.shots): one for one in read_results(tmp_path).scores}
    assert scores["hellaswag", 0].skipped == {"too long": 6} and scores["hellaswag", 0].items == 0
    assert scores["copa", 0].items == 30
    assert scores["copa", 2].items == 30 and scores["copa", 2].shown_fewest < 2


def test_help_waits_for_nothing() -> None:
    code = "import sys; from evaluation.run import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    heavy = "print({'torch', 'tokenizers', 'numba'} & set(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + heavy], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.strip() == "set()"
    assert "--checkpoint" in done.stdout
