"""The demo's corpus: the generated sample gives the golden digest, and its planted near-duplicates are found."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corpus.drops import Drop
from corpus.manifest import load_manifest, read_ref
from corpus.part import read_part
from pipelines.steps.duplicates import COMPARED, EVIDENCE, MISSES

ROOT = Path(__file__).resolve().parents[2]

# What sample@1.0.0 is. A commit that moves it moves nothing else, and says why.
GOLDEN = "sha256:536f165648162b720ceb1deacb62228564cf79137b2962aed7c46d24dbe3bbb1"


def test_the_sample_is_the_golden_corpus(sample: tuple[Path, str]) -> None:
    assert sample[1] == f"sealed sample@1.0.0 {GOLDEN}"


def test_planted_pairs_are_found_and_no_others_dropped(sample_data: Path, sample: tuple[Path, str]) -> None:
    """Of pairs planted at J >= .95 at least 99% lose one document; of those below, none to each other."""
    verdicts = _verdicts(sample[0])
    found, missed, wrong = 0, 0, 0
    with open(sample_data / "planted.tsv", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["kind"] != "near":
                continue
            sides = [verdicts.get((row[f"file_{side}"], int(row[f"record_{side}"]))) for side in "ab"]
            lost = any(side is None or side[0] in (Drop.NEAR_DUPLICATE, Drop.EXACT_DUPLICATE) for side in sides)
            if 100 * int(row["inter"]) >= 95 * int(row["union"]):
                found, missed = found + lost, missed + (not lost)
            else:
                wrong += lost
    assert found + missed >= 400
    assert missed <= 0.01 * (found + missed)
    assert wrong == 0


def test_what_was_compared_is_counted_and_the_nearest_misses_are_kept(sample: tuple[Path, str]) -> None:
    """By Jaccard; the law is plain: pairs at or above the threshold are evidence, of the others some are named."""
    store = sample[0]
    manifest = load_manifest(*read_ref(str(store / "refs/sample/1.0.0")))
    entry = manifest.stage("evidence")
    percents = {int(name[-3:]): count for name, count in entry.counts.items() if name.startswith(COMPARED)}
    threshold = manifest.recipe.duplicates.threshold_percent
    folder = manifest.stage_folder(str(store), "evidence")
    rows = {
        ending: [
            row for part in entry.parts if part.name.endswith(ending) for row in _pairs_of(f"{folder}/{part.name}")
        ]
        for ending in (EVIDENCE, MISSES)
    }
    above = sum(count for percent, count in percents.items() if percent >= threshold)
    assert len(rows[EVIDENCE]) == above > 0
    assert sum(percents.values()) - above == entry.counts["pairs_below"] > 0
    assert all(100 * inter >= threshold * union for inter, union in rows[EVIDENCE])
    assert rows[MISSES] and all(100 * inter < threshold * union for inter, union in rows[MISSES])
    nearest = max(inter / union for inter, union in rows[MISSES])
    assert int(100 * nearest) == max(percent for percent in percents if percent < threshold)


def _pairs_of(url: str) -> list[tuple[int, int]]:
    return [
        pair
        for rows in read_part(url)
        for pair in zip(rows["inter"].tolist(), rows["union"].tolist(), strict=True)
    ]


def _verdicts(store: Path) -> dict[tuple[str, int], tuple[int, int, int]]:
    """(file, record) -> (drop, inter, union), from the ledger."""
    manifest = load_manifest(*read_ref(str(store / "refs/sample/1.0.0")))
    found = {}
    folder = Path(manifest.stage_folder(str(store), "verdicts"))
    for path in sorted(folder.glob("*-ledger.parquet")):
        for rows in read_part(str(path)):
            near = rows["drop"] == Drop.NEAR_DUPLICATE
            assert (100 * rows["inter"][near].astype(np.int64) >= 95 * rows["union"][near]).all()
            columns = (rows[name].tolist() for name in ("blob", "record", "drop", "inter", "union"))
            for blob, record, drop, inter, union in zip(*columns, strict=True):
                found[manifest.blobs[blob].path, record] = drop, inter, union
    return found


def test_the_demo_trains_on_it_evaluates_and_ends_with_pages(sample: tuple[Path, str], tmp_path: Path) -> None:
    """The demo's last commands, in short: the loss falls, what came of it is measured, and pages are there."""
    pytest.importorskip("torch", reason="needs workflows/install train")
    ref, run_dir, out = sample[0] / "refs/sample/1.0.0", tmp_path / "tiny", tmp_path / "results"
    config = ROOT / "workflows/runs/tiny.toml"
    quick = ["--set", "steps=30", "--set", "batch=4", "--set", "validation.windows=1"]
    few = ["--limit", "6"]
    for line in (
        ["training/run.py", "--config", config, "--corpus", ref, "--run-dir", run_dir, "--device", "cpu", *quick],
        ["training/unigram_entropy.py", ref, run_dir],
        ["training/report.py", run_dir],
        ["evaluation/run.py", "--checkpoint", run_dir, "--corpus", ref, "--out", out, "--device", "cpu", *few],
    ):
        done = subprocess.run(
            [sys.executable, *map(str, line)], cwd=ROOT, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr
        if line[0] == "training/unigram_entropy.py":
            assert done.stdout.startswith(
                "unigram entropy  7.1621 nats a token, of 3,902,967 tokens to train on\n"
            )
    page = run_dir / "report.html"
    assert done.stdout.endswith(f"report {out / 'report.html'}\n")
    results = json.loads((out / "results.json").read_bytes())
    assert len(results["perplexity"]) == 9 and results["scores"][0]["task"] == "continuation"
    # Far from what it is trained to, and far better than 50,257 ids that are all as likely.
    assert all(100 < float(one["per_token"]["value"]) < 25_000 for one in results["perplexity"])
    assert b"30 of 30 updates" in page.read_bytes() and page.stat().st_size < 500_000
    losses = [json.loads(line)["loss"] for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 30 and sum(losses[-5:]) / 5 < losses[0] - 2
    demo = (ROOT / "workflows/demo").read_text()
    assert all(name in demo for name in ("unigram_entropy.py", "training/report.py", "evaluation/run.py"))
