"""The keystone: same recipe, same bytes, same digest, whatever else changes; and what the tables say is true."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from raw_data import RECIPE, write_all
from tiny_corpus import ROOT, Tiny, command, digest_of

from corpus.manifest import Manifest, load_manifest, read_ref


def build(tiny: Tiny, out: Path, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", tiny.data, "--out", out, *arguments, **env
    )


def manifest_of(tiny: Tiny) -> Manifest:
    return load_manifest(*read_ref(tiny.ref))


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["--workers", "2"], {"PYTHONHASHSEED": "1"}),
        (
            ["--workers", "3"],
            {"PYTHONHASHSEED": "77", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "HOME": "/"},
        ),
        (["--workers", "1", "--encoder", "tokenizers"], {"TZ": "America/Caracas", "LANG": "C"}),
    ],
    ids=["two workers", "three workers, zone, locale", "the defining encoder"],
)
def test_nothing_but_the_recipe_and_the_bytes_moves_the_digest(
    tiny: Tiny, tmp_path: Path, arguments: list[str], env: dict[str, str]
) -> None:
    built = build(tiny, tmp_path / "elsewhere", *arguments, **env)
    assert built.returncode == 0, built.stderr
    assert digest_of(built.stdout) == tiny.digest


def test_neither_the_order_of_files_nor_their_folder_moves_the_digest(tiny: Tiny, tmp_path: Path) -> None:
    """The files are made in reverse, below another root, and the recipe lists its inputs' patterns backwards."""
    root = tmp_path / "another root"
    for path in sorted((p for p in tiny.data.rglob("*") if p.is_file()), reverse=True):
        target = root / path.relative_to(tiny.data)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    built = command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", root, "--out", tmp_path / "store", "--workers", "2"
    )
    assert digest_of(built.stdout) == tiny.digest


def test_another_seed_is_another_corpus(tiny: Tiny, tmp_path: Path) -> None:
    built = build(tiny, tmp_path / "store", "--set", "seed=1")
    assert built.returncode == 0, built.stderr
    assert digest_of(built.stdout) != tiny.digest


