"""The pipeline, defined once: read top-down it is section 2.3 of the OPT paper (arXiv 2205.01068).

    pin                          files -> sha256
    documents                    files -> documents, normalised and judged
    threads, bodies, chains      Reddit's files -> the longest chain of each thread -> documents
    items, roots, stories        Hacker News's files -> the story of each item -> a document per story
    urls                         one page per URL, of the inputs that ask for it
    exact                        one document per text
    signatures .. losers         near-duplicates: MinHash, every candidate verified, resolved once
    verdicts                     the ledger, and what is kept
    split, vocabulary, encode, layout, shards   validation, tokens, shards

Each stage is a map over tasks, perhaps an exchange by key and a reduce per partition; the exchanges are, in order:
thread, blob, thread | story | url | text digest, block, band key, block of b, block of a | block | shard. Tasks
and partitions are functions of the inputs alone: engines and workers cannot move a byte.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from corpus import duplicates as duplicates_rules
from corpus import minhash, order, shingles, tokenizer
from corpus.drops import Drop
from corpus.encoders import DEFINITION, behaviour_digest
from corpus.errors import RecipeError
from corpus.source import Blob, blob_stamp
from corpus.url import URL_VERSION
from pipelines.build import Build
from pipelines.document_stages import input_files, read_all
from pipelines.stage import Sealed
from pipelines.steps import candidates, documents, duplicates, losers, pin, tokens, urls, verdicts
from pipelines.steps.blocks import Blocks
from pipelines.steps.tokens import ShardPlan


def pin_blobs(build: Build, blobs: Sequence[Blob]) -> tuple[Blob, ...]:
    """The files with their digests, taken now; reading them proves the digests again."""
    tasks = documents.group_blobs(blobs, range(len(blobs)))
    stage = build.stage(
        "pin",
        rules={"version": 1},
        inputs=[f"{blob.input}/{blob.path} {blob.size} {blob_stamp(build.data, blob)}" for blob in blobs],
        job=pin.PinJob(build.data, tuple(blobs), tasks),
        tasks=len(tasks),
        map=pin.pin_map,
        reads=input_files("map", blobs, tasks),
        total_bytes=sum(blob.size for blob in blobs),
    )
    return tuple(blobs) if stage.is_forecast else pin.pinned(blobs, stage)


def run(build: Build, blobs: tuple[Blob, ...]) -> dict[str, Any]:
    """Every stage of the corpus, from pinned files to shards; gives what the manifest says of the vocabulary."""
    description = tokens.describe(tokenizer.load_vocabulary(build.vocabulary), proved_behaviour(build.encoder))
    run_with(build, blobs, description)
    return description


def run_with(build: Build, blobs: tuple[Blob, ...], vocabulary: Mapping[str, Any]) -> None:
    """The same with a vocabulary that is told of: who only looks at what was computed needs no tokenizer."""
    read = read_all(build, blobs)
    blocks = Blocks.of(read)
    repeated = once_per_url(build, blobs, read, blocks)
    exact = one_per_text(build, read, blocks, repeated)
    near = near_duplicates(build, read, blocks, [*repeated, exact])
    ledger = decide(build, read, blocks, [*repeated, exact, near])
    make_shards(build, read, blocks, ledger, vocabulary)


def once_per_url(build: Build, blobs: Sequence[Blob], read: Sequence[Sealed], blocks: Blocks) -> list[Sealed]:
    """Of the documents of one URL, the first fetched goes on; no stage where no input asks for it."""
    asking = {entry.name for entry in build.recipe.input if entry.once_per_url}
    if not asking:
        return []
    rows = sum(part.rows for stage in read for part in stage.facts(".facts.arrow"))
    partitions = duplicates.partitions_for(rows)
    asks = np.array([blob.input in asking for blob in blobs], np.bool_)
    return [
        build.stage(
            "urls",
            rules={"version": urls.URLS_VERSION, "url": URL_VERSION, "inputs": sorted(asking)},
            # The rows know a file's number; which of the numbers ask is told by nothing that was read.
            inputs=[*(stage.digest for stage in read), hashlib.sha256(asks.tobytes()).hexdigest()],
            job=urls.UrlsJob(blocks, asks, partitions),
            tasks=blocks.groups,
            map=urls.urls_map,
            partitions=partitions,
            reduce=urls.urls_reduce,
        )
    ]


def one_per_text(build: Build, read: Sequence[Sealed], blocks: Blocks, repeated: Sequence[Sealed]) -> Sealed:
    """Of documents with the same normalised text, the best ranked goes on."""
    gone = tuple(url for stage in repeated for url in stage.urls("urls.arrow"))
    rows = sum(part.rows for stage in read for part in stage.facts(".rows.arrow"))
    partitions = duplicates.partitions_for(rows)
    return build.stage(
        "exact",
        rules={"version": 1},
        inputs=[stage.digest for stage in (*read, *repeated)],
        job=duplicates.ExactJob(blocks, gone, partitions),
        tasks=blocks.groups + len(gone),
        map=duplicates.exact_map,
        partitions=partitions,
        reduce=duplicates.exact_reduce,
    )


def near_duplicates(build: Build, read: Sequence[Sealed], blocks: Blocks, gone: Sequence[Sealed]) -> Sealed:
    """Of documents with Jaccard at or above the threshold, the recipe's policy says which stay."""
    together = bring_together(build, read, blocks, gone)
    evidence = compare(build, read, blocks, together)
    policy = build.recipe.duplicates.policy
    return build.stage(
        "losers",
        rules={"policy": policy, "duplicates": duplicates_rules.DUPLICATES_VERSION},
        inputs=[evidence.digest],
        job=losers.LosersJob(tuple(evidence.urls("evidence.arrow")), policy),
        tasks=1,
        map=losers.losers_map,
    )


