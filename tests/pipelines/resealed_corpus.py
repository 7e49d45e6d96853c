"""A corpus that was edited and sealed anew by hand: every digest holds, and what it says is no build's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import rfc8785
from tiny_corpus import Tiny

from corpus.attestation import load_statement
from corpus.document import Texts
from corpus.manifest import PartEntry, StageEntry, load_manifest
from corpus.part import PartWriter, blob_digest, logical_digest, read_part
from corpus.table import concat
from pipelines.seal import publish
from pipelines.stage import load_sealed


def reseal(tiny: Tiny, stage: str, rewrite: Callable[[Path], None], part: str) -> None:
    """Rewrites a part and fixes every seal over it up by hand: its stage's, manifest, index, statement, ref."""
    store = str(tiny.store)
    manifest = load_manifest(store, tiny.digest)
    folder = tiny.store / "stages" / stage / manifest.stage(stage).key
    rewrite(folder / "parts" / part)
    logical, rows = logical_digest(str(folder / "parts" / part))
    blob, size = blob_digest(str(folder / "parts" / part))
    seal = json.loads((folder / "stage.json").read_bytes())
    for entry in seal["parts"]:
        if entry["name"] == part:
            entry.update(rows=rows, logical=logical, blob=blob, bytes=size)
    (folder / "stage.json").write_bytes(rfc8785.dumps(seal))
    facts = load_statement(store, tiny.digest)["predicate"]["buildDefinition"]["internalParameters"]
    stages = []
    sealed = []
    for entry in manifest.stages:
        found = load_sealed(str(tiny.store / "stages" / entry.name / entry.key))
        assert found is not None
        sealed.append(found)
        parts = tuple(PartEntry(p.name, p.rows, p.logical) for p in found.parts)
        stages.append(StageEntry(entry.name, entry.key, entry.rules, parts, entry.counts))
    for gone in ("refs", "history", "attestations", "manifests"):
        shutil.rmtree(tiny.store / gone)
    publish(store, msgspec.structs.replace(manifest, stages=tuple(stages)), sealed, facts)


def edit_third_text(path: Path) -> None:
    """Ends the first sentence of a block's third text with another mark."""
    table = concat(read_part(str(path)))
    texts = [table["text"][row] for row in range(len(table["text"]))]
    texts[2] = texts[2].replace(b".", b"!", 1)
    path.unlink()
    with PartWriter(str(path.parent), path.name) as part:
        part.write({"row": table["row"], "text": Texts.from_list(texts)})
        part.close()
