"""OpenLineage run events, NDJSON: the build began, the build is done, from which files came what.

One run for the whole build: the store knows when it began and ended, not when each stage did. Producer and version
of the client library are absent, so that the same store gives the same bytes.

Source: OpenLineage spec 2-0-2 and its facets' versions, as openlineage-python 1.54 writes them.
"""

from __future__ import annotations

import uuid
from typing import Any

from corpus.recipe import Input
from pipelines.exports.harmless_json import harmless_json
from pipelines.sealed_corpus import SealedCorpus

NAMESPACE = "tokentrail"
PRODUCER = "https://tokentrail.dev/build/1"
_SPEC = "https://openlineage.io/spec"


def run_events(corpus: SealedCorpus) -> bytes:
    """START and COMPLETE of the build, a line each."""
    events = (("START", "started"), ("COMPLETE", "finished"))
    lines = [_event(corpus, state, corpus.instant(fact)) for state, fact in events]
    return "".join(f"{harmless_json(line, indent=None)}\n" for line in lines).encode()


def _event(corpus: SealedCorpus, state: str, time: str) -> dict[str, Any]:
    manifest = corpus.manifest
    event: dict[str, Any] = {
        "eventType": state,
        "eventTime": time,
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        # The statement is this build's and no other's.
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{corpus.entry.statement}")), "facets": {}},
        "job": {"namespace": NAMESPACE, "name": f"build/{manifest.name}", "facets": {}},
        "inputs": [_input(corpus, entry) for entry in manifest.recipe.input],
        "outputs": [],
    }
    if state == "COMPLETE":
        event["outputs"] = [_whole(corpus), *_by_source(corpus)]
    return event


def _facet(kind: str, version: str, **values: Any) -> dict[str, Any]:
    schema = f"{_SPEC}/facets/{version}/{kind}.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": schema, **values}


def _version(digest: str) -> dict[str, Any]:
    return {"version": _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=f"sha256:{digest}")}


def _input(corpus: SealedCorpus, entry: Input) -> dict[str, Any]:
    """An input as one dataset; its version is the digest of its files' digests, in the order of their paths."""
    balance = next(balance for balance in corpus.manifest.inputs if balance.name == entry.name)
    statistics = _facet(
        "InputStatisticsInputDatasetFacet",
        "1-0-0",
        rowCount=balance.records,
        size=balance.file_bytes,
        fileCount=balance.blobs,
    )
    return {
        "namespace": NAMESPACE,
        "name": f"input/{entry.name}",
        "facets": _version(corpus.input_digest(entry.name)),
        "inputFacets": {"inputStatistics": statistics},
    }


def _output(name: str, digest: str, rows: int, size: int, files: int) -> dict[str, Any]:
    statistics = _facet("OutputStatisticsOutputDatasetFacet", "1-0-2", rowCount=rows, size=size, fileCount=files)
    return {
        "namespace": NAMESPACE,
        "name": name,
        "facets": _version(digest),
        "outputFacets": {"outputStatistics": statistics},
    }


def _whole(corpus: SealedCorpus) -> dict[str, Any]:
    size = sum(file.size for file in corpus.files.values())
    return _output(corpus.manifest.name, corpus.digest, corpus.documents, size, len(corpus.files))


def _by_source(corpus: SealedCorpus) -> list[dict[str, Any]]:
    """The shards of each source: of the manifest's digest, for it alone says which shards are a source's."""
    found = []
    for source in corpus.sources:
        own = {shard.name for shard in corpus.manifest.shards if shard.source == source.said.name}
        paths = [corpus.part_path("shards", f"{name}{suffix}") for name in own for suffix in (".bin", ".idx")]
        size = sum(corpus.files[path].size for path in paths)
        name = f"{corpus.manifest.name}/{source.said.name}"
        found.append(_output(name, corpus.digest, source.balance.kept, size, len(paths)))
    return found
