"""Reddit: comments exchanged by thread as small nodes first, then the bodies of the chosen chains alone.

    threads   files        -> parse, nodes     -> by thread -> the longest chain of each thread
    bodies    chosen posts -> record numbers   -> by blob   -> their bodies, in a second reading
    chains    bodies       -> whole rows       -> by thread -> a document per chain, in blocks

The bodies of posts off the chains, two thirds of Reddit, are never moved.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.normalise import EXTRACTION_RULES
from corpus.part import read_part
from corpus.readers.record import Lines
from corpus.readers.reddit import COMMENT, SUBMISSION, base36, parse
from corpus.reddit_chains import ChainRule, Nodes, longest_chains
from corpus.table import Columns, concat, row_count, take
from pipelines.stage import Output
from pipelines.steps.blocks import BATCH_TEXT_BYTES, BlockWriter
from pipelines.steps.documents import count_documents, count_refusals, count_stream
from pipelines.steps.dumps import Dumps, add_damaged, assemble, count_unchosen, raw_digests, spread
from pipelines.steps.reading import read_blob, read_line_batches

# Unpublished: our choice; of files as they lie on disk, whose nodes take about as much.
PARTITION_BYTES = 128 << 20
_CHOSEN = "chosen.arrow"


@dataclass(frozen=True)
class PartsJob:
    """The dumps, and the parts a later stage reads."""

    reddit: Dumps
    parts: tuple[str, ...]


def threads_map(job: Dumps, number: int, output: Output) -> None:
    """Reads a dump: its posts become nodes, its damaged lines rows of the ledger."""
    blob_number = job.numbers[number]
    blob, writer, name = job.blobs[blob_number], BlockWriter(output), job.entry.name

    def consume(chunks: Iterator[bytes]) -> None:
        for lines in read_line_batches(chunks, job.recipe.max_record_bytes):
            for label, (count, size) in lines.skipped.items():
                count_unchosen(output, name, label, count, size)
            posts = parse(lines)
            add_damaged(job, blob_number, lines, posts.damage, writer, output)
            nodes: Columns = {
                "thread": posts.thread,
                "kind": posts.kind,
                "id": posts.id,
                "parent_kind": posts.parent_kind,
                "parent": posts.parent,
                "live": posts.live,
                "chars": posts.chars,
                "digest": np.fromiter(map(zlib.crc32, lines.raw), np.uint64, len(lines)),
                "blob": np.full(len(lines), blob_number, np.int64),
                "record": lines.number,
                "raw_bytes": lines.raw_bytes,
            }
            nodes = take(nodes, posts.damage == 0)
            output.emit(spread(nodes["thread"], job.partitions), nodes)
            output.tick(len(lines.raw.data), len(lines))

    stream = read_blob(job.data, blob, job.recipe.on_damage, consume)
    count_stream(output, name, blob, stream, stream.lines)
    writer.flush()


def threads_reduce(job: Dumps, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Chooses the longest chain of every thread; what is off the chains is counted."""
    nodes = concat(blocks)
    chain_rule, name = job.entry.chain, job.entry.name
    if not nodes:
        return
    names = ("thread", "kind", "id", "parent_kind", "parent", "live", "chars", "digest", "blob", "record")
    rule = ChainRule(longest=chain_rule.longest, head=chain_rule.head)
    chains = longest_chains(Nodes(**{column: nodes[column] for column in names}), rule)
    off = np.ones(row_count(nodes), bool)
    off[chains.rows] = False
    for label, mask in (
        ("submission", nodes["kind"] == SUBMISSION),
        ("off the chain", (nodes["kind"] == COMMENT) & (nodes["live"] > 0)),
        ("deleted", (nodes["kind"] == COMMENT) & (nodes["live"] == 0)),
    ):
        count_unchosen(output, name, label, int((mask & off).sum()), int(nodes["raw_bytes"][mask & off].sum()))
    for field in ("comments", "live", "chosen", "chars_live", "chars_chosen", "orphans", "cycles"):
        output.counts[f"chains/{name}/{field}"] += int(getattr(chains, field).sum())
    output.counts[f"chains/{name}/threads"] += len(chains)
    output.counts[f"chains/{name}/copies"] += int((chains.comments_read - chains.comments).sum())
    chosen = take({column: nodes[column] for column in ("thread", "blob", "record")}, chains.rows)
    output.write(_CHOSEN, chosen)


def bodies_map(job: PartsJob, number: int, output: Output) -> None:
    """Sends the numbers of the chosen records to their blob."""
    blobs = np.array(job.reddit.numbers)
    for columns in read_part(job.parts[number]):
        output.emit(np.atleast_1d(np.searchsorted(blobs, columns["blob"])), {"record": columns["record"]})


