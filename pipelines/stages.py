"""The pipeline, defined once: read top-down it is section 2.3 of the OPT paper (arXiv 2205.01068).

    pin                          files -> sha256
    documents                    files -> documents, normalised and judged
    threads, bodies, chains      Reddit's files -> the longest chain of each thread -> documents
    items, roots, stories        Hacker News's files -> the story of each item -> a document per story
    exact                        one document per text
    signatures .. losers         near-duplicates: MinHash, every candidate verified, resolved once
    verdicts                     the ledger, and what is kept
    split, vocabulary, encode, layout, shards   validation, tokens, shards

Each stage is a map over tasks, perhaps an exchange by key and a reduce per partition; the exchanges are, in order:
thread, blob, thread | story | text digest, block, band key, block of b, block of a | block | shard. Tasks and
partitions are functions of the inputs alone: engines and workers cannot move a byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from corpus import duplicates as duplicates_rules
from corpus import minhash, order, reddit_chains, shingles, story_roots, tokenizer
from corpus.encoders import behaviour_digest
from corpus.errors import RecipeError
from corpus.readers import reddit
from corpus.readers.formats import format_version
from corpus.recipe import DUMPS, Recipe
from corpus.source import Blob, blob_stamp
from pipelines.driver import Driver
from pipelines.stage import Sealed, Stage
from pipelines.steps import documents, dumps, duplicates, pin, stories, threads, tokens, treatment, verdicts
from pipelines.steps.blocks import Blocks


@dataclass(frozen=True)
class Build:
    """One build: what is built, from where, to where, by whom.

    Attributes:
        vocabulary: "gpt2", or where OPT's vocabulary file lies; the recipe only names which it is.
        encoder: "tokenizers" or "fast"; the ids are the same.
    """

    recipe: Recipe
    data: str
    store: str
    vocabulary: str
    encoder: str
    driver: Driver

    def stage(self, name: str, **parts: Any) -> Sealed:
        """Runs a stage of this store, or finds it sealed."""
        total = parts.pop("total_bytes", 0)
        return self.driver.run(Stage(name=name, store=self.store, **parts), total)


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
        total_bytes=sum(blob.size for blob in blobs),
    )
    return pin.pinned(blobs, stage)


def run(build: Build, blobs: tuple[Blob, ...]) -> dict[str, Any]:
    """Every stage of the corpus, from pinned files to shards; gives what the manifest says of the vocabulary."""
    read = [*read_documents(build, blobs), *read_reddit(build, blobs), *read_hacker_news(build, blobs)]
    blocks = Blocks.of(read)
    exact = one_per_text(build, read, blocks)
    losers = near_duplicates(build, read, blocks, exact)
    ledger = decide(build, read, blocks, exact, losers)
    return make_shards(build, read, blocks, ledger)


def _reading_rules(recipe: Recipe, readers: Sequence[str]) -> dict[str, Any]:
    """What decides the documents of some inputs: the inputs, the sources' treatment, and the rules' versions."""
    entries = [entry for entry in recipe.input if entry.reader in readers]
    return {
        "inputs": [msgspec.to_builtins(entry) for entry in entries],
        "names": [[source.name for source in recipe.source], [entry.name for entry in recipe.input]],
        "texts": [msgspec.to_builtins(source.text or recipe.text) for source in recipe.source],
        "on_damage": recipe.on_damage,
        "max_record_bytes": recipe.max_record_bytes,
        "readers": {entry.name: format_version(entry) for entry in entries},
    } | treatment.describe([recipe.text_of(source.name) for source in recipe.source])


def _numbered(blobs: Sequence[Blob], recipe: Recipe, readers: Sequence[str]) -> list[int]:
    chosen = {entry.name for entry in recipe.input if entry.reader in readers}
    return [number for number, blob in enumerate(blobs) if blob.input in chosen]


def _identities(blobs: Sequence[Blob], numbers: Sequence[int]) -> list[str]:
    return [f"{number} {blobs[number].input}/{blobs[number].path} {blobs[number].sha256}" for number in numbers]


def read_documents(build: Build, blobs: tuple[Blob, ...]) -> list[Sealed]:
    """Files whose records are documents by themselves become documents."""
    readers = [entry.reader for entry in build.recipe.input if entry.reader not in DUMPS]
    numbers = _numbered(blobs, build.recipe, readers)
    if not numbers:
        return []
    tasks = documents.group_blobs(blobs, numbers)
    return [
        build.stage(
            "documents",
            rules=_reading_rules(build.recipe, readers),
            inputs=_identities(blobs, numbers),
            job=documents.DocumentsJob(build.data, build.recipe, blobs, tasks),
            tasks=len(tasks),
            map=documents.documents_map,
        )
    ]


def read_reddit(build: Build, blobs: tuple[Blob, ...]) -> list[Sealed]:
    """Reddit's comments become nodes, the longest chain of each thread is chosen, its bodies become a document."""
    numbers = _numbered(blobs, build.recipe, ["reddit"])
    if not numbers:
        return []
    job = dumps.Dumps(build.data, build.recipe, blobs, tuple(numbers), "reddit", threads.PARTITION_BYTES)
    rules = _reading_rules(build.recipe, ["reddit"]) | {"chains": reddit_chains.VERSION, "posts": reddit.VERSION}
    nodes = build.stage(
        "threads",
        rules=rules,
        inputs=_identities(blobs, numbers),
        job=job,
        tasks=len(numbers),
        map=threads.threads_map,
        partitions=job.partitions,
        reduce=threads.threads_reduce,
    )
    chosen = nodes.urls("chosen.arrow")
    bodies = build.stage(
        "bodies",
        rules=rules,
        inputs=[nodes.digest, *_identities(blobs, numbers)],
        job=threads.PartsJob(job, tuple(chosen)),
        tasks=len(chosen),
        map=threads.bodies_map,
        partitions=len(numbers),
        reduce=threads.bodies_reduce,
    )
    parts = bodies.urls("bodies.arrow")
    chains = build.stage(
        "chains",
        rules=rules,
        inputs=[bodies.digest],
        job=threads.ChainsJob(job, tuple(parts), {int(url[-18:-13]): url for url in chosen}),
        tasks=len(parts),
        map=threads.chains_map,
        partitions=job.partitions,
        reduce=threads.chains_reduce,
    )
    return [nodes, chains]


