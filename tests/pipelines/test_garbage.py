"""What gc removes and what it leaves: every ref stays whole, wherever it breaks off, wherever the store lies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from tiny_corpus import ROOT, Tiny, command

from corpus import storage
from pipelines.auditing.verifying import verify
from pipelines.garbage import find_garbage, removals
from pipelines.lease import lease

OTHER = ("--set", "seed=3", "--set", "version=1.0.1")
KEY = "0123456789abcdef" * 2


def build(tiny: Tiny, *more: str) -> str:
    line = ("--recipe", tiny.recipe, "--data", tiny.data, "--out", tiny.store, "--workers", "1", *more)
    done = command("build_corpus.py", *line)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def gc(store: object, *more: str) -> subprocess.CompletedProcess[str]:
    return command("build_corpus.py", "gc", "--out", str(store), *more)


def files(store: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    del found[".lock"]
    return found


def is_sound(ref: str) -> bool:
    return verify(ref, lambda line: None) == []


@pytest.fixture(scope="module")
def two(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, str]:
    """A store of two corpora, the ref of the second of which is gone; and what its build said."""
    store = tmp_path_factory.mktemp("two") / "store"
    shutil.copytree(tiny.store, store)
    both = Tiny(tiny.data, tiny.recipe, store, tiny.digest, tiny.printed)
    said = build(both, *OTHER)
    (store / "refs/tiny/1.0.1").unlink()
    return both, said


@pytest.fixture
def copied(two: tuple[Tiny, str], tmp_path: Path) -> Callable[[str], Tiny]:
    def copy(name: str) -> Tiny:
        both = two[0]
        store = Path(shutil.copytree(both.store, tmp_path / name))
        return Tiny(both.data, both.recipe, store, both.digest, both.printed)

    return copy


def test_nothing_of_a_sealed_corpus_goes(tiny: Tiny, copied: Callable[[str], Tiny]) -> None:
    store = copied("store").store
    build(copied("both"), *OTHER)
    before = files(store.parent / "both")
    done = gc(store.parent / "both")
    assert done.stdout.splitlines()[-1] == "removed 0 files, 0 B"
    assert files(store.parent / "both") == before


def test_what_no_ref_reaches_goes_and_comes_again(
    two: tuple[Tiny, str], tiny: Tiny, copied: Callable[[str], Tiny]
) -> None:
    mine = copied("store")
    before = files(mine.store)
    shared = files(tiny.store)
    gone = {path: len(data) for path, data in before.items() if path not in shared and not path.startswith("hist")}
    tried = gc(mine.store, "--dry-run")
    assert files(mine.store) == before
    done = gc(mine.store)
    assert done.returncode == 0, done.stderr
    assert tried.stdout.replace("would remove", "removed") == done.stdout
    assert files(mine.store) == {path: data for path, data in before.items() if path not in gone}
    assert f"removed {len(gone)} files, " in done.stdout
    assert {path.split("/")[1] for path in gone if path.startswith("stages")} == {"split", "layout", "shards"}
    assert not [path for path in mine.store.rglob("*") if path.is_dir() and not list(path.iterdir())]
    assert is_sound(mine.ref)
    assert build(mine, *OTHER) == two[1]
    assert is_sound(str(mine.store / "refs/tiny/1.0.1"))


def test_what_dead_builds_left_goes_and_what_is_nobodys_stays(copied: Callable[[str], Tiny]) -> None:
    mine = copied("store")
    gc(mine.store)
    before = files(mine.store)
    shards = next(path for path in before if path.startswith("stages/shards/") and "/parts/" in path)
    shards = shards.partition("/parts/")[0]
    ours = [
        f"stages/documents/{KEY}/done/map-00000.json",
        f"stages/documents/{KEY}/job/{KEY}",
        f"stages/documents/{KEY}/parts/map-00000-0000.rows.arrow",
        f"stages/documents/{KEY}/parts/.map-00001-0000.rows.arrow.77-0123abcd",
        f"stages/exact/{KEY}/spill/map-00000",
        f"{shards}/done/map-00000.json",
        f"{shards}/parts/.wikipedia-00000.bin.77-0123abcd",
        f"manifests/{KEY * 2}.json",
        f"attestations/{KEY * 2}/statement.json",
        "history/.00000002.json.77-0123abcd",
        "refs/tiny/.1.0.2.77-0123abcd",
    ]
    not_ours = [
        "notes.txt",
        f"stages/exact/{KEY}/notes.txt",
        "stages/mine/x",
        f"{shards}/parts/mine.bin",
        "refs.txt",
    ]
    for path in (*ours, *not_ours):
        (mine.store / path).parent.mkdir(parents=True, exist_ok=True)
        (mine.store / path).write_bytes(b"left")
    assert is_sound(mine.ref)
    done = gc(mine.store)
    assert done.stdout.splitlines()[-1] == f"removed {len(ours)} files, {4 * len(ours)} B"
    assert files(mine.store) == before | dict.fromkeys(not_ours, b"left")
    for path in not_ours:
        assert f"left alone, for it is not ours: {path}\n" in done.stdout
    assert is_sound(mine.ref)


def test_whenever_it_breaks_off_a_build_goes_on(two: tuple[Tiny, str], copied: Callable[[str], Tiny]) -> None:
    """After every step: no seal and no marker without the parts, no attestation without the stages."""
    mine = copied("0")
    garbage = find_garbage(str(mine.store))
    steps = list(removals(str(mine.store), garbage))
    assert len(steps) >= 8
    for number, step in enumerate(steps):
        if number in (2, 4, len(steps) // 2, len(steps) - 2):
            other = copied(str(number))
            for done in steps[:number]:
                storage.remove(done.replace(str(mine.store), str(other.store)))
            assert is_sound(other.ref)
            assert build(other, *OTHER) == two[1]
            assert is_sound(str(other.store / "refs/tiny/1.0.1"))
            assert gc(other.store).stdout.splitlines()[-1] == "removed 0 files, 0 B"
        storage.remove(step)
        left = {path for files in garbage.things.values() for path in files if (mine.store / path).exists()}
        for thing, paths in garbage.things.items():
            vouching = {path for path in paths if "/done/" in path or path.endswith("stage.json")}
            assert not left & vouching or set(paths) - vouching <= left, thing
        if any(path.startswith("attestations/") for path in left):
            assert {path for path in garbage.things if path.startswith("stages/")} <= {
                path.rsplit("/parts", 1)[0].removesuffix("/stage.json") for path in left
            }
    assert is_sound(mine.ref)


def test_a_store_that_a_build_holds_is_left_alone(copied: Callable[[str], Tiny]) -> None:
    mine = copied("store")
    before = files(mine.store)
    with lease(str(mine.store)):
        done = gc(mine.store)
    assert done.returncode == 2
    assert "another build holds this store" in done.stderr
    assert files(mine.store) == before


@pytest.mark.parametrize("what", ["manifests", "attestations"])
def test_a_broken_ref_stops_it_before_anything_goes(tiny: Tiny, copied: Callable[[str], Tiny], what: str) -> None:
    mine = copied("store")
    for path in (mine.store / what).glob(f"{tiny.digest}*"):
        victim = path if path.is_file() else path / "integrity.json"
        victim.write_bytes(victim.read_bytes().replace(b"documents", b"ducuments"))
    before = files(mine.store)
    done = gc(mine.store)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert files(mine.store) == before


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = gc(tmp_path / "store")
    assert (done.returncode, (tmp_path / "store").exists()) == (2, False)
    assert "there is no store" in done.stderr


def test_a_killed_build_leaves_nothing_that_it_does_not_find(tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    line = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), "--recipe", str(tiny.recipe)]
    line += ["--data", str(tiny.data), "--out", str(store), "--workers", "2"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not list(store.glob("stages/signatures/*/*")) and process.poll() is None:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    assert gc(store).returncode == 0
    assert {path.name for path in store.iterdir()} == {".lock"}


def test_an_object_store_is_collected_too(two: tuple[Tiny, str], tiny: Tiny, s3: str) -> None:
    fsspec.filesystem("s3").put(f"{two[0].store}/", f"{s3}/store/", recursive=True)
    fsspec.filesystem("s3").pipe(f"{s3}/store/notes.txt", b"mine")
    local = gc(two[0].store, "--dry-run").stdout.splitlines()[-1]
    done = gc(f"{s3}/store")
    assert done.returncode == 0, done.stderr
    assert local.replace("would remove", "removed") == done.stdout.splitlines()[-1]
    left = {path for path in storage.list_files(f"{s3}/store") if not path.startswith(".lock")}
    assert left == {*files(tiny.store), "history/00000002.json", "notes.txt"}
    assert is_sound(f"{s3}/store/refs/tiny/1.0.0")
