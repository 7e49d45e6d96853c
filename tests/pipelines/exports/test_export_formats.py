"""Every format: the same bytes whoever asks, and numbers that a plain reading of the store gives too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from tiny_corpus import Tiny, command

from corpus.errors import RecipeError
from pipelines.exports.dataset_card import size_category
from pipelines.exports.eu_summary import size_band
from pipelines.exports.formats import FORMATS, export
from pipelines.exports.questions import Answers
from pipelines.sealed_corpus import load_sealed_corpus


def exported(tiny: Tiny, name: str) -> str:
    return export(load_sealed_corpus(tiny.ref), name, Answers()).decode()


def tree(tiny: Tiny, name: str) -> Any:
    return json.loads(exported(tiny, name))


def shard_documents(tiny: Tiny) -> dict[str, int]:
    """Documents by shard, from the header of Megatron's index: bytes 18 to 26 count its sequences."""
    return {
        path.stem: int(np.frombuffer(path.read_bytes()[18:26], "<u8")[0])
        for path in (tiny.store / "stages/shards").rglob("*.idx")
    }


@pytest.mark.parametrize("name", FORMATS)
def test_the_bytes_are_the_same_whoever_asks(tiny: Tiny, tmp_path: Path, name: str) -> None:
    out = tmp_path / "export"
    settings = {"PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    done = command("audit.py", "export", tiny.ref, name, "--out", out, **settings)
    assert done.returncode == 0, done.stderr
    assert out.read_text(encoding="utf-8") == exported(tiny, name)


def test_nobody_is_named_who_did_not_mean_to_be(tiny: Tiny) -> None:
    statement = json.loads(next((tiny.store / "attestations").rglob("statement.json")).read_text())
    run = statement["predicate"]["buildDefinition"]["internalParameters"]
    texts = [exported(tiny, name) for name in FORMATS]
    assert [text for text in texts if run["host"] in re.findall(r'"([^"]*)"', text)] == []
    assert [text for text in texts if str(tiny.store) in text or str(tiny.data) in text] == []


def test_every_shard_is_a_subject(tiny: Tiny) -> None:
    made = tree(tiny, "in-toto")
    (own, *shards) = made["subject"]
    assert own == {"name": "tiny@1.0.0", "digest": {"sha256": tiny.digest}}
    lying = {path.name for path in (tiny.store / "stages/shards").rglob("*") if path.suffix in (".bin", ".idx")}
    assert {subject["name"] for subject in shards} == lying
    assert tree(tiny, "slsa")["subject"] == made["subject"]


def test_provenance_names_every_input_file_and_the_libraries(tiny: Tiny) -> None:
    predicate = tree(tiny, "slsa")["predicate"]
    depends = {
        entry.get("uri", entry.get("name")) for entry in predicate["buildDefinition"]["resolvedDependencies"]
    }
    files = {str(path.relative_to(tiny.data)) for path in tiny.data.rglob("*") if path.is_file()}
    assert files <= depends
    assert {"vocabulary vocab.bpe"} <= depends
    assert predicate["buildDefinition"]["externalParameters"]["recipe"]["name"] == "tiny"
    assert predicate["runDetails"]["metadata"]["startedOn"] <= predicate["runDetails"]["metadata"]["finishedOn"]
    assert "numpy" in predicate["runDetails"]["builder"]["version"]


def test_croissant_has_what_the_specification_requires(tiny: Tiny) -> None:
    """The validator lets most of this go missing."""
    made = tree(tiny, "croissant")
    required = {"name", "description", "url", "license", "creator", "datePublished", "version", "conformsTo"}
    assert {key for key in required if not made.get(key)} == set()
    assert made["license"] == ["NOASSERTION"]
    assert made["creator"]["name"] == made["citeAs"] == made["rai:dataBiases"] == "NEEDS HUMAN"
    objects = [entry for entry in made["distribution"] if entry["@type"] == "cr:FileObject"]
    for entry in objects:
        assert (tiny.store / entry["contentUrl"]).stat().st_size == int(entry["contentSize"].split()[0])
        assert re.fullmatch("[0-9a-f]{64}", entry["sha256"])
    assert len({entry["@id"] for entry in made["distribution"]}) == len(made["distribution"])


def test_events_count_what_lies_there(tiny: Tiny) -> None:
    start, complete = (json.loads(line) for line in exported(tiny, "openlineage").splitlines())
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    counted = {out["name"]: out["outputFacets"]["outputStatistics"] for out in complete["outputs"]}
    documents = shard_documents(tiny)
    assert counted["tiny"]["rowCount"] == sum(documents.values())
    for source in ("wikipedia", "pile-cc", "own", "reddit"):
        own = {name: n for name, n in documents.items() if re.fullmatch(rf"{source}(-valid)?-\d+", name)}
        assert counted[f"tiny/{source}"]["rowCount"] == sum(own.values())
        assert counted[f"tiny/{source}"]["fileCount"] == 2 * len(own)
    inputs = {entry["name"]: entry["inputFacets"]["inputStatistics"] for entry in complete["inputs"]}
    files = list((tiny.data / "pile/train").iterdir())
    assert inputs["input/pile"]["fileCount"] == len(files)
    assert inputs["input/pile"]["size"] == sum(path.stat().st_size for path in files)


def test_the_card_counts_what_lies_there(tiny: Tiny) -> None:
    _, above, below = exported(tiny, "dataset-card").split("---\n", 2)
    metadata = yaml.safe_load(above)
    documents = sum(shard_documents(tiny).values())
    assert metadata["size_categories"] == ["n<1K"] and documents < 1000
    assert metadata["license"] == ["unknown"]
    assert f"sha256:{tiny.digest}" in metadata["tags"]
    ledger = [pq.read_table(path) for path in (tiny.store / "stages/verdicts").rglob("*ledger.parquet")]
    kept = sum(int((table["drop"].to_numpy() == 0).sum()) for table in ledger)
    assert kept == documents
    assert f"{documents:,} documents" in below


@pytest.mark.parametrize("name", ["dataset-card", "datasheet", "eu-summary"])
def test_what_a_person_must_say_is_never_asserted(tiny: Tiny, name: str) -> None:
    assert exported(tiny, name).count("**NEEDS HUMAN**") >= 5


def test_what_is_unknown_is_said_to_be(tiny: Tiny) -> None:
    summary = exported(tiny, "eu-summary")
    assert "unknown: no source's files hold a date" in summary
    assert "Domain names: unknown" in summary
    assert "| text | Less than 1 billion tokens |" in summary


@pytest.mark.parametrize(
    ("tokens", "band"),
    [
        (10**9 - 1, "Less than 1 billion tokens"),
        (10**9, "1 billion to 10 trillion tokens"),
        (180 * 10**9, "1 billion to 10 trillion tokens"),
        (10**13, "More than 10 trillion tokens"),
    ],
)
def test_the_bands_of_the_template(tokens: int, band: str) -> None:
    assert size_band(tokens) == band


@pytest.mark.parametrize(
    ("documents", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**9, "1B<n<10B"), (10**12, "n>1T"), (10**15, "n>1T")],
)
def test_the_categories_of_the_hub(documents: int, category: str) -> None:
    assert size_category(documents) == category


def test_a_wrong_format_names_the_right_ones(tiny: Tiny) -> None:
    with pytest.raises(RecipeError, match="no format"):
        export(load_sealed_corpus(tiny.ref), "dvc", Answers())
    done = command("audit.py", "export", tiny.ref, "dvc")
    assert done.returncode == 2
    assert "eu-summary" in done.stderr