def bring_together(build: Build, read: Sequence[Sealed], blocks: Blocks, gone: Sequence[Sealed]) -> Sealed:
    """Documents that share a band of their MinHash signatures become candidate pairs."""
    chosen = build.recipe.duplicates
    rule = minhash.MinHashRule(
        seed=chosen.seed,
        words=chosen.ngram,
        bands=chosen.bands,
        rows=chosen.rows,
        threshold_percent=chosen.threshold_percent,
    )
    # Each stage is keyed by what decides it alone: another policy resolves again and compares nothing again.
    rules = {"shingles": shingles.SHINGLE_VERSION, "minhash": minhash.MINHASH_VERSION} | asdict(rule)
    lost = [url for stage in gone for url in stage.urls(".arrow")]
    signatures = build.stage(
        "signatures",
        rules=rules,
        inputs=[stage.digest for stage in (*read, *gone)],
        job=duplicates.SignaturesJob(blocks, tuple(lost), rule),
        tasks=len(lost),
        map=duplicates.signatures_map,
        partitions=blocks.groups,
        reduce=duplicates.signatures_reduce,
    )
    bands = signatures.urls("bands.arrow")
    partitions = duplicates.partitions_for(sum(part.rows for part in signatures.parts))
    return build.stage(
        "candidates",
        rules=rules | {"duplicates": duplicates_rules.DUPLICATES_VERSION},
        inputs=[signatures.digest],
        job=candidates.CandidatesJob(tuple(bands), partitions),
        tasks=len(bands),
        map=candidates.candidates_map,
        partitions=partitions,
        reduce=candidates.candidates_reduce,
    )


def compare(build: Build, read: Sequence[Sealed], blocks: Blocks, together: Sealed) -> Sealed:
    """Every candidate pair is compared exactly, shingle set against shingle set."""
    chosen = build.recipe.duplicates
    rules = {"ngram": chosen.ngram, "shingles": shingles.SHINGLE_VERSION}
    text = [stage.digest for stage in read]
    pairs = together.urls("pairs.arrow")
    sets = build.stage(
        "shingles",
        rules=rules,
        inputs=[*text, together.digest],
        job=duplicates.VerifyJob(blocks, tuple(pairs), chosen.ngram, chosen.threshold_percent),
        tasks=len(pairs),
        map=duplicates.shingles_map,
        partitions=blocks.groups,
        reduce=duplicates.shingles_reduce,
    )
    parts = sets.urls("shingles.arrow")
    return build.stage(
        "evidence",
        rules=rules | {"threshold_percent": chosen.threshold_percent, "evidence": duplicates.EVIDENCE_VERSION},
        inputs=[*text, sets.digest],
        job=duplicates.VerifyJob(blocks, tuple(parts), chosen.ngram, chosen.threshold_percent),
        tasks=len(parts),
        map=duplicates.evidence_map,
        partitions=blocks.groups,
        reduce=duplicates.evidence_reduce,
    )


