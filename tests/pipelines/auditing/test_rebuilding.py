"""Rebuilding: from a manifest and the raw files alone, in another environment, to the same digest."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_corpus import ROOT, Tiny, command

from corpus.errors import SourceError
from corpus.manifest import load_manifest
from corpus.recipe import Block, Chain, Input, Recipe, Source, Text, Validation, load_recipe
from corpus.recipe_file import recipe_toml
from corpus.url_list import UrlList
from pipelines.auditing.rebuilding import Materials, Variation, check_files, located
from pipelines.auditing.side import load_side


def test_a_corpus_builds_again_elsewhere(tiny: Tiny, tmp_path: Path) -> None:
    """Other workers, hash seed, locale and zone, from moved raw files, without the recipe's own file."""
    shutil.copytree(tiny.data, tmp_path / "moved")
    out = tmp_path / "out"
    line = ("--data", tmp_path / "moved", "--runner", "local", "--workers", "2", "--out", out)
    done = command("audit.py", "rebuild", tiny.ref, *line)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("grade A: bit-identical\n")
    assert "LC_ALL=C TZ=Asia/Kathmandu" in done.stderr
    assert (out / "store/refs/tiny/1.0.0").read_text() == f"sha256:{tiny.digest}\n"
    again = command("audit.py", "rebuild", tiny.ref, *line)
    assert again.returncode == 2
    assert "the folder is not empty" in again.stderr


def test_files_that_are_not_those_are_named_before_anything_is_built(tiny: Tiny, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    side = load_side(tiny.ref)
    check_files(side, str(data))
    changed = bytearray((data / "own/a.jsonl.gz").read_bytes())
    changed[-1] ^= 1
    (data / "own/a.jsonl.gz").write_bytes(changed)
    (data / "pile/train/01.jsonl.zst").unlink()
    (data / "reddit/comments/RC_2011-03.zst").write_bytes(b"")
    with pytest.raises(SourceError) as error:
        check_files(side, str(data))
    assert error.value.where == (
        f"{data}: missing pile/train/01.jsonl.zst, new reddit/comments/RC_2011-03.zst, changed own/a.jsonl.gz"
    )
    done = command("audit.py", "rebuild", tiny.ref, "--data", data)
    assert done.returncode == 2
    assert "3 of the raw files are not those" in done.stderr


def test_what_does_not_build_again_is_said(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    done = command("audit.py", "rebuild", tiny.ref, "--data", tiny.data, "--runner", "nonsense")
    assert done.returncode == 1
    assert "there is no such runner" in done.stderr
    assert "the corpus does not build again: exit code 2" in done.stderr


def test_another_engine_and_number_of_workers_by_default() -> None:
    chosen = Variation(None, None, 1, "C", "UTC")
    assert chosen.arguments({"engine": "dask", "workers": 3}) == ["--runner", "local", "--workers", "4"]
    _, runner, *_ = chosen.arguments({"engine": "local", "workers": 3})
    assert runner in ("dask", "direct", "local")


def test_lists_of_urls_are_found_by_their_digests(tiny: Tiny, tmp_path: Path) -> None:
    """A manifest names a list and does not say where it lies."""
    import hashlib

    side = load_side(tiny.ref)
    lines = b"example.org\n"
    named = UrlList(path="", sha256=hashlib.sha256(lines).hexdigest())
    first, *others = side.manifest.recipe.input
    entry = msgspec.structs.replace(first, url_lists=(named,))
    recipe = msgspec.structs.replace(side.manifest.recipe, input=(entry, *others))
    manifest = msgspec.structs.replace(side.manifest, recipe=recipe)
    listing = type(side)(side.ref, side.store, side.digest, manifest, {}, {})
    with pytest.raises(SourceError, match="a list of URLs is not at hand"):
        located(listing, Materials(str(tmp_path)))
    (tmp_path / "any name.txt").write_bytes(lines)
    found = located(listing, Materials(str(tmp_path))).input[0].url_lists
    assert found == (UrlList(path="any name.txt", sha256=named.sha256),)


def test_every_recipe_of_ours_survives_its_file(tiny: Tiny, tmp_path: Path) -> None:
    recipes = [load_recipe(str(path)) for path in sorted((ROOT / "workflows/recipes").glob("*.toml")) if _is(path)]
    assert len(recipes) >= 3
    for recipe in [*recipes, load_manifest(str(tiny.store), tiny.digest).recipe]:
        path = tmp_path / "recipe.toml"
        path.write_text(recipe_toml(recipe), encoding="utf-8")
        assert load_recipe(str(path)) == recipe


def _is(path: Path) -> bool:
    return "[[input]]" in path.read_text()


_NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,5}", fullmatch=True)
# What JSON can hold and a TOML file can: no lone surrogate is text.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_SCALARS = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
_PARAMETERS = st.dictionaries(
    _TEXTS, _SCALARS | st.lists(_SCALARS, max_size=2) | st.dictionaries(_TEXTS, _SCALARS, max_size=2), max_size=3
)


@st.composite
def _recipes(draw: st.DrawFn) -> Recipe:
    text = st.builds(
        Text,
        normalise=st.lists(_TEXTS, max_size=2).map(tuple),
        blocks=st.lists(st.builds(Block, name=_TEXTS, parameters=_PARAMETERS), max_size=2).map(tuple),
    )
    names = draw(st.lists(_NAMES, min_size=1, max_size=3, unique=True))
    sources = [Source(name=n, title=draw(_TEXTS), text=draw(st.none() | text)) for n in names]
    labels: dict[str, Any] = {draw(_TEXTS) + str(i): name for i, name in enumerate(names)}
    entry = Input(
        name=draw(_NAMES), reader="jsonl", files=(draw(_TEXTS),), sources=labels, chain=Chain(join=draw(_TEXTS))
    )
    facts = draw(st.sampled_from([msgspec.UNSET, {"url": draw(_TEXTS)}]))
    return Recipe(
        name=draw(_NAMES),
        version="1.0",
        description=draw(_TEXTS),
        input=(msgspec.structs.replace(entry, facts=facts),),
        source=tuple(sources),
        text=draw(text),
        validation=Validation(bytes=draw(st.integers(0, 2**53))),
    )


@given(_recipes())
def test_any_recipe_survives_its_file(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8", newline="")
    assert load_recipe(str(path)) == recipe
