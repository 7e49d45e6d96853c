"""What a dry run says of a store: what is reused, and of each stage that runs, why."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from conftest import Tiny, command


def reuse(tiny: Tiny, *arguments: str | Path) -> tuple[list[str], dict[str, str]]:
    """The stages that a dry run reuses, and the reason of each that runs."""
    done = command(
        "build_corpus.py",
        "--recipe",
        tiny.recipe,
        "--data",
        tiny.data,
        "--out",
        tiny.store,
        "--dry-run",
        *arguments,
    )
    assert done.returncode == 0, done.stderr
    block = next(part for part in done.stdout.split("\n\n") if part.startswith("reused: ")).splitlines()
    joined: list[str] = []
    for line in block:
        if line.startswith(" "):
            joined[-1] += " " + line.strip()
        else:
            joined.append(line.partition(": ")[2])
    reasons = {line.split()[0]: line.partition(" ")[2].strip() for line in joined[1:]}
    return joined[0].split(", "), reasons


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
    reused, runs = reuse(tiny, "--set", "duplicates.bands=7")
    assert {"pin", "documents", "threads", "bodies", "chains", "exact"} < set(reused)
    assert runs["signatures"] == "bands was 6, is 7"
    assert runs["candidates"] == "after signatures"
    assert "losers" in runs["verdicts"] and "exact" in reused


def test_a_changed_filter_is_named_by_its_path(tiny: Tiny) -> None:
    _, runs = reuse(tiny, "--set", "text.filters.min_words=40")
    assert "filters.min_words was 1, is 40" in runs["documents"]
    assert runs["exact"].startswith("after documents")


def test_another_policy_resolves_again_and_compares_nothing_again(tiny: Tiny) -> None:
    reused, runs = reuse(tiny, "--set", "duplicates.policy=component")
    assert "evidence" in reused and runs["losers"] == 'policy was "direct", is "component"'


def test_changed_new_and_missing_files_are_named(copy_of: Callable[[], Tiny], tmp_path: Path) -> None:
    tiny = copy_of()
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    changed = Tiny(data, tiny.recipe, tiny.store, tiny.digest, "")
    record = json.dumps({"body": {"text": "A record more. " * 20}}).encode() + b"\n"
    with open(data / "own" / "a.jsonl.gz", "ab") as file:
        file.write(gzip.compress(record, mtime=0))
    (data / "own" / "b.jsonl.gz").write_bytes(gzip.compress(record, mtime=0))
    pins = tmp_path / "pins.json"
    locked = ["sources", "--recipe", tiny.recipe, "--data", data, "--pins", pins, "--pin"]
    assert command("build_corpus.py", *locked).returncode == 0
    _, runs = reuse(changed, "--pins", pins)
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
