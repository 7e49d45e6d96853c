"""SLSA provenance v1: from which input files, by which code, which corpus was built.

Host, user and command line stand in the store's own statement and stay there: an export is given to others, and a
person's name is no part of a corpus.

Source: SLSA v1.0, build provenance.
"""

from __future__ import annotations

from typing import Any

from corpus.attestation import BUILD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE
from pipelines.exports.harmless_json import harmless_json
from pipelines.exports.in_toto import subjects
from pipelines.sealed_corpus import SealedCorpus

_SHOWN = ("engine", "workers", "encoder", "unicode", "reused")  # of the run facts: those that name nobody


def provenance(corpus: SealedCorpus) -> bytes:
    """The statement: the manifest and its shards as subjects, the build as predicate."""
    manifest, run = corpus.manifest, corpus.run
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": {"recipe": manifest.recipe.canonical()},
        "internalParameters": {name: run[name] for name in _SHOWN if name in run},
        "resolvedDependencies": [
            *({"uri": blob.path, "digest": {"sha256": blob.sha256}} for blob in manifest.blobs),
            *_vocabulary(corpus),
            *_code(corpus),
        ],
    }
    details = {
        "builder": {"id": BUILD_TYPE, "version": {"python": run.get("python", "unknown"), **run["libraries"]}},
        "metadata": {
            "invocationId": f"sha256:{corpus.entry.statement}",
            "startedOn": corpus.instant("started"),
            "finishedOn": corpus.instant("finished"),
        },
        "byproducts": [
            {"name": "statement.json", "digest": {"sha256": corpus.entry.statement}},
            *corpus.statement["predicate"]["runDetails"]["byproducts"],
        ],
    }
    made = {
        "_type": STATEMENT_TYPE,
        "subject": subjects(manifest),
        "predicateType": PREDICATE_TYPE,
        "predicate": {"buildDefinition": definition, "runDetails": details},
    }
    return harmless_json(made).encode() + b"\n"


def _vocabulary(corpus: SealedCorpus) -> list[dict[str, Any]]:
    files = corpus.manifest.vocabulary["files"]
    return [{"name": f"vocabulary {name}", "digest": {"sha256": digest}} for name, digest in sorted(files.items())]


def _code(corpus: SealedCorpus) -> list[dict[str, Any]]:
    """The commit, and the digest of what differed from it; nothing where the build ran outside a checkout."""
    code = corpus.run.get("code", {})
    if "commit" not in code:
        return []
    return [
        {
            "name": "tokentrail",
            "digest": {"gitCommit": code["commit"]},
            "annotations": {"difference": code["difference"]},
        }
    ]
