"""From kept documents to shards (design: validation after duplicates, encode, shards in keyed order).

split     kept documents -> one task -> where validation ends, per source
encode    kept and texts -> map      -> the ids of each document
layout    encoded        -> one task -> how many shards each source and split has
shards    encoded        -> by shard -> .bin, .idx and placement
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpus import order
from corpus.document import Texts
from corpus.encoder_check import EncoderCheck
from corpus.encoders import DEFINITION, choose_encoder
from corpus.part import PartFacts, PartWriter, read_part
from corpus.provenance import placement_columns
from corpus.shard import write_shard
from corpus.table import Columns, concat, gather, row_count, take
from corpus.tokenizer import Encoder, Tokens, Vocabulary, encode_documents, load_vocabulary
from pipelines.external_sort import sort_rows
from pipelines.stage import Output
from pipelines.steps.blocks import Blocks

SPLITS = ("train", "valid")
_VALIDATION = "validation"  # what the key that chooses it is derived for
_ID_BYTES = 2
_CARRIED = ("doc_id", "source", "text_bytes", "ledger", "ledger_row")
# Unpublished: our choice; a shard of more is sorted on disk, so that no worker's peak grows with its shards.
_SORTED_BYTES = 16 << 20
_PLACED_BYTES = 16 << 20  # unpublished: our choice; of ids and placement, whose rows are a row group


@dataclass(frozen=True)
class SplitJob:
    """What the split reads; the quota is for all sources together, in bytes of text and in hundredths of it."""

    kept: tuple[str, ...]
    sources: tuple[str, ...]
    quota: int
    max_percent: int
    seed: int

    @property
    def key(self) -> int:
        """Orders the documents of a source for the choice of validation."""
        return order.derive_key(self.seed, _VALIDATION)


def split_map(job: SplitJob, number: int, output: Output) -> None:
    """Finds the last document of each source's validation set.

    Two passes over ids and sizes: a histogram, then the documents of the one bin where the quota is reached.
    """
    histograms = [order.KeyHistogram.of(np.zeros(0, np.uint64), np.zeros(0, np.int64)) for _ in job.sources]
    documents = np.zeros(len(job.sources), np.int64)
    for source, columns in _by_source(job.kept):
        keys = order.order_keys(columns["doc_id"], job.key)
        weights = order.KeyHistogram.of(keys, columns["text_bytes"])
        histograms[source] = order.KeyHistogram.merged([histograms[source], weights])
    totals = {name: histogram.total for name, histogram in zip(job.sources, histograms, strict=True)}
    quotas = order.proportional_quotas(totals, min(job.quota, sum(totals.values()) * job.max_percent // 100))
    ends = [order.crossing(histograms[i], quotas[name]) for i, name in enumerate(job.sources)]
    held: list[list[Columns]] = [[] for _ in job.sources]
    for source, columns in _by_source(job.kept):
        end = ends[source]
        if end is not None:
            keys = order.order_keys(columns["doc_id"], job.key)
            held[source].append(take(columns | {"key": keys}, end.holds(keys)))
    cuts: list[order.Cut | None] = []
    for source, end in enumerate(ends):
        found = concat(held[source])
        quota = quotas[job.sources[source]]
        cuts.append(order.cut(found["key"], found["doc_id"], found["text_bytes"], end, quota) if end else None)
    for source, columns in _by_source(job.kept):
        keys = order.order_keys(columns["doc_id"], job.key)
        documents[source] += int(order.in_validation(keys, columns["doc_id"], cuts[source]).sum())
    ids = b"".join(cut.doc_id if cut else bytes(16) for cut in cuts)
    output.write(
        "split.arrow",
        {
            "source": np.arange(len(cuts), dtype=np.uint16),
            "quota_bytes": np.array([quotas[name] for name in job.sources], np.int64),
            "documents": documents,
            "bytes": np.array([cut.weight if cut else 0 for cut in cuts], np.int64),
            "last_key": np.array([cut.key if cut else 0 for cut in cuts], np.uint64),
            "last_doc_id": np.frombuffer(ids, np.uint8).reshape(-1, 16),
        },
    )


def _by_source(kept: tuple[str, ...]) -> Iterator[tuple[int, Columns]]:
    """Ids and sizes of the kept documents, batch by batch, each of one source."""
    for url in kept:
        for columns in read_part(url, ["doc_id", "source", "text_bytes"]):
            for source in np.unique(columns["source"]).tolist():
                yield source, take(columns, columns["source"] == source)


def _read_cuts(url: str) -> list[order.Cut | None]:
    """Where validation ends, per source."""
    columns = concat(read_part(url))
    rows = zip(columns["documents"], columns["last_key"], columns["last_doc_id"], columns["bytes"], strict=True)
    return [order.Cut(int(key), last.tobytes(), int(size)) if count else None for count, key, last, size in rows]


@dataclass(frozen=True)
class EncodeJob:
    """What encoding reads."""

    blocks: Blocks
    kept: tuple[str, ...]
    vocabulary: str
    encoder: str


@functools.cache
def shared_encoder(name: str) -> Encoder:
    """The one encoder of that name for all tasks of a process: to make it costs as much as to encode 20 MB."""
    return choose_encoder(name)


def encode_map(job: EncodeJob, number: int, output: Output) -> None:
    """Writes the ids of every kept document of a group of blocks, end-of-document ids included."""
    encoder, vocabulary = shared_encoder(job.encoder), load_vocabulary(job.vocabulary)
    is_definition = job.encoder == DEFINITION
    checked = None if is_definition else EncoderCheck(encoder, shared_encoder(DEFINITION), vocabulary)
    with output.part("tokens.arrow") as part:
        for kept in read_part(job.kept[number]):
            if not len(kept["row"]):
                part.write(_encoded(kept, Tokens(np.zeros(0, np.uint16), np.zeros(1, np.int64))))
                continue
            for row, texts in job.blocks.read_text(int(kept["block"][0])):
                chosen = np.flatnonzero(np.isin(row, kept["row"]))
                texts = texts.take(chosen)
                tokens = encode_documents(encoder, vocabulary, texts)
                found = take(kept, np.searchsorted(kept["row"], row[chosen]))
                if checked is not None:
                    checked.check(found["doc_id"], texts, tokens)
                part.write(_encoded(found, tokens))
                output.tick(int(found["text_bytes"].sum()), len(chosen))
        output.parts.append(part.close())


def _encoded(kept: Columns, tokens: Tokens) -> Columns:
    """Documents with their ids."""
    return {name: kept[name] for name in _CARRIED} | {
        "tokens": tokens.lengths,
        "ids": Texts(tokens.ids.astype("<u2", copy=False).view(np.uint8), tokens.offsets * _ID_BYTES),
    }


@dataclass(frozen=True)
class Ordering:
    """What says where a document stands: found when it is placed, so that another seed encodes nothing again.

    Attributes:
        split: The part that says where validation ends.
        split_key: Orders the documents of a source for the choice of validation.
        order_key: Orders the documents of a source and split.
    """

    split: str
    split_key: int
    order_key: int

    @classmethod
    def seeded(cls, split: str, seed: int) -> Ordering:
        """The ordering of a recipe's seed."""
        return cls(split, order.derive_key(seed, _VALIDATION), order.derive_key(seed, "order"))

    def apply(self, batches: Iterator[Columns]) -> Iterator[Columns]:
        """Documents with their split and their order key beside them."""
        cuts = _read_cuts(self.split)
        for columns in batches:
            split_keys = order.order_keys(columns["doc_id"], self.split_key)
            valid = np.zeros(len(split_keys), np.uint8)
            for source in np.unique(columns["source"]).tolist():
                mine = np.flatnonzero(columns["source"] == source)
                valid[mine] = order.in_validation(split_keys[mine], columns["doc_id"][mine], cuts[source])
            yield columns | {"split": valid, "key": order.order_keys(columns["doc_id"], self.order_key)}


