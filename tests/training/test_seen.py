"""What a run saw, and when: against the tokens themselves, looked for in every window that it trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_corpus import ROOT, small_corpus

from corpus.manifest import read_ref
from corpus.mapped_corpus import MappedCorpus
from corpus.provenance import Ledger, read_placement
from corpus.shard import Shard
from training import run
from training.seen import Range, Seen, main
from training.token_stream import TokenStream

# Twelve updates of 4 windows: some batches are passed over, and weights change on the way.
SEGMENTS = """
[[segment]]
[[segment]]
update = 5
skip = 3
weights = { alpha = 1, gamma = 2 }
"""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    config = folder / "segments.toml"
    config.write_text((ROOT / "workflows/runs/tiny.toml").read_text() + SEGMENTS)
    sizes = ["steps=12", "batch=4", "sequence=16", "model.width=16", "model.feed_forward=32", "checkpoint.every=2"]
    sets = [word for each in [*sizes, "validation.every=0"] for word in ("--set", each)]
    where = ["--config", str(config), "--corpus", small_corpus(), "--run-dir", str(folder / "run")]
    assert run.main([*where, "--device", "cpu", "--verify", "off", *sets]) == 0
    return str(folder / "run")


@pytest.fixture(scope="module")
def seen(run_dir: str) -> Seen:
    return Seen(run_dir, small_corpus())


def trained(seen: Seen) -> dict[int, np.ndarray]:
    """Update -> the tokens of its batch, as training reads them."""
    stream = TokenStream(seen.corpus, "train", seen.config.sequence)
    return {step: stream.read(seen.order.batch(record.data_step)) for step, record in seen.records.items()}


def test_an_update_saw_the_tokens_that_are_named(seen: Seen) -> None:
    batches = trained(seen)
    assert len(batches) == 12
    for step, batch in batches.items():
        record, rows = seen.step(step)
        assert seen.vouched(record)
        for own, (_, _, _, ranges) in zip(batch, rows, strict=True):
            parts = [Shard.open(seen.corpus.stem(each.shard)).tokens[each.first : each.end] for each in ranges]
            assert np.concatenate(parts).tolist() == own.tolist()


def test_tokens_were_seen_by_just_the_updates_whose_windows_hold_them(seen: Seen) -> None:
    named = {step: [each for row in seen.step(step)[1] for each in row[3]] for step in seen.records}
    met = 0
    for shard in seen.corpus.manifest.shards:
        if shard.split != "train":
            continue
        for first in range(0, shard.tokens - 40, 97):
            tokens = Range(shard, first, first + 40)
            expected = {
                step
                for step, ranges in named.items()
                for each in ranges
                if each.shard == shard and each.first < tokens.end and tokens.first < each.end
            }
            assert {one.update for one in seen.sightings(tokens)} == expected
            met += bool(expected)
    assert met > 20


def test_a_document_is_found_and_so_are_the_checkpoints_after(
    seen: Seen, run_dir: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, (store, _) = seen.corpus.manifest, read_ref(small_corpus())
    ledger = Ledger.sealed_in(store, manifest)
    shard = next(each for each in manifest.shards if each.split == "train" and each.source == "gamma")
    places = ledger.places(read_placement(manifest, store, shard.name))
    starts = Shard.open(seen.corpus.stem(shard)).starts
    found = 0
    for row, place in enumerate(places.tolist()):
        tokens = Range(shard, int(starts[row]), int(starts[row + 1]))
        sightings = seen.sightings(tokens)
        if not sightings or found > 2:
            continue
        found += 1
        doc_id = ledger.row(*ledger.address(place), ["doc_id"])["doc_id"][0].tobytes().hex()
        assert seen.locate(doc_id) == tokens
        assert main([run_dir, "--corpus", small_corpus(), "--document", doc_id]) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0].startswith(f"tokens     {tokens}, ")
        assert said[1].startswith(f"update     {sightings[0].update}, row ")
        saved = [f"{step:08d}-0001" for step in range(2, 13, 2) if step >= sightings[0].update]
        kept = [path.name for path in sorted(Path(run_dir, "checkpoints").iterdir()) if path.name in saved]
        assert said[-1].endswith(f"here: {', '.join(kept)}")
    assert found


def test_windows_that_were_not_trained_on_are_an_error_found(
    run_dir: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run_dir, tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    lines[3]["windows"] = "0" * 64
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main([str(tmp_path / "run"), "--corpus", small_corpus(), "--step", "4"]) == 1
    assert "NOT the windows that were trained on" in capsys.readouterr().out
    assert main([str(tmp_path / "run"), "--corpus", small_corpus(), "--step", "5"]) == 0


@pytest.mark.parametrize(
    "words, said",
    [
        (["--step", "13"], "the run has done no update 13"),
        (["--step", "0"], "the run has done no update 0"),
        (["--document", "00" * 16], "knows no such document"),
        (["--document", "it"], "is no id of a document"),
        (["--tokens", "alpha-00000:9"], "names no tokens"),
        (["--tokens", "alpha-00000:9..9"], "names no tokens"),
        (["--tokens", "nowhere-00000:1..2"], "the corpus has no such shard"),
    ],
)
def test_a_mistake_is_three_lines(
    run_dir: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([run_dir, "--corpus", small_corpus(), *words]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 3


def test_another_corpus_and_no_run_are_refused(
    run_dir: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--step", "1"]) == 2
    assert "there is no run here" in capsys.readouterr().err
    assert MappedCorpus.open(small_corpus()).digest == Seen(run_dir, small_corpus()).corpus.digest
