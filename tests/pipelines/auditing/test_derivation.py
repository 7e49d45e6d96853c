"""Derivation: a recipe or file that a manifest claims after the fact is not what its stages were computed from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from tiny_corpus import Tiny

from corpus.errors import IntegrityError
from corpus.manifest import Manifest, load_manifest, read_ref
from pipelines.auditing.derivation import check_derivation

# What decides no row: names, claims about sources, and patterns, for the files they found are named one by one.
CLAIMS = re.compile(
    r"\.(name|version|description|source\.\d+\.(title|holder|licence|url|status)|input\.\d+\.files\.\d+)"
)
OTHERS = {
    "stop": "keep-what-was-read",
    "comments": "characters",
    "direct": "component",
    "resiliparse": "trafilatura",
}
READERS = {"pile": "jsonl", "jsonl": "pile", "reddit": "hacker-news"}


def altered(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every tree that differs from this one in one leaf, and the leaf's path."""
    if isinstance(tree, dict | list) and tree:
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            for where, other in altered(value, f"{path}.{key}"):
                whole = deepcopy(tree)
                whole[key] = other
                yield where, whole
    elif isinstance(tree, bool | int):
        yield path, not tree if isinstance(tree, bool) else tree + 1
    elif isinstance(tree, str):
        yield path, (OTHERS | READERS).get(tree, f"{tree}x")
    elif isinstance(tree, list):
        yield path, [{"name": "PIIFormatter"}] if path.endswith("blocks") else ["whitespace"]


def claiming(manifest: Manifest, **changes: Any) -> Manifest:
    """The manifest with other fields, as a reader would decode it."""
    tree = msgspec.to_builtins(manifest) | changes
    return msgspec.json.decode(msgspec.json.encode(tree), type=Manifest)


def test_every_value_that_decides_a_row_is_held_by_a_key(tiny: Tiny) -> None:
    store, digest = read_ref(tiny.ref)
    manifest = load_manifest(store, digest)
    held, claimed = set(), set()
    for path, recipe in altered(json.loads(json.dumps(manifest.recipe.canonical()))):
        try:
            check_derivation(store, claiming(manifest, recipe=recipe))
        except (IntegrityError, StopIteration, KeyError, ValueError):  # a recipe that contradicts itself is none
            held.add(path)
        else:
            claimed.add(path)
    assert [path for path in sorted(claimed) if not CLAIMS.fullmatch(path)] == []
    for path in ("seed", "text.filters.min_words", "source.2.text.filters.min_words", "duplicates.policy"):
        assert f".{path}" in held
    assert len(held) > 60


def test_the_rank_of_sources_is_held(tiny: Tiny) -> None:
    store, digest = read_ref(tiny.ref)
    manifest = load_manifest(store, digest)
    recipe = manifest.recipe.canonical()
    recipe["source"] = (recipe["source"][1], recipe["source"][0], *recipe["source"][2:])
    with pytest.raises(IntegrityError, match="numbers"):
        check_derivation(store, claiming(manifest, recipe=recipe))


def test_a_stage_too_many_is_found(tiny: Tiny) -> None:
    store, digest = read_ref(tiny.ref)
    manifest = load_manifest(store, digest)
    spare = msgspec.structs.replace(manifest.stages[0], name="spare")
    with pytest.raises(IntegrityError, match="no such stage"):
        check_derivation(store, msgspec.structs.replace(manifest, stages=(*manifest.stages, spare)))


def test_a_sealed_version_is_taken_at_its_word_and_held_by_the_key(tiny: Tiny) -> None:
    """Another release has other versions; but who rewrites a sealed one has not the key for it."""
    store, digest = read_ref(tiny.ref)
    manifest = load_manifest(store, digest)
    stages = msgspec.to_builtins(manifest.stages)
    (evidence,) = [stage for stage in stages if stage["name"] == "evidence"]
    evidence["rules"]["evidence"] += 1
    with pytest.raises(IntegrityError, match="key is not that of its rules"):
        check_derivation(store, claiming(manifest, stages=stages))