def bodies_reduce(job: PartsJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Reads a dump again and writes the bodies of its chosen records."""
    blob_number = job.reddit.numbers[partition]
    chosen = np.zeros(0, bool)
    for columns in blocks:
        last = int(columns["record"].max()) + 1
        chosen = np.pad(chosen, (0, max(0, last - len(chosen))))
        chosen[columns["record"]] = True
    if not len(chosen):
        return
    with output.part("bodies.arrow") as part:

        def consume(chunks: Iterator[bytes]) -> None:
            for lines in read_line_batches(chunks, job.reddit.recipe.max_record_bytes):
                known = np.flatnonzero(lines.number < len(chosen))
                rows = known[chosen[lines.number[known]]]
                if len(rows):
                    part.write(_bodies(lines, rows, blob_number))
                    output.tick(0, len(rows))

        read_blob(job.reddit.data, job.reddit.blobs[blob_number], job.reddit.recipe.on_damage, consume)
        output.parts.append(part.close())


def _bodies(lines: Lines, rows: NDArray[np.intp], blob_number: int) -> Columns:
    wanted = Lines(
        number=lines.number[rows],
        offset=lines.offset[rows],
        raw=lines.raw.take(rows),
        raw_bytes=lines.raw_bytes[rows],
        damage=lines.damage[rows],
    )
    posts = parse(wanted)
    return {
        "thread": posts.thread,
        "kind": posts.kind,
        "id": posts.id,
        "blob": np.full(len(rows), blob_number, np.int64),
        "record": wanted.number,
        "offset": wanted.offset,
        "raw_bytes": wanted.raw_bytes,
        "repairs": posts.repairs,
        "raw_digest": raw_digests(wanted.raw),
        "text": posts.text,
    }


@dataclass(frozen=True)
class ChainsJob:
    """The dumps, the parts that hold bodies, and per partition the part that says which, in what order."""

    reddit: Dumps
    parts: tuple[str, ...]
    chosen: dict[int, str]


def chains_map(job: ChainsJob, number: int, output: Output) -> None:
    """Sends each body to the partition of its thread."""
    for columns in read_part(job.parts[number]):
        output.emit(spread(columns["thread"], job.reddit.partitions), columns)


def chains_reduce(job: ChainsJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Puts the bodies of each thread in the order of its chain and writes the documents."""
    bodies = concat(blocks)
    if not bodies:
        return
    chosen = concat(read_part(job.chosen[partition]))
    # Both sides hold the same posts: sorted by address they match row by row.
    by_address = np.lexsort([bodies["record"], bodies["blob"]])
    chain_order = np.argsort(np.lexsort([chosen["record"], chosen["blob"]]), kind="stable")
    bodies = take(bodies, by_address[chain_order])
    starts = np.flatnonzero(np.append(True, bodies["thread"][1:] != bodies["thread"][:-1]))
    ends = np.append(starts[1:], row_count(bodies))
    bodies["text"] = EXTRACTION_RULES["reddit-entities"].apply(bodies["text"])
    count_documents(output, job.reddit.entry.name, row_count(bodies), int(bodies["raw_bytes"].sum()))
    writer = BlockWriter(output)
    size = np.cumsum(np.add.reduceat(bodies["text"].lengths, starts))
    cuts = np.flatnonzero(np.diff(size // BATCH_TEXT_BYTES)) + 1
    for chains in np.split(np.arange(len(starts)), cuts):
        rows, kept, texts, comments = _documents(job.reddit, bodies, starts[chains], ends[chains])
        count_refusals(output, job.reddit.recipe, rows)
        writer.add(rows, kept, texts, comments)
        output.tick(int(texts.offsets[-1]), len(kept))
    writer.flush()


def _documents(
    job: Dumps, bodies: Columns, starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> tuple[Columns, NDArray[np.int64], Texts, Columns]:
    """The documents of some chains: ledger rows, the rows that stay, their texts, and the comments of each."""
    first, last = int(starts[0]), int(ends[-1])
    some = take(bodies, np.arange(first, last))
    starts, ends = starts - first, ends - first
    bounds = list(zip(starts.tolist(), ends.tolist(), strict=True))
    texts = list(some["text"])
    names = [
        f"t{kind}_{base36(own)}" for kind, own in zip(some["kind"].tolist(), some["id"].tolist(), strict=True)
    ]
    keys = [f"t3_{base36(int(some['thread'][s]))}:{','.join(names[s:e])}" for s, e in bounds]
    join = job.entry.chain.join.encode()
    joined = Texts.from_list([join.join(texts[s:e]) for s, e in bounds])
    return assemble(job, some, starts, keys, joined, np.zeros(len(starts), np.uint8))
