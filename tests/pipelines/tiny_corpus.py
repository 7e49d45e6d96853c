"""A tiny corpus as the command line builds it, and how a test calls a command line."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ, **env}, timeout=600)


def digest_of(printed: str) -> str:
    """The digest in the last line of a build."""
    last = printed.strip().splitlines()[-1]
    assert last.startswith("sealed tiny@1.0.0 sha256:"), printed
    return last.rpartition(":")[2]


def built(tiny: Tiny, version: str, *more: str | Path) -> str:
    """Another version of the tiny corpus in the same store."""
    line = ("--recipe", tiny.recipe, "--data", tiny.data, "--out", tiny.store, "--workers", "1")
    done = command("build_corpus.py", *line, "--set", f"version={version}", *more)
    assert done.returncode == 0, done.stderr
    return str(tiny.store / "refs" / "tiny" / version)
