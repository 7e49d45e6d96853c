"""What a plan says of a store: what is reused, and of each stage that runs, why."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
from outlooks import blobs_of, outlook_of, recipe_of
from tiny_corpus import Tiny, command

from corpus.part import blob_digest


def reuse(tiny: Tiny, *overrides: str, data: Path | None = None) -> tuple[list[str], dict[str, str]]:
    """The stages that are reused, and the reason of each that runs; another folder's files are hashed."""
    recipe = recipe_of(tiny, overrides, without=())
    blobs = blobs_of(recipe, data or tiny.data)
    if data:
        blobs = [msgspec.structs.replace(blob, sha256=blob_digest(str(data / blob.path))[0]) for blob in blobs]
    plan = outlook_of(recipe, data or tiny.data, tiny.store).plan(blobs)
    return [one.name for one in plan.stages if one.forecast is None], {one.name: one.why for one, _ in plan.to_run}


def test_all_is_reused_of_the_same_build(tiny: Tiny) -> None:
    reused, runs = reuse(tiny)
    assert not runs and "pin" in reused and "shards" in reused


def test_nothing_is_reused_of_an_empty_store(tiny: Tiny, tmp_path: Path) -> None:
    done = command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", tiny.data, "--out", tmp_path / "no", "--dry-run"
    )
    assert "reused: nothing" in done.stdout and "runs: pin         no seal in this store" in done.stdout
    assert "its files are not hashed yet" in done.stdout


def test_a_changed_rule_is_named_and_what_comes_before_it_reused(tiny: Tiny) -> None:
    reused, runs = reuse(tiny, "duplicates.bands=7")
    assert {"pin", "documents", "threads", "bodies", "chains", "exact"} < set(reused)
    assert runs["signatures"] == "bands was 6, is 7"
    assert runs["candidates"] == "after signatures"
    assert "losers" in runs["verdicts"] and "exact" in reused


def test_a_changed_filter_is_named_by_its_path(tiny: Tiny) -> None:
    _, runs = reuse(tiny, "text.filters.min_words=40")
    assert "filters.min_words was 1, is 40" in runs["documents"]
    assert runs["exact"].startswith("after documents")


def test_another_policy_resolves_again_and_compares_nothing_again(tiny: Tiny) -> None:
    reused, runs = reuse(tiny, "duplicates.policy=component")
    assert "evidence" in reused and runs["losers"] == 'policy was "direct", is "component"'


def test_changed_new_and_missing_files_are_named(copy_of: Callable[[], Tiny], tmp_path: Path) -> None:
    tiny = copy_of()
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    record = json.dumps({"body": {"text": "A record more. " * 20}}).encode() + b"\n"
    with open(data / "own" / "a.jsonl.gz", "ab") as file:
        file.write(gzip.compress(record, mtime=0))
    (data / "own" / "b.jsonl.gz").write_bytes(gzip.compress(record, mtime=0))
    _, runs = reuse(tiny, data=data)
    assert "file changed: own/own/a.jsonl.gz" in runs["documents"]
    assert "file new: own/own/b.jsonl.gz" in runs["documents"]


def test_a_part_that_is_gone_is_named(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    part = next(iter(sorted(tiny.store.glob("stages/exact/*/parts/*"))))
    part.unlink()
    _, runs = reuse(tiny)
    assert runs["exact"] == f"its seal is there and its part {part.name} is not whole"


def test_a_stage_that_was_begun_says_how_far_it_is(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    seal = next(iter(tiny.store.glob("stages/exact/*/stage.json")))
    seal.unlink()
    (seal.parent / "done").mkdir()
    (seal.parent / "done" / "map-00000.json").write_text("{}")
    assert reuse(tiny)[1]["exact"].startswith("begun and not sealed: 1 of ")