def vocabulary_map(job: str, number: int, output: Output) -> None:
    """Writes the bytes of every id, so that a corpus can be read back wherever it is carried."""
    output.write("vocabulary.arrow", {"token": Texts.from_list(load_vocabulary(job).tokens)})


def describe(vocabulary: Vocabulary, behaviour: str) -> dict[str, Any]:
    """What the manifest says of a vocabulary; an id that an order does not have is null."""
    return {
        "name": vocabulary.name,
        "size": vocabulary.size,
        "padded_size": vocabulary.padded_size,
        "bos": vocabulary.bos,
        "eos": vocabulary.eos,
        "pad": vocabulary.pad,
        "unk": vocabulary.unk,
        "end_of_document": vocabulary.end_of_document,
        "files": dict(vocabulary.files),
        "behaviour": behaviour,
    }


@dataclass(frozen=True)
class LayoutJob:
    """What the layout reads; the limit is for a shard's .bin, in bytes."""

    encoded: tuple[str, ...]
    ordering: Ordering
    limit: int


def layout_map(job: LayoutJob, number: int, output: Output) -> None:
    """Counts the shards of each source and split: the fewest of which none is over the limit."""
    histograms: dict[tuple[int, int], order.KeyHistogram] = {}
    for url in job.encoded:
        for columns in job.ordering.apply(read_part(url, ["doc_id", "source", "tokens"])):
            cell = columns["source"].astype(np.int64) * len(SPLITS) + columns["split"]
            for value in np.unique(cell).tolist():
                mine = cell == value
                weights = order.KeyHistogram.of(columns["key"][mine], columns["tokens"][mine] * _ID_BYTES)
                before = histograms.get(divmod(value, len(SPLITS)))
                merged = order.KeyHistogram.merged([before, weights]) if before else weights
                histograms[divmod(value, len(SPLITS))] = merged
    cells = sorted(histograms)
    counts = [order.shard_count(histograms[cell], job.limit) for cell in cells]
    output.write(
        "layout.arrow",
        {
            "source": np.array([source for source, _ in cells], np.uint16),
            "split": np.array([split for _, split in cells], np.uint8),
            "shards": np.array(counts, np.int64),
        },
    )


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be: `<source>-00000`, or `<source>-valid-00000`; the number-th of so many key ranges."""

    source: int
    split: int
    number: int
    of: int
    name: str


def read_layout(url: str, sources: tuple[str, ...]) -> tuple[ShardPlan, ...]:
    """Every shard of a layout, in order."""
    layout = concat(read_part(url))
    plans = []
    for source, split, count in zip(
        *(layout[name].tolist() for name in ("source", "split", "shards")), strict=True
    ):
        stem = sources[source] + ("-valid" if SPLITS[split] == "valid" else "")
        plans += [ShardPlan(source, split, number, count, f"{stem}-{number:05d}") for number in range(count)]
    return tuple(plans)


@dataclass(frozen=True)
class ShardsJob:
    """What the shards are made of."""

    encoded: tuple[str, ...]
    ordering: Ordering
    sources: tuple[str, ...]
    plans: tuple[ShardPlan, ...]


def shards_map(job: ShardsJob, number: int, output: Output) -> None:
    """Sends each document to its shard."""
    first = {(plan.source, plan.split): index - plan.number for index, plan in enumerate(job.plans)}
    of = {(plan.source, plan.split): plan.of for plan in job.plans}
    for columns in job.ordering.apply(read_part(job.encoded[number])):
        shard = np.zeros(len(columns["key"]), np.int64)
        cell = columns["source"].astype(np.int64) * len(SPLITS) + columns["split"]
        for value in np.unique(cell).tolist():
            mine, place = np.flatnonzero(cell == value), divmod(value, len(SPLITS))
            shard[mine] = first[place] + order.shard_of(columns["key"][mine], of[place])
        output.emit(shard, columns)


def shards_reduce(job: ShardsJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Writes a shard and its placement: documents in the order of their keys, then of their ids."""
    plan = job.plans[partition]
    in_order = sort_rows(blocks, ("key", "doc_id", "ledger", "ledger_row"), _SORTED_BYTES)
    documents = gather(in_order, _PLACED_BYTES)
    name = job.sources[plan.source]
    with output.named_part(f"{plan.name}.placement.parquet") as part:
        facts = write_shard(output.url(plan.name), _placed(documents, name, part, output))
        output.parts.append(part.close())
    output.parts += [
        PartFacts(f"{plan.name}.bin", facts.documents, facts.bin_sha256, facts.bin_sha256, facts.bin_bytes),
        PartFacts(f"{plan.name}.idx", facts.documents, facts.idx_sha256, facts.idx_sha256, facts.idx_bytes),
    ]
    output.counts[f"shard/{plan.name}/documents"] += facts.documents
    output.counts[f"shard/{plan.name}/tokens"] += facts.tokens
    output.counts[f"placed/{name}/documents"] += facts.documents


def _placed(tables: Iterator[Columns], name: str, part: PartWriter, output: Output) -> Iterator[Tokens]:
    """The ids of documents in order, each table's placement written and counted as it passes."""
    text_bytes = 0
    for documents in tables:
        packed: Texts = documents["ids"]
        part.write(placement_columns(documents["ledger"], documents["ledger_row"]))
        text_bytes += int(documents["text_bytes"].sum())
        output.tick(int(documents["text_bytes"].sum()), row_count(documents))
        yield Tokens(packed.data.view("<u2"), packed.offsets // _ID_BYTES)
    if part.empty:  # a key range that holds no document
        part.write(placement_columns(np.zeros(0, np.uint32), np.zeros(0, np.uint32)))
    output.counts[f"placed/{name}/text_bytes"] += text_bytes
