"""Spot checks: tokens drawn by a seed are proved by the raw files, and a raw file that differs proves nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import zstandard
from tiny_corpus import Tiny, command

from pipelines.auditing.spot_checking import spot_check


def lines_of(path: Path) -> list[bytes]:
    stream = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
    return stream.split(b"\n")


def test_every_drawn_token_is_proved(tiny: Tiny) -> None:
    checks = spot_check(tiny.ref, "a seed", 60, str(tiny.data))
    assert len(checks) == 60
    assert {check.proved for check in checks} == {True}
    assert len({check.trace.source[0] for check in checks}) == 4


def test_the_raw_record_is_the_line_of_the_file(tiny: Tiny) -> None:
    """Against a reading of the raw file that shares nothing with ours."""
    lines = lines_of(tiny.data / "pile/train/00.jsonl.zst")
    seen = 0
    for check in spot_check(tiny.ref, "another", 40, str(tiny.data)):
        record = check.trace.records[0]
        if record.path == "pile/train/00.jsonl.zst":
            assert record.raw == lines[record.record]
            token, spelt, before = check.trace.token
            text = " ".join(json.loads(record.raw)["text"].split()).encode()
            assert token == 50256 or text[before : before + len(spelt)] == spelt
            seen += 1
    assert seen > 5


def test_the_seed_decides(tiny: Tiny) -> None:
    one, again, other = (spot_check(tiny.ref, seed, 12, None) for seed in ("1", "1", "2"))
    assert [check.address for check in one] == [check.address for check in again]
    assert [check.address for check in one] != [check.address for check in other]
    assert {check.proved for check in one} == {None}


def test_an_altered_record_fails_and_a_lost_file_is_told(tiny: Tiny, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    victim = data / "pile/train/00.jsonl.zst"
    lines = [line.replace(b"a", b"e", 1) for line in lines_of(victim)]
    victim.write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(lines)))
    (data / "own/a.jsonl.gz").unlink()
    done = command("audit.py", "audit-sample", tiny.ref, "--seed", "3", "-n", "40", "--data", data)
    assert done.returncode == 1, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 41
    for line in said[:-1]:
        verdict = "FAILED" if "train/00." in line else "not at hand" if "own/a." in line else "proved"
        assert line.startswith(verdict)
    assert "0 FAILED" not in said[-1]


def test_without_sources_nothing_is_claimed(tiny: Tiny) -> None:
    done = command("audit.py", "audit-sample", tiny.ref, "--seed", "3", "-n", "5")
    assert done.returncode == 0, done.stderr
    assert "0 proved, 0 FAILED, 5 not at hand" in done.stdout
