"""Explaining: a document is found by its id, its record or its text, with what was measured and who lost to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard
from tiny_corpus import Tiny, command

from corpus.drops import Drop
from corpus.errors import SourceError
from pipelines.auditing.explaining import describe, explain, explain_all


def texts_of(path: Path) -> list[str]:
    stream = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
    return [json.loads(line)["text"] for line in stream.splitlines()]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_a_text_finds_all_its_documents(tiny: Tiny) -> None:
    """Text 22 stands in both shards; spaces around it are no part of it."""
    text = texts_of(tiny.data / "pile/train/00.jsonl.zst")[22]
    found = explain_all(tiny.ref, f"text: \n{text}  ")
    records = sorted(chain[0].record[:2] for chain in found)
    assert records == [("pile/train/00.jsonl.zst", 22), ("pile/train/01.jsonl.zst", 14)]
    lost = next(chain for chain in found if chain[0].drop == Drop.EXACT_DUPLICATE)
    assert lost[-1].drop == Drop.KEPT
    assert any(lost[0].doc_id in loser and "exact duplicate" in loser for loser in lost[-1].losers)


def test_a_near_duplicate_has_its_jaccard_on_both_sides(tiny: Tiny) -> None:
    """Against shingles counted in the raw files by plain Python."""
    for number in range(12):
        try:
            chain = explain(tiny.ref, f"pile/train/01.jsonl.zst:{number}")
        except SourceError:
            continue
        if chain[0].drop == Drop.NEAR_DUPLICATE:
            break
    first, second = (texts_of_some(tiny, verdict.record[:2]) for verdict in (chain[0], chain[-1]))
    a, b = shingles(first), shingles(second)
    said = f"Jaccard .{10000 * len(a & b) // len(a | b):04d}"
    assert said in chain[0].words
    assert any(chain[0].doc_id in loser and said in loser for loser in chain[-1].losers)


def texts_of_some(tiny: Tiny, record: tuple[str, int]) -> str:
    stream = zstandard.ZstdDecompressor().stream_reader(
        (tiny.data / record[0]).read_bytes(), read_across_frames=True
    )
    return str(json.loads(stream.read().split(b"\n")[record[1]])["text"])


def test_a_refusal_stands_beside_its_threshold(tiny: Tiny) -> None:
    (verdict,) = explain(tiny.ref, "own/a.jsonl.gz:1")
    assert verdict.words == "too few words"
    assert "words 2 (at least 20)" in verdict.measured
    assert "NOASSERTION" in describe([verdict])


def test_an_id_is_found_with_and_without_its_prefix(tiny: Tiny) -> None:
    (verdict,) = explain(tiny.ref, "own/a.jsonl.gz:0")
    assert explain(tiny.ref, f"doc:{verdict.doc_id}") == explain(tiny.ref, verdict.doc_id) == [verdict]


@pytest.mark.parametrize(
    "asked", ["text:nobody wrote this", "url:https://example.org/", "doc:" + "0" * 32, "text"]
)
def test_what_is_not_there_is_an_error(tiny: Tiny, asked: str) -> None:
    done = command("audit.py", "explain", tiny.ref, asked)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 3
