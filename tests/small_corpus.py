"""A small corpus for the tests of training and evaluation, built by the command line: sentences easy to learn."""

from __future__ import annotations

import functools
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from corpus.manifest import read_ref

ROOT = Path(__file__).resolve().parents[1]

_RECIPE = """
name = "small"
version = "1.0.0"
[[input]]
name = "own"
reader = "jsonl"
files = ["own/*.jsonl"]
label_field = "set"
sources = { a = "alpha", b = "beta", c = "gamma" }
[[source]]
name = "alpha"
[[source]]
name = "beta"
[[source]]
name = "gamma"
[validation]
bytes = 12000
[tokens]
shard_bytes = 20_000
"""
_SUBJECTS = ["the keeper", "a sailor", "her brother", "the old clock", "every gull", "no letter"]
_VERBS = ["watched", "carried", "forgot", "painted", "answered", "followed"]
_OBJECTS = ["the harbour", "seven lamps", "a broken oar", "the morning", "their names", "one coin"]


@functools.cache
def small_corpus() -> str:
    """The ref of three sources in several shards each; it is gone when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="small-corpus-")
    root = Path(folder.name)
    _kept.append(folder)
    draw = random.Random(7)
    (root / "data" / "own").mkdir(parents=True)
    with open(root / "data" / "own" / "0.jsonl", "w", encoding="utf-8") as file:
        for number in range(700):
            sentences = [
                f"{draw.choice(_SUBJECTS)} {draw.choice(_VERBS)} {draw.choice(_OBJECTS)}." for _ in range(6, 40)
            ]
            text = f"Page {number}: " + " ".join(sentences)
            file.write(json.dumps({"text": text, "set": "abc"[min(2, number % 6 // 2)]}) + "\n")
    (root / "small.toml").write_text(_RECIPE)
    line = ["--recipe", root / "small.toml", "--data", root / "data", "--out", root / "store", "--workers", "1"]
    command = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), *map(str, line)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return str(root / "store" / "refs" / "small" / "1.0.0")


_kept: list[tempfile.TemporaryDirectory[str]] = []


def copy_of_corpus(folder: Path) -> str:
    """A copy that a test may harm."""
    ref = Path(small_corpus())
    shutil.copytree(ref.parents[2], folder / "store")
    return str(folder / "store" / "refs" / "small" / "1.0.0")


def shard_files(ref: str, suffix: str) -> list[Path]:
    """The shards' files of one kind, in order of their names."""
    store, _ = read_ref(ref)
    return sorted(Path(store, "stages", "shards").glob(f"*/parts/*{suffix}"))
