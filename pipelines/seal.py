"""From sealed stages to a sealed corpus: laws checked, manifest, attestation, ref, history, in this order.

A build that dies between two of them leaves nothing wrong behind: the next one finds what is there and goes on.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from corpus import storage
from corpus.attestation import FileEntry, environment, publish_attestation
from corpus.errors import IntegrityError
from corpus.ledger import InputBalance, SourceBalance, balances, check_input, check_source
from corpus.manifest import (
    SCHEMA,
    BlobEntry,
    DamageEntry,
    Manifest,
    PartEntry,
    ShardEntry,
    SplitEntry,
    StageEntry,
    append_history,
    manifest_url,
    publish_manifest,
    publish_ref,
    read_history,
)
from corpus.part import blob_digest, read_part
from corpus.recipe import Recipe
from corpus.source import Blob
from pipelines.stage import Sealed
from pipelines.steps.tokens import SPLITS, read_layout


def manifest_of(
    recipe: Recipe, blobs: Sequence[Blob], stages: Sequence[Sealed], vocabulary: dict[str, Any]
) -> Manifest:
    """The manifest of finished stages, its laws checked.

    Raises:
        IntegrityError: Documents, records or bytes are lost or invented.
    """
    # Pins depend on when a file was last touched; what they found stands in `blobs`.
    stages = [stage for stage in stages if stage.name != "pin"]
    by_name = {stage.name: stage for stage in stages}
    sources = _sources(recipe, by_name["verdicts"].counts)
    inputs = _inputs(recipe, blobs, stages)
    for balance in sources:
        check_source(balance)
    for entry in inputs:
        check_input(entry)
    shards = _shards(recipe, by_name["shards"], by_name["layout"])
    check_placed(sources, by_name["shards"].counts)
    return Manifest(
        schema=SCHEMA,
        name=recipe.name,
        version=recipe.version,
        recipe=recipe,
        blobs=tuple(BlobEntry(blob.input, blob.path, blob.size, blob.sha256) for blob in blobs),
        stages=tuple(_stage_entry(stage) for stage in stages),
        vocabulary=vocabulary,
        sources=tuple(sources),
        inputs=tuple(inputs),
        shards=tuple(shards),
        validation=tuple(_validation(recipe, by_name["split"])),
        damage=tuple(_damage(stages)),
    )


def _stage_entry(stage: Sealed) -> StageEntry:
    parts = tuple(PartEntry(part.name, part.rows, part.logical) for part in stage.parts)
    return StageEntry(stage.name, stage.key, stage.rules, parts, stage.counts)


def _sources(recipe: Recipe, counts: Mapping[str, int]) -> list[SourceBalance]:
    """A balance per source, and one per input for records that no reader could give to a source."""
    names = [source.name for source in recipe.source] + [f"{entry.name} (unreadable)" for entry in recipe.input]
    found = balances(counts, names)
    return [balance for balance in found if balance.documents or balance.name in names[: len(recipe.source)]]


def _inputs(recipe: Recipe, blobs: Sequence[Blob], stages: Sequence[Sealed]) -> list[InputBalance]:
    counts: Counter[str] = Counter()
    for stage in stages:
        counts.update(stage.counts)
    found = []
    for entry in recipe.input:
        files = [blob for blob in blobs if blob.input == entry.name]
        prefix = f"unchosen/{entry.name}/records/"
        labels = sorted(key.removeprefix(prefix) for key in counts if key.startswith(prefix))
        found.append(
            InputBalance(
                name=entry.name,
                blobs=len(files),
                file_bytes=sum(blob.size for blob in files),
                stream_bytes=counts[f"stream/{entry.name}/bytes"],
                records=counts[f"stream/{entry.name}/records"],
                document_records=counts[f"documents/{entry.name}/records"],
                document_bytes=counts[f"documents/{entry.name}/bytes"],
                unchosen={
                    label: (counts[prefix + label], counts[f"unchosen/{entry.name}/bytes/{label}"])
                    for label in labels
                },
            )
        )
    return found


def _shards(recipe: Recipe, stage: Sealed, layout: Sealed) -> list[ShardEntry]:
    facts = {part.name: part for part in stage.parts}
    sources = tuple(source.name for source in recipe.source)
    return [
        ShardEntry(
            name=plan.name,
            source=sources[plan.source],
            split=SPLITS[plan.split],
            documents=stage.counts[f"shard/{plan.name}/documents"],
            tokens=stage.counts[f"shard/{plan.name}/tokens"],
            bin_sha256=facts[f"{plan.name}.bin"].blob,
            idx_sha256=facts[f"{plan.name}.idx"].blob,
            placement=facts[f"{plan.name}.placement.parquet"].logical,
        )
        for plan in read_layout(layout.urls("layout.arrow")[0], sources)
    ]


def check_placed(sources: Sequence[SourceBalance], counts: Mapping[str, int]) -> None:
    """What the ledger keeps and what the shards hold, source by source.

    Raises:
        IntegrityError: They differ.
    """
    for balance in sources:
        placed = (
            counts.get(f"placed/{balance.name}/documents", 0),
            counts.get(f"placed/{balance.name}/text_bytes", 0),
        )
        if placed != (balance.kept, balance.text_bytes):
            raise IntegrityError(
                f"{balance.kept} documents of {balance.text_bytes} bytes are kept, the shards hold {placed[0]} "
                f"of {placed[1]}",
                where=f"source {balance.name}",
                remedy="do not use this corpus; build it again, and report this with the recipe if it repeats",
            )


def _validation(recipe: Recipe, stage: Sealed) -> list[SplitEntry]:
    found = []
    for url in stage.urls(".arrow"):
        for columns in read_part(url):
            for index, quota, documents, size in zip(
                columns["source"].tolist(),
                columns["quota_bytes"].tolist(),
                columns["documents"].tolist(),
                columns["bytes"].tolist(),
                strict=True,
            ):
                found.append(SplitEntry(recipe.source[index].name, quota, documents, size))
    return found


def _damage(stages: Sequence[Sealed]) -> list[DamageEntry]:
    found = []
    for stage in stages:
        for url in stage.urls(".damage.arrow"):
            for columns in read_part(url):
                for path, what, size in zip(
                    columns["path"], columns["what"], columns["stream_bytes"], strict=True
                ):
                    found.append(DamageEntry(path.decode(), what.decode(), int(size)))
    return sorted(found, key=lambda entry: entry.path)


def publish(store: str, manifest: Manifest, stages: Sequence[Sealed], run: Mapping[str, Any]) -> str:
    """Publishes a manifest and all that vouches for it; gives its digest.

    Raises:
        StoreError: The ref already names another corpus.
    """
    digest = publish_manifest(store, manifest)
    statement = publish_attestation(store, manifest, _files(store, digest, stages), {**environment(), **run})
    publish_ref(store, manifest.name, manifest.version, digest)
    subject = f"{manifest.name}@{manifest.version}"
    # Another statement than the one that was said goes: the old one went with the attestation that gc removed.
    said = [(entry.manifest, entry.subject, entry.statement) for entry in read_history(store)]
    if (digest, subject, statement) not in said:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        append_history(
            store,
            {
                "action": "seal",
                "subject": subject,
                "manifest": digest,
                "statement": statement,
                "actor": str(run.get("actor", environment()["user"])),
                "time": now,
                "why": str(run.get("why", "built")),
            },
        )
    return digest


def _files(store: str, digest: str, stages: Sequence[Sealed]) -> list[FileEntry]:
    """Every file the corpus consists of: the manifest, the stages' seals and their parts."""
    found = []
    for stage in stages:
        folder = f"stages/{stage.name}/{stage.key}"
        found += [FileEntry(f"{folder}/parts/{part.name}", part.blob, part.bytes) for part in stage.parts]
        sha256, size = blob_digest(storage.join(store, folder, "stage.json"))
        found.append(FileEntry(f"{folder}/stage.json", sha256, size))
    sha256, size = blob_digest(manifest_url(store, digest))
    return [*found, FileEntry(f"manifests/{digest}.json", sha256, size)]