@pytest.mark.parametrize("stage", ["documents", "chains", "candidates", "encode"])
def test_a_killed_build_goes_on_to_the_same_digest(tiny: Tiny, tmp_path: Path, stage: str) -> None:
    """SIGKILL as soon as a stage has begun, workers and all left to themselves; then the same command again."""
    store = tmp_path / "store"
    line = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py")]
    line += ["--recipe", str(tiny.recipe), "--data", str(tiny.data), "--out", str(store), "--workers", "2"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(store.glob(f"stages/{stage}/*/*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    again = build(tiny, store, "--workers", "2")
    assert again.returncode == 0, again.stderr
    assert digest_of(again.stdout) == tiny.digest
    assert command("audit.py", "verify", store / "refs/tiny/1.0.0").returncode == 0


def test_workers_end_with_their_parent(tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    line = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py")]
    line += ["--recipe", str(tiny.recipe), "--data", str(tiny.data), "--out", str(store), "--workers", "2"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list(store.glob("stages/documents/*/*")) and process.poll() is None:
        time.sleep(0.002)
    group = os.getpgid(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _group_lives(group):
        time.sleep(0.1)
    assert not _group_lives(group)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_statement_and_not_the_manifest_says_what_each_stage_cost(tiny: Tiny) -> None:
    statement = json.loads((tiny.store / "attestations" / tiny.digest / "statement.json").read_text())
    spent = statement["predicate"]["buildDefinition"]["internalParameters"]["cpu_seconds"]
    assert set(spent) == {"pin"} | {stage.name for stage in manifest_of(tiny).stages}
    assert all(seconds > 0 for seconds in spent.values())
    assert b"cpu_seconds" not in (tiny.store / "manifests" / f"{tiny.digest}.json").read_bytes()


def test_a_second_build_runs_nothing_again(tiny: Tiny) -> None:
    started = time.time_ns()
    built = build(tiny, tiny.store)
    assert digest_of(built.stdout) == tiny.digest
    assert built.stderr.count("sealed before: not run again") >= 15
    newer = [p for p in (tiny.store / "stages").rglob("*") if p.is_file() and p.stat().st_mtime_ns > started]
    assert newer == []


def test_records_and_bytes_are_those_of_the_files(tiny: Tiny) -> None:
    """Conservation against a count that reads the raw files on its own."""
    pile = b"".join(
        zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
        for path in sorted((tiny.data / "pile/train").iterdir())
    )
    own = gzip.decompress((tiny.data / "own/a.jsonl.gz").read_bytes())
    by_name = {entry.name: entry for entry in manifest_of(tiny).inputs}
    assert by_name["pile"].stream_bytes == len(pile)
    assert by_name["pile"].records == pile.count(b"\n")
    assert by_name["own"].stream_bytes == len(own)
    assert by_name["own"].records == own.count(b"\n") + 1
    github = [line for line in pile.split(b"\n") if b'"Github"' in line]
    assert by_name["pile"].unchosen["Github"] == (len(github), sum(len(line) + 1 for line in github))


def test_every_record_has_its_verdict(tiny: Tiny) -> None:
    found = {balance.name: balance for balance in manifest_of(tiny).sources}
    unread = found["pile (unreadable)"].dropped
    assert {label: dropped.documents for label, dropped in unread.items()} == {
        "broken json": 1,
        "missing field": 1,
        "wrong type": 1,
        "unknown set": 1,
    }
    assert found["reddit (unreadable)"].dropped["broken json"].documents == 1
    dropped = {
        name: {k: v.documents for k, v in found[name].dropped.items()} for name in ("wikipedia", "pile-cc", "own")
    }
    # Of twelve near copies four are of Github originals and lose to nobody; of ten verbatim repeats, four.
    assert dropped["pile-cc"] == {"empty": 1, "near duplicate": 8, "exact duplicate": 6}
    assert dropped["own"] == {"too few words": 1}
    assert found["own"].repairs == 1
    assert found["pile-cc"].repairs == 1


def test_the_tables_name_every_source_and_the_next_command(tiny: Tiny) -> None:
    for word in (
        "wikipedia",
        "pile-cc",
        "own",
        "reddit",
        "exact",
        "near",
        "not chosen: Github",
        "the paper keeps",
    ):
        assert word in tiny.printed
    assert f"audit.py verify {tiny.ref}" in tiny.printed


def test_a_corpus_of_the_same_name_cannot_be_replaced(copy_of: object, tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(tiny.store, store)
    built = build(tiny, store, "--set", "seed=3")
    assert built.returncode == 2
    assert "already sealed with other content" in built.stderr
    assert len(built.stderr.strip().splitlines()[-3:]) == 3
    assert build(tiny, store, "--set", "seed=3", "--set", "version=1.0.1").returncode == 0


def test_pins_are_the_lock_of_the_data(tiny: Tiny, tmp_path: Path) -> None:
    data, recipe = tmp_path / "data", tmp_path / "tiny.toml"
    write_all(data)
    recipe.write_text(RECIPE)
    pinned = command("build_corpus.py", "sources", "--recipe", recipe, "--data", data, "--pin")
    assert pinned.returncode == 0, pinned.stderr
    lock = json.loads((tmp_path / "tiny.pins.json").read_text())
    assert [blob["path"] for blob in lock["blobs"]] == sorted(
        (str(p.relative_to(data)) for p in data.rglob("*") if p.is_file()), key=lambda p: (lock_rank(p), p)
    )
    built = command("build_corpus.py", "--recipe", recipe, "--data", data, "--out", tmp_path / "store")
    assert digest_of(built.stdout) == tiny.digest
    victim = data / "pile/train/01.jsonl.zst"
    changed = bytearray(victim.read_bytes())
    changed[-1] ^= 1
    other = zstandard.ZstdCompressor(level=3).compress(
        b'{"text": "other", "meta": {"pile_set_name": "Pile-CC"}}\n'
    )
    victim.write_bytes(other + b"\0" * 0)
    built = command("build_corpus.py", "--recipe", recipe, "--data", data, "--out", tmp_path / "other")
    assert built.returncode == 2
    assert "its pin says" in built.stderr
    assert not (tmp_path / "other" / "refs").exists()


def lock_rank(path: str) -> int:
    return ["pile", "own", "reddit"].index(path.split("/")[0])