def decide(build: Build, read: Sequence[Sealed], blocks: Blocks, gone: Sequence[Sealed]) -> Sealed:
    """The verdict on every record: the ledger is written, and what is kept goes on."""
    reasons = {"urls": Drop.REPEATED_URL, "exact": Drop.EXACT_DUPLICATE, "losers": Drop.NEAR_DUPLICATE}
    lost = [(reasons[stage.name], url) for stage in gone for url in stage.urls(".arrow")]
    return build.stage(
        "verdicts",
        rules={"version": 2},
        inputs=[stage.digest for stage in (*read, *gone)],
        job=verdicts.VerdictsJob(blocks, tuple(lost)),
        tasks=len(lost),
        map=verdicts.verdicts_map,
        partitions=blocks.groups,
        reduce=verdicts.verdicts_reduce,
    )


def make_shards(
    build: Build, read: Sequence[Sealed], blocks: Blocks, ledger: Sealed, vocabulary: Mapping[str, Any]
) -> None:
    """What the ledger keeps is split, encoded and laid into shards in keyed order."""
    recipe = build.recipe
    sources = tuple(source.name for source in recipe.source)
    kept = tuple(ledger.urls("kept.arrow"))
    ordering = {"seed": recipe.seed, "order": order.ORDER_VERSION}
    split = build.stage(
        "split",
        rules=ordering | msgspec.to_builtins(recipe.validation) | {"sources": list(sources)},
        inputs=[ledger.digest],
        job=tokens.SplitJob(kept, sources, recipe.validation.bytes, recipe.validation.max_percent, recipe.seed),
        tasks=1,
        map=tokens.split_map,
    )
    build.stage(
        "vocabulary",
        rules={"vocabulary": vocabulary},
        inputs=[],
        job=build.vocabulary,
        tasks=1,
        map=tokens.vocabulary_map,
    )
    encoded = build.stage(
        "encode",
        rules={"vocabulary": vocabulary, "tokenizer": tokenizer.TOKENIZER_VERSION},
        inputs=[*(stage.digest for stage in read), ledger.digest],
        job=tokens.EncodeJob(blocks, kept, build.vocabulary, build.encoder),
        tasks=len(kept),
        map=tokens.encode_map,
        total_bytes=sum(count for key, count in ledger.counts.items() if key.endswith("/0/text_bytes")),
    )
    parts = tuple(encoded.urls("tokens.arrow"))
    places = tokens.Ordering.seeded(split.urls("split.arrow")[0], recipe.seed)
    layout = build.stage(
        "layout",
        rules=ordering | {"shard_bytes": recipe.tokens.shard_bytes},
        inputs=[encoded.digest, split.digest],
        job=tokens.LayoutJob(parts, places, recipe.tokens.shard_bytes),
        tasks=1,
        map=tokens.layout_map,
    )
    plans = planned_shards(layout, encoded, sources, recipe.tokens.shard_bytes)
    build.stage(
        "shards",
        rules=ordering | {"names": [plan.name for plan in plans]},
        inputs=[encoded.digest, split.digest, layout.digest],
        job=tokens.ShardsJob(parts, places, sources, plans),
        tasks=len(parts),
        map=tokens.shards_map,
        partitions=len(plans),
        reduce=tokens.shards_reduce,
    )


def planned_shards(layout: Sealed, encoded: Sealed, sources: tuple[str, ...], limit: int) -> tuple[ShardPlan, ...]:
    """Every shard to be; of a layout that was not made, as many as the ids may fill and two of each source."""
    if not layout.is_forecast:
        return tokens.read_layout(layout.urls("layout.arrow")[0], sources)
    count = 2 * len(sources) + sum(part.bytes for part in encoded.facts("tokens.arrow")) // limit
    return tuple(ShardPlan(0, 0, number, count, f"{number:05d}") for number in range(count))


@functools.cache  # a plan asks as often as it is made, and a library does not change meanwhile
def proved_behaviour(encoder: str) -> str:
    """The digest of what the tokenizer does, and the proof that the chosen encoder does the same.

    Raises:
        RecipeError: It does not: another release of its library is installed than the one that was tested.
    """
    behaviour = behaviour_digest(tokens.shared_encoder(DEFINITION))
    if encoder != DEFINITION and behaviour_digest(tokens.shared_encoder(encoder)) != behaviour:
        raise RecipeError(
            "the fast encoder gives other ids than `tokenizers`",
            where=f"--encoder {encoder}",
            remedy="install the pinned releases of workflows/locks, or build with --encoder tokenizers",
        )
    return behaviour