def read_hacker_news(build: Build, blobs: tuple[Blob, ...]) -> list[Sealed]:
    """Hacker News's items find their stories, and the items of a story become a document."""
    numbers = _numbered(blobs, build.recipe, ["hacker-news"])
    if not numbers:
        return []
    job = dumps.Dumps(build.data, build.recipe, blobs, tuple(numbers), "hacker-news", stories.PARTITION_BYTES)
    rules = _reading_rules(build.recipe, ["hacker-news"]) | {"roots": story_roots.VERSION}
    items = build.stage(
        "items",
        rules=rules,
        inputs=_identities(blobs, numbers),
        job=job,
        tasks=len(numbers),
        map=stories.items_map,
    )
    links = items.facts("links.arrow")
    roots = build.stage(
        "roots",
        rules=rules,
        inputs=[items.digest],
        job=stories.RootsJob(job, tuple(items.urls("links.arrow")), sum(part.rows for part in links)),
        tasks=1,
        map=stories.roots_map,
    )
    made = build.stage(
        "stories",
        rules=rules,
        inputs=[roots.digest, *_identities(blobs, numbers)],
        job=stories.StoriesJob(job, tuple(roots.urls("roots.arrow"))),
        tasks=len(numbers),
        map=stories.stories_map,
        partitions=job.partitions,
        reduce=stories.stories_reduce,
    )
    return [items, made]


def one_per_text(build: Build, read: Sequence[Sealed], blocks: Blocks) -> Sealed:
    """Of documents with the same normalised text, the best ranked goes on."""
    rows = sum(part.rows for stage in read for part in stage.facts(".rows.arrow"))
    partitions = duplicates.partitions_for(rows)
    return build.stage(
        "exact",
        rules={"version": 1},
        inputs=[stage.digest for stage in read],
        job=duplicates.ExactJob(blocks, partitions),
        tasks=blocks.groups,
        map=duplicates.exact_map,
        partitions=partitions,
        reduce=duplicates.exact_reduce,
    )


def near_duplicates(build: Build, read: Sequence[Sealed], blocks: Blocks, exact: Sealed) -> Sealed:
    """Of documents with Jaccard at or above the threshold, the recipe's policy says which stay."""
    candidates = bring_together(build, read, blocks, exact)
    evidence = compare(build, read, blocks, candidates)
    policy = build.recipe.duplicates.policy
    return build.stage(
        "losers",
        rules={"policy": policy, "duplicates": duplicates_rules.DUPLICATES_VERSION},
        inputs=[evidence.digest],
        job=duplicates.LosersJob(tuple(evidence.urls("evidence.arrow")), policy),
        tasks=1,
        map=duplicates.losers_map,
    )


def bring_together(build: Build, read: Sequence[Sealed], blocks: Blocks, exact: Sealed) -> Sealed:
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
    lost = exact.urls("exact.arrow")
    signatures = build.stage(
        "signatures",
        rules=rules,
        inputs=[*(stage.digest for stage in read), exact.digest],
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
        job=duplicates.CandidatesJob(tuple(bands), partitions),
        tasks=len(bands),
        map=duplicates.candidates_map,
        partitions=partitions,
        reduce=duplicates.candidates_reduce,
    )


