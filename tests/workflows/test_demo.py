"""The demo's corpus: the generated sample gives the golden digest, and its planted near-duplicates are found."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from corpus.drops import Drop
from corpus.manifest import load_manifest, read_ref
from corpus.part import read_part
from pipelines.steps.duplicates import COMPARED, EVIDENCE, MISSES

ROOT = Path(__file__).resolve().parents[2]

# What sample@1.0.0 is. A commit that moves it moves nothing else, and says why.
GOLDEN = "sha256:bac6287df9ffbbeb1aacadff4d6be287a3594935caf0e8f2fda32572bd647b75"


def test_the_sample_is_the_golden_corpus(sample: tuple[Path, Path, str]) -> None:
    assert sample[2] == f"sealed sample@1.0.0 {GOLDEN}"


def test_planted_pairs_are_found_and_no_others_dropped(sample: tuple[Path, Path, str]) -> None:
    """Of pairs planted at J >= .95 at least 99% lose one document; of those below, none to each other."""
    data, store, _ = sample
    verdicts = _verdicts(store)
    found, missed, wrong = 0, 0, 0
    with open(data / "planted.tsv", encoding="utf-8") as file:
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


def test_what_was_compared_is_counted_and_the_nearest_misses_are_kept(sample: tuple[Path, Path, str]) -> None:
    """By Jaccard; the law is plain: pairs at or above the threshold are evidence, of the others some are named."""
    store = sample[1]
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
