"""Strangers read our exports: mlcroissant, in-toto-attestation and openlineage-python, none with a network."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow.parquet as pq
import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from openlineage.client import event_v2
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
)
from openlineage.client.serde import Serde
from tiny_corpus import Tiny

from corpus.drops import Drop
from pipelines.exports.formats import export
from pipelines.exports.questions import Answers
from pipelines.sealed_corpus import load_sealed_corpus

# mlcroissant's own, of rdflib and pandas.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("an export needs no network to be read")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def exported(tiny: Tiny, name: str) -> str:
    return export(load_sealed_corpus(tiny.ref), name, Answers()).decode()


@pytest.fixture
def dataset(copy_of: Callable[[], Tiny]) -> Iterator[mlcroissant.Dataset]:
    tiny = copy_of()
    path = tiny.store / "croissant.json"
    path.write_text(exported(tiny, "croissant"))
    yield mlcroissant.Dataset(path)
    shutil.rmtree(tiny.store)


def rows_of(folder: Path, pattern: str, columns: list[str]) -> list[tuple[Any, ...]]:
    tables = [pq.read_table(path, columns=columns) for path in folder.rglob(pattern)]
    return sorted(row for table in tables for row in zip(*table.to_pydict().values(), strict=True))


@pytest.mark.parametrize(
    ("table", "pattern", "columns"),
    [
        ("ledger", "*ledger.parquet", ["doc_id", "source", "record", "offset", "raw_bytes", "drop", "winner"]),
        ("placement", "*.placement.parquet", ["ledger", "row"]),
    ],
)
def test_mlcroissant_reads_every_record(
    tiny: Tiny, dataset: mlcroissant.Dataset, table: str, pattern: str, columns: list[str]
) -> None:
    issues = dataset.metadata.ctx.issues
    assert (list(issues.errors), list(issues.warnings)) == ([], [])
    read = [tuple(record[f"{table}/{column}"] for column in columns) for record in dataset.records(table)]
    assert sorted(read) == rows_of(tiny.store / "stages", pattern, columns)


def test_mlcroissant_finds_a_field_that_is_not_there(copy_of: Callable[[], Tiny]) -> None:
    """The judge can say no."""
    tiny = copy_of()
    path = tiny.store / "croissant.json"
    path.write_text(exported(tiny, "croissant").replace('"column": "doc_id"', '"column": "docid"'))
    with pytest.raises(Exception, match="during the operation"):
        list(mlcroissant.Dataset(path).records("ledger"))


@pytest.mark.parametrize("name", ["in-toto", "slsa"])
def test_in_toto_reads_the_statements(tiny: Tiny, name: str) -> None:
    text = exported(tiny, name)
    parsed = json_format.Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    assert json_format.MessageToDict(parsed, preserving_proto_field_name=False) == json.loads(text)


def test_the_store_s_own_statement_is_read_too(tiny: Tiny) -> None:
    text = next((tiny.store / "attestations").rglob("statement.json")).read_text()
    Statement.copy_from_pb(json_format.Parse(text, statement_pb2.Statement())).validate()


def test_the_predicate_is_slsa_s_and_has_no_field_of_ours(tiny: Tiny) -> None:
    predicate = json.loads(exported(tiny, "slsa"))["predicate"]
    parsed = json_format.ParseDict(predicate, provenance_pb2.Provenance())  # an unknown field is an error
    assert parsed.build_definition.build_type == "https://tokentrail.dev/build/1"
    assert {len(entry.digest) for entry in parsed.build_definition.resolved_dependencies} == {1}


def test_openlineage_would_write_the_same_events(tiny: Tiny) -> None:
    """Their classes, given our values, give our events: names, facets, schemas' versions."""
    for line in exported(tiny, "openlineage").splitlines():
        ours = json.loads(line)
        job, run = ours["job"], ours["run"]
        theirs = event_v2.RunEvent(
            eventType=event_v2.RunState[ours["eventType"]],
            eventTime=ours["eventTime"],
            producer=ours["producer"],
            run=event_v2.Run(run["runId"], {}),
            job=event_v2.Job(job["namespace"], job["name"], {}),
            inputs=[_input(entry) for entry in ours["inputs"]],
            outputs=[_output(entry) for entry in ours["outputs"]],
        )
        assert json.loads(Serde.to_json(theirs)) == ours


def _version(entry: dict[str, Any]) -> dict[str, Any]:
    facet = entry["facets"]["version"]
    return {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=facet["datasetVersion"], producer=facet["_producer"]
        )
    }


def _values(facet: dict[str, Any]) -> dict[str, Any]:
    return {"producer": facet["_producer"]} | {k: v for k, v in facet.items() if not k.startswith("_")}


def _input(entry: dict[str, Any]) -> event_v2.InputDataset:
    statistics = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        **_values(entry["inputFacets"]["inputStatistics"])
    )
    return event_v2.InputDataset(
        entry["namespace"], entry["name"], {"inputStatistics": statistics}, facets=_version(entry)
    )


def _output(entry: dict[str, Any]) -> event_v2.OutputDataset:
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        **_values(entry["outputFacets"]["outputStatistics"])
    )
    return event_v2.OutputDataset(
        entry["namespace"], entry["name"], {"outputStatistics": statistics}, facets=_version(entry)
    )


def test_the_placement_joins_to_what_the_ledger_keeps(tiny: Tiny, dataset: mlcroissant.Dataset) -> None:
    placed = {(record["placement/ledger"], record["placement/row"]) for record in dataset.records("placement")}
    parts = sorted((tiny.store / "stages/verdicts").rglob("*ledger.parquet"))
    drops = [pq.read_table(path, columns=["drop"])["drop"].to_pylist() for path in parts]
    assert placed == {
        (part, row) for part, rows in enumerate(drops) for row, drop in enumerate(rows) if drop == Drop.KEPT
    }