def compare(build: Build, read: Sequence[Sealed], blocks: Blocks, candidates: Sealed) -> Sealed:
    """Every candidate pair is compared exactly, shingle set against shingle set."""
    chosen = build.recipe.duplicates
    rules = {"ngram": chosen.ngram, "shingles": shingles.SHINGLE_VERSION}
    text = [stage.digest for stage in read]
    pairs = candidates.urls("pairs.arrow")
    sets = build.stage(
        "shingles",
        rules=rules,
        inputs=[*text, candidates.digest],
        job=duplicates.VerifyJob(blocks, tuple(pairs), chosen.ngram, chosen.threshold_percent),
        tasks=len(pairs),
        map=duplicates.shingles_map,
        partitions=blocks.groups,
        reduce=duplicates.shingles_reduce,
    )
    parts = sets.urls("shingles.arrow")
    return build.stage(
        "evidence",
        rules=rules | {"threshold_percent": chosen.threshold_percent},
        inputs=[*text, sets.digest],
        job=duplicates.VerifyJob(blocks, tuple(parts), chosen.ngram, chosen.threshold_percent),
        tasks=len(parts),
        map=duplicates.evidence_map,
        partitions=blocks.groups,
        reduce=duplicates.evidence_reduce,
    )


def decide(build: Build, read: Sequence[Sealed], blocks: Blocks, exact: Sealed, losers: Sealed) -> Sealed:
    """The verdict on every record: the ledger is written, and what is kept goes on."""
    lost = verdicts.VerdictsJob(blocks, tuple(exact.urls("exact.arrow")), tuple(losers.urls("losers.arrow")))
    return build.stage(
        "verdicts",
        rules={"version": 1},
        inputs=[*(stage.digest for stage in read), exact.digest, losers.digest],
        job=lost,
        tasks=len(lost.exact) + len(lost.losers),
        map=verdicts.verdicts_map,
        partitions=blocks.groups,
        reduce=verdicts.verdicts_reduce,
    )


def make_shards(build: Build, read: Sequence[Sealed], blocks: Blocks, ledger: Sealed) -> dict[str, Any]:
    """What the ledger keeps is split, encoded and laid into shards in keyed order."""
    recipe = build.recipe
    sources = tuple(source.name for source in recipe.source)
    kept = tuple(ledger.urls("kept.arrow"))
    split_key, order_key = (order.derive_key(recipe.seed, purpose) for purpose in ("validation", "order"))
    ordering = {"seed": recipe.seed, "order": order.ORDER_VERSION}
    split = build.stage(
        "split",
        rules=ordering | msgspec.to_builtins(recipe.validation),
        inputs=[ledger.digest],
        job=tokens.SplitJob(kept, sources, recipe.validation.bytes, recipe.validation.max_percent, split_key),
        tasks=1,
        map=tokens.split_map,
    )
    description = tokens.describe(tokenizer.load_vocabulary(build.vocabulary), proved_behaviour(build.encoder))
    build.stage(
        "vocabulary",
        rules={"vocabulary": description},
        inputs=[],
        job=build.vocabulary,
        tasks=1,
        map=tokens.vocabulary_map,
    )
    encoded = build.stage(
        "encode",
        rules=ordering | {"vocabulary": description, "tokenizer": tokenizer.TOKENIZER_VERSION},
        inputs=[*(stage.digest for stage in read), ledger.digest, split.digest],
        job=tokens.EncodeJob(
            blocks,
            kept,
            split.urls("split.arrow")[0],
            build.vocabulary,
            build.encoder,
            split_key,
            order_key,
        ),
        tasks=len(kept),
        map=tokens.encode_map,
        total_bytes=sum(count for key, count in ledger.counts.items() if key.endswith("/0/text_bytes")),
    )
    parts = tuple(encoded.urls("tokens.arrow"))
    layout = build.stage(
        "layout",
        rules=ordering | {"shard_bytes": recipe.tokens.shard_bytes},
        inputs=[encoded.digest],
        job=tokens.LayoutJob(parts, sources, recipe.tokens.shard_bytes),
        tasks=1,
        map=tokens.layout_map,
    )
    plans = tokens.read_layout(layout.urls("layout.arrow")[0], sources)
    build.stage(
        "shards",
        rules=ordering | {"names": [plan.name for plan in plans]},
        inputs=[encoded.digest, layout.digest],
        job=tokens.ShardsJob(parts, sources, plans),
        tasks=len(parts),
        map=tokens.shards_map,
        partitions=len(plans),
        reduce=tokens.shards_reduce,
    )
    return description


def proved_behaviour(encoder: str) -> str:
    """The digest of what the tokenizer does, and the proof that the chosen encoder does the same.

    Raises:
        RecipeError: It does not: another release of its library is installed than the one that was tested.
    """
    behaviour = behaviour_digest(tokens.shared_encoder("tokenizers"))
    if encoder != "tokenizers" and behaviour_digest(tokens.shared_encoder(encoder)) != behaviour:
        raise RecipeError(
            "the fast encoder gives other ids than `tokenizers`",
            where=f"--encoder {encoder}",
            remedy="install the pinned releases of workflows/locks, or build with --encoder tokenizers",
        )
    return behaviour
