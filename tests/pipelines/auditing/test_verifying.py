"""Verification: one flipped bit anywhere is found, and so is every other fault planted over a sealed store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_corpus import ROOT, Tiny, command

from corpus import storage
from corpus.manifest import append_history, load_manifest, read_ref
from pipelines.auditing import verifying
from pipelines.auditing.verifying import grade, strays, verify, verify_sample


def failures(tiny: Tiny) -> list[str]:
    return [str(failure) for failure in verify(tiny.ref, lambda line: None)]


def test_a_sound_store_is_verified(tiny: Tiny) -> None:
    done = command("audit.py", "verify", tiny.ref)
    assert done.returncode == 0
    assert [line[:2] for line in done.stdout.splitlines()[:-2]] == ["ok"] * 7
    assert done.stdout.splitlines()[-2].startswith("grade A")
    assert done.stdout.splitlines()[-1] == f"verified {tiny.ref}"
    assert strays(tiny.ref) == []


def test_random_faults_are_all_found(tiny: Tiny) -> None:
    """The short form of the soak: flips, cuts, swaps and losses over every file of the store."""
    line = [sys.executable, str(ROOT / "workflows/soak/faults.py"), "--faults", "30", "--seed", "11", tiny.ref]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["manifests", "refs", "history", "attestations", "stages"])
def test_a_flipped_bit_is_named(copy_of: Callable[[], Tiny], folder: str) -> None:
    tiny = copy_of()
    victim = max((p for p in (tiny.store / folder).rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    found = failures(tiny)
    assert found
    done = command("audit.py", "verify", tiny.ref)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2].startswith("grade ")
    assert done.stdout.splitlines()[-1].startswith("FAILED")


def test_a_ref_that_names_another_corpus_is_found(copy_of: Callable[[], Tiny]) -> None:
    """Both digests are sound; but the history says which corpus bears the name."""
    tiny = copy_of()
    built = command(
        "build_corpus.py",
        *("--recipe", tiny.recipe, "--data", tiny.data, "--out", tiny.store, "--set", "seed=9"),
        *("--set", "version=2"),
    )
    assert built.returncode == 0, built.stderr
    other = (tiny.store / "refs/tiny/2").read_bytes()
    Path(tiny.ref).write_bytes(other)
    assert "another corpus" in failures(tiny)[0]


def test_a_manifest_forged_with_its_digest_is_found(copy_of: Callable[[], Tiny]) -> None:
    """The manifest is edited, renamed to its new digest and the ref rewritten: the history still knows better."""
    tiny = copy_of()
    store, digest = read_ref(tiny.ref)
    manifest = load_manifest(store, digest)
    forged = manifest.canonical().replace(b'"seed":2205', b'"seed":2206')
    import hashlib

    name = hashlib.sha256(forged).hexdigest()
    (tiny.store / "manifests" / f"{name}.json").write_bytes(forged)
    Path(tiny.ref).write_text(f"sha256:{name}\n")
    assert "history" in failures(tiny)[0]
    append_history(
        store,
        {
            "action": "seal",
            "subject": "tiny@1.0.0",
            "manifest": name,
            "statement": "0" * 64,
            "actor": "nobody",
            "time": "2026-01-01T00:00:00+00:00",
            "why": "forged",
        },
    )
    assert "attestation" in failures(tiny)[0]


def test_a_missing_file_is_found(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    victim = next((tiny.store / "stages/shards").rglob("*.idx"))
    victim.unlink()
    assert any(victim.name in failure for failure in failures(tiny))


def test_files_of_nobody_are_named_and_harm_nothing(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    storage.publish(str(tiny.store / "stages" / "documents" / "half" / "parts" / "x.arrow"), b"unfinished")
    done = command("audit.py", "verify", tiny.ref)
    assert done.returncode == 0
    assert "1 files of the store belong to no sealed corpus" in done.stdout


def test_a_ref_that_is_not_there(tiny: Tiny) -> None:
    done = command("audit.py", "verify", tiny.store / "refs/tiny/9.9")
    assert done.returncode == 2
    assert "there is: " in done.stderr
    assert command("audit.py", "verify", tiny.store).returncode == 2


def test_the_same_rows_in_other_bytes_are_grade_b_and_others_f(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    victim = next((tiny.store / "stages/verdicts").rglob("*ledger.parquet"))
    table = pq.read_table(victim)
    pq.write_table(table, victim, compression="gzip")
    assert grade(verify(tiny.ref, lambda line: None)) == "B"
    pq.write_table(table.slice(1), victim)
    assert grade(verify(tiny.ref, lambda line: None)) == "F"


def test_a_sample_checks_small_files_and_those_its_seed_draws(
    copy_of: Callable[[], Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = copy_of()
    monkeypatch.setattr(verifying, "SMALL_BYTES", 5000)
    victim = max((tiny.store / "stages/shards").rglob("*.bin"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[0] ^= 1
    victim.write_bytes(data)
    drawn = [len(verify_sample(tiny.ref, 3, str(seed), lambda line: None)) for seed in range(40)]
    assert set(drawn) == {0, 1}
    assert len(verify_sample(tiny.ref, 10_000, "", lambda line: None)) == 1
    small = min((tiny.store / "stages/shards").rglob("*.idx"), key=lambda path: path.stat().st_size)
    small.write_bytes(b"")
    assert all(verify_sample(tiny.ref, 0, str(seed), lambda line: None) for seed in range(3))


def test_a_sample_says_that_it_is_one(tiny: Tiny) -> None:
    done = command("audit.py", "verify", tiny.ref, "--sample", "2", "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "the corpus has no grade" in done.stdout.splitlines()[-1]
