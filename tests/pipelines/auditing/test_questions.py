"""The questions of pipelines/auditing/README.md: every command of its table runs, and answers as is said there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_corpus import ROOT

TABLE = ROOT / "pipelines/auditing/README.md"
CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Question:
    """A row of the table that has a command."""

    number: int
    line: str
    exit_code: int
    answer: tuple[str, ...]


def rows() -> list[list[str]]:
    section = TABLE.read_text(encoding="utf-8").partition("## Fifteen questions")[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"
    ]


def questions() -> list[Question]:
    found = []
    for number, _, command, answer in rows()[2:]:
        if not command.startswith("none"):
            code = re.search(r", exit (\d)", command)
            line = CODE.findall(command)[0]
            found.append(Question(int(number), line, int(code[1]) if code else 0, tuple(CODE.findall(answer))))
    return found


def run(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable if word == "python" else word for word in shlex.split(line)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def folder(sample_data: Path, sample: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo was run, its training cut short, somebody signed its corpus, and another was built."""
    folder = tmp_path_factory.mktemp("house")
    for name in ("pipelines", "training", "workflows"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").mkdir()
    (folder / "data/sample").symlink_to(sample_data)
    shutil.copytree(sample[0], folder / "build")
    for line in (
        "openssl genpkey -algorithm ed25519 -out key.pem",
        "openssl pkey -in key.pem -pubout -out pub.pem",
        "python pipelines/audit.py sign build/refs/sample/1.0.0 --key key.pem",
        "python pipelines/build_corpus.py --recipe workflows/recipes/sample.toml --data data/sample --out build "
        "--workers 1 --set text.filters.min_words=40 --set version=1.1.0",
        "python training/run.py --config workflows/runs/tiny.toml --corpus build/refs/sample/1.0.0 "
        "--run-dir runs/tiny --device cpu --verify off --set steps=20 --set validation.every=0",
    ):
        done = run(folder, line)
        assert done.returncode == 0, done.stderr
    return folder


def test_every_question_stands_in_the_table_once() -> None:
    assert [row[0] for row in rows()[2:]] == [str(number) for number in range(1, 16)]
    assert all(question.answer for question in questions())


@pytest.mark.parametrize("question", questions(), ids=lambda question: str(question.number))
def test_the_command_answers(folder: Path, question: Question) -> None:
    done = run(folder, question.line)
    assert done.returncode == question.exit_code, done.stdout + done.stderr
    for words in question.answer:
        assert words in done.stdout + done.stderr
