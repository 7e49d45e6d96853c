"""A tiny corpus, built once by the command line and copied for the tests that harm it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from raw_data import RECIPE, write_all

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Tiny:
    """The raw files, the recipe, and a store that holds the corpus built from them."""

    data: Path
    recipe: Path
    store: Path
    digest: str
    printed: str

    @property
    def ref(self) -> str:
        return str(self.store / "refs" / "tiny" / "1.0.0")


def command(program: str, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs one of our programs as a person does."""
    line = [sys.executable, str(ROOT / "pipelines" / program), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ, **env}, timeout=240)


def digest_of(printed: str) -> str:
    """The digest in the last line of a build."""
    last = printed.strip().splitlines()[-1]
    assert last.startswith("sealed tiny@1.0.0 sha256:"), printed
    return last.rpartition(":")[2]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("tiny")
    write_all(root / "data")
    recipe = root / "tiny.toml"
    recipe.write_text(RECIPE)
    built = command(
        "build_corpus.py", "--recipe", recipe, "--data", root / "data", "--out", root / "store", "--workers", "1"
    )
    assert built.returncode == 0, built.stderr
    return Tiny(root / "data", recipe, root / "store", digest_of(built.stdout), built.stdout)


@pytest.fixture
def copy_of(tiny: Tiny, tmp_path: Path) -> Callable[[], Tiny]:
    """A copy of the store that a test may harm."""

    def copy() -> Tiny:
        store = tmp_path / "store"
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(tiny.store, store)
        return Tiny(tiny.data, tiny.recipe, store, tiny.digest, tiny.printed)

    return copy
