"""Samples on disk: what was appended is read, by any number of processes, and what a kill tore is scored again."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_results import choice, sample

from corpus.errors import IntegrityError, StoreError
from evaluation.sample import Sample
from evaluation.sample_log import SampleLog


def log(out: Path, rank: int = 0) -> SampleLog[Sample]:
    return SampleLog(str(out), "t-0", Sample, rank)


def some(*keys: str) -> list[Sample]:
    return [sample(key, [choice(-1.0, -2.0), choice(-3.0)]) for key in keys]


def test_what_processes_append_is_one_log(tmp_path: Path) -> None:
    first, second = log(tmp_path), log(tmp_path, 1)
    first.append(some("a", "b"))
    second.append(some("c"))
    first.append(some("d"))
    assert sorted(log(tmp_path, 5).read()) == ["a", "b", "c", "d"]
    found = log(tmp_path).read()
    log(tmp_path).finish([found[key] for key in "cabd"])
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["t-0.jsonl"]
    assert [*log(tmp_path, 3).read()] == ["c", "a", "b", "d"]


@pytest.mark.parametrize("kept", range(1, 200, 20))
def test_a_torn_line_is_no_sample_and_harms_none_that_follows(tmp_path: Path, kept: int) -> None:
    begun = log(tmp_path)
    begun.append(some("a"))
    part = tmp_path / "samples" / "t-0.part0.jsonl"
    whole = part.read_bytes()
    part.write_bytes(whole + whole[:kept])
    again = log(tmp_path)
    assert [*again.read()] == ["a"]
    again.append(some("b"))
    assert [*log(tmp_path).read()] == ["a", "b"]
    assert part.read_bytes().startswith(whole)


def test_a_line_that_is_no_sample_is_an_error_that_names_it(tmp_path: Path) -> None:
    log(tmp_path).append(some("a"))
    part = tmp_path / "samples" / "t-0.part0.jsonl"
    part.write_bytes(part.read_bytes() + b'{"task": 1}\n')
    with pytest.raises(IntegrityError, match="no sample") as caught:
        log(tmp_path).read()
    assert caught.value.where == f"{part}, line 2"


def test_a_full_disk_is_three_lines() -> None:
    with pytest.raises(StoreError, match="cannot write samples"):
        SampleLog("/dev/full", "t-0", Sample).append(some("a"))
