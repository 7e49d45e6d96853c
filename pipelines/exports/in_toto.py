"""in-toto Statement v1 over a corpus: this manifest, and these shards, are this corpus.

It follows from the manifest alone: whoever builds the same corpus, wherever and whenever, has the same bytes to
sign. What one build did is the SLSA statement's (`slsa.py`).

Source: in-toto attestation framework, spec v1, statement and resource descriptor.
"""

from __future__ import annotations

from typing import Any

from corpus.attestation import STATEMENT_TYPE
from corpus.manifest import Manifest
from pipelines.exports.harmless_json import harmless_json

CORPUS_TYPE = "https://tokentrail.dev/corpus/1"


def subjects(manifest: Manifest) -> list[dict[str, Any]]:
    """The manifest first, then every shard's two files, by name and sha256."""
    named = [{"name": f"{manifest.name}@{manifest.version}", "digest": {"sha256": manifest.digest()}}]
    for shard in manifest.shards:
        named.append({"name": f"{shard.name}.bin", "digest": {"sha256": shard.bin_sha256}})
        named.append({"name": f"{shard.name}.idx", "digest": {"sha256": shard.idx_sha256}})
    return named


def statement(manifest: Manifest) -> bytes:
    """The statement, as it is exported and as it is signed."""
    predicate = {
        "manifest": {"schema": manifest.schema, "sha256": manifest.digest()},
        "recipe": {"name": manifest.name, "version": manifest.version, "sha256": manifest.recipe.digest()},
        "vocabulary": manifest.vocabulary,
        "tokens": sum(shard.tokens for shard in manifest.shards),
        "inputs": [{"uri": blob.path, "digest": {"sha256": blob.sha256}} for blob in manifest.blobs],
        "sources": [
            {
                "name": source.name,
                "licence": source.licence,
                "documents": balance.documents,
                "kept": balance.kept,
                "textBytes": balance.text_bytes,
            }
            # After the sources' balances stand those of what was unreadable.
            for source, balance in zip(manifest.recipe.source, manifest.sources, strict=False)
        ],
    }
    made = {
        "_type": STATEMENT_TYPE,
        "subject": subjects(manifest),
        "predicateType": CORPUS_TYPE,
        "predicate": predicate,
    }
    return harmless_json(made).encode() + b"\n"
