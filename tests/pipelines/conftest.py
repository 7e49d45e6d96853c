"""A tiny corpus, built once by the command line and copied for the tests that harm it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_data import RECIPE, write_all
from tiny_corpus import Tiny, command, digest_of


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
