"""Builds from and to a folder or a bucket, through faults and on a full disk: the same corpus everywhere."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from tiny_corpus import ROOT, Tiny, command, digest_of

from corpus import storage


@pytest.fixture
def data(s3: str, tiny: Tiny) -> str:
    """The raw files in a bucket."""
    fsspec.filesystem("s3").put(f"{tiny.data}/", f"{s3}/data/", recursive=True)
    return f"{s3}/data"


@pytest.mark.parametrize(("from_bucket", "to_bucket"), [(True, True), (False, True), (True, False)])
def test_where_it_lies_does_not_matter(
    tiny: Tiny, s3: str, data: str, tmp_path: Path, from_bucket: bool, to_bucket: bool
) -> None:
    source, store = (
        data if from_bucket else str(tiny.data),
        f"{s3}/store" if to_bucket else str(tmp_path / "store"),
    )
    line = ("--recipe", tiny.recipe, "--data", source, "--out", store, "--workers", "2")
    built = command("build_corpus.py", *line)
    assert built.returncode == 0, built.stderr
    assert digest_of(built.stdout) == tiny.digest
    ref = f"{store}/refs/tiny/1.0.0"
    here = str(tiny.ref)
    there, at_home = (command("audit.py", "verify", name).stdout for name in (ref, here))
    assert _but_size(there) == _but_size(at_home).replace(here, ref)
    again = command("build_corpus.py", *line)
    assert again.stdout.splitlines()[-1] == built.stdout.splitlines()[-1]
    assert len(storage.list_files(f"{store}/history")) == 1


def test_google_s_store_seals_the_same(tiny: Tiny, gcs: str) -> None:
    fsspec.filesystem("gs").put(f"{tiny.data}/", f"{gcs}/data/", recursive=True)
    line = ("--recipe", tiny.recipe, "--data", f"{gcs}/data", "--out", f"{gcs}/store", "--workers", "2")
    built = command("build_corpus.py", *line)
    assert built.returncode == 0, built.stderr
    assert digest_of(built.stdout) == tiny.digest
    verified = command("audit.py", "verify", f"{gcs}/store/refs/tiny/1.0.0")
    assert verified.returncode == 0, verified.stderr


def _but_size(printed: str) -> str:
    """Without the bytes of all files: the seal of `pin` holds stamps, and a bucket's are longer."""
    assert "FAILED" not in printed
    return re.sub(r"files of [0-9.]+ kB", "files", printed)


def test_an_auditor_reads_a_bucket(tiny: Tiny, s3: str, data: str) -> None:
    fsspec.filesystem("s3").put(f"{tiny.store}/", f"{s3}/store/", recursive=True)
    there, here = f"{s3}/store/refs/tiny/1.0.0", str(tiny.ref)
    shard = next(name for name in storage.list_files(f"{s3}/store/stages/shards") if name.endswith(".bin"))
    address = f"{Path(shard).stem}:7"
    traced = command("audit.py", "trace", there, address, "--data", data)
    assert traced.returncode == 0, traced.stderr
    assert "proof      the raw records give this document id" in traced.stdout
    assert traced.stdout == command("audit.py", "trace", here, address, "--data", tiny.data).stdout
    document = (
        next(line for line in traced.stdout.splitlines() if line.startswith("document")).split()[1].rstrip(",")
    )
    explained = command("audit.py", "explain", there, document)
    assert explained.stdout == command("audit.py", "explain", here, document).stdout != ""
    spoilt = storage.NewFile(f"{s3}/store/stages/shards/{shard}")
    spoilt.write(bytes(storage.list_sizes(f"{s3}/store/stages/shards")[shard]))
    spoilt.publish()
    failed = command("audit.py", "verify", there)
    assert failed.returncode == 1
    assert "the file's sha256 is" in failed.stderr


def test_sources_are_listed_and_locked_there(tiny: Tiny, s3: str, data: str, tmp_path: Path) -> None:
    line = ("sources", "--recipe", tiny.recipe, "--pin")
    there = command("build_corpus.py", *line, "--data", data, "--pins", f"{s3}/tiny.pins.json")
    here = command("build_corpus.py", *line, "--data", tiny.data, "--pins", tmp_path / "tiny.pins.json")
    assert there.returncode == 0, there.stderr
    assert there.stdout.replace(f"{s3}/tiny.pins.json", str(tmp_path / "tiny.pins.json")) == here.stdout
    assert storage.read_bytes(f"{s3}/tiny.pins.json") == (tmp_path / "tiny.pins.json").read_bytes()
    gone = next(name for name in storage.list_files(data) if not name.startswith("."))
    storage.remove(f"{data}/{gone}")
    missing = command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", data, "--pins", f"{s3}/tiny.pins.json", "--out", s3
    )
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 3


def test_a_store_that_fails_one_request_in_twenty_seals_the_same(tiny: Tiny) -> None:
    """The short form of the soak."""
    line = [sys.executable, str(ROOT / "workflows/soak/stores.py"), "--recipe", str(tiny.recipe)]
    done = subprocess.run([*line, "--data", str(tiny.data)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert digest_of(done.stdout) == tiny.digest


def test_a_full_disk_stops_a_build_and_the_next_goes_on(tiny: Tiny, tmp_path: Path) -> None:
    """No file may pass a size, as on a disk with so much left; what the limit lets through is kept."""
    line = [
        sys.executable,
        str(ROOT / "pipelines/build_corpus.py"),
        "--recipe",
        str(tiny.recipe),
        "--workers",
        "2",
    ]
    line += ["--data", str(tiny.data), "--out", str(tmp_path / "store")]
    largest = max(path.stat().st_size for path in tiny.store.rglob("*") if path.is_file())
    for share in (0.1, 0.5, 0.9):
        limit = int(share * largest)
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr.splitlines()[-1] == (
            "   do: free some space and start the same command again: what is sealed is kept"
        )
    done = subprocess.run(line, capture_output=True, text=True)
    assert digest_of(done.stdout) == tiny.digest
