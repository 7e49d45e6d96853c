"""Reddit: comments exchanged by thread as small nodes first, then the bodies of the chosen chains alone.

    threads   files        -> parse, nodes     -> by thread -> the longest chain of each thread
    bodies    chosen posts -> record numbers   -> by blob   -> their bodies, in a second reading
    chains    bodies       -> whole rows       -> by thread -> a document per chain, in blocks

The bodies of posts off the chains, two thirds of Reddit, are never moved.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.normalise import EXTRACTION_RULES
from corpus.part import read_part
from corpus.readers.record import Lines
from corpus.readers.reddit import COMMENT, SUBMISSION, base36, names, parse
from corpus.reddit_chains import ChainRule, Nodes, longest_chains
from corpus.table import Columns, concat, row_count, take
from pipelines.external_sort import gathered, sort_rows
from pipelines.stage import Output
from pipelines.steps.blocks import BlockWriter
from pipelines.steps.documents import count_documents, count_refusals, count_stream
from pipelines.steps.dumps import Dumps, add_damaged, assemble, count_unchosen, in_batches, raw_digests, spread
from pipelines.steps.reading import read_blob, read_line_batches

# Unpublished: our choice; of files as they lie on disk, whose nodes take about as much.
PARTITION_BYTES = 128 << 20
_NODES_BYTES = 16 << 20  # unpublished: our choice; of threads resolved together, a larger one alone
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
    threads = gathered(sort_rows(blocks, ("thread", "blob", "record")), ["thread"], _NODES_BYTES)
    output.write_all(_CHOSEN, (_choose(job, nodes, output) for nodes in threads))


def _choose(job: Dumps, nodes: Columns, output: Output) -> Columns:
    """The chosen posts of some whole threads, in the order of their chains."""
    chain_rule, name = job.entry.chain, job.entry.name
    rule = ChainRule(longest=chain_rule.longest, head=chain_rule.head)
    chains = longest_chains(Nodes(**{field.name: nodes[field.name] for field in fields(Nodes)}), rule)
    off = np.ones(row_count(nodes), bool)
    off[chains.rows] = False
    for label, mask in (
        ("submission", nodes["kind"] == SUBMISSION),
        ("off the chain", (nodes["kind"] == COMMENT) & (nodes["live"] > 0)),
        ("deleted", (nodes["kind"] == COMMENT) & (nodes["live"] == 0)),
    ):
        count_unchosen(output, name, label, int((mask & off).sum()), int(nodes["raw_bytes"][mask & off].sum()))
    for figure in ("comments", "live", "chosen", "chars_live", "chars_chosen", "orphans", "cycles"):
        output.counts[f"chains/{name}/{figure}"] += int(getattr(chains, figure).sum())
    output.counts[f"chains/{name}/threads"] += len(chains)
    output.counts[f"chains/{name}/copies"] += int((chains.comments_read - chains.comments).sum())
    return take({column: nodes[column] for column in ("thread", "blob", "record")}, chains.rows)


def bodies_map(job: PartsJob, number: int, output: Output) -> None:
    """Sends the numbers of the chosen records to their blob."""
    blobs = np.array(job.reddit.numbers)
    for columns in read_part(job.parts[number]):
        output.emit(np.atleast_1d(np.searchsorted(blobs, columns["blob"])), {"record": columns["record"]})


def bodies_reduce(job: PartsJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Reads a dump again and writes the bodies of its chosen records."""
    blob_number = job.reddit.numbers[partition]
    records = sort_rows(blocks, ["record"])
    first = next(records, None)
    if first is None:
        return
    chosen = _Chosen(itertools.chain([first], records))
    with output.part("bodies.arrow") as part:

        def consume(chunks: Iterator[bytes]) -> None:
            for lines in read_line_batches(chunks, job.reddit.recipe.max_record_bytes):
                rows = chosen.among(lines.number)
                if len(rows):
                    part.write(_bodies(lines, rows, blob_number))
                    output.tick(0, len(rows))

        read_blob(job.reddit.data, job.reddit.blobs[blob_number], job.reddit.recipe.on_damage, consume)
        output.parts.append(part.close())


class _Chosen:
    """The numbers of chosen records, ascending, as a reading comes by them."""

    def __init__(self, tables: Iterator[Columns]) -> None:
        self._tables = tables
        self._ahead = np.zeros(0, np.int64)

    def among(self, numbers: NDArray[np.int64]) -> NDArray[np.intp]:
        """Which of the next lines are chosen; their numbers ascend from call to call."""
        if not len(numbers):
            return np.zeros(0, np.intp)
        while not len(self._ahead) or self._ahead[-1] < numbers[-1]:
            table = next(self._tables, None)
            if table is None:
                break
            self._ahead = np.concatenate([self._ahead, table["record"]])
        passed = np.searchsorted(self._ahead, numbers[-1], "right")
        rows = np.flatnonzero(np.isin(numbers, self._ahead[:passed]))
        self._ahead = self._ahead[passed:]
        return rows


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
    first = next(blocks, None)
    if first is None:
        return
    bodies = _placed(itertools.chain([first], blocks), job.chosen[partition])
    writer = BlockWriter(output)
    # The order is by place, and the bodies of a thread have places in a row.
    for some, starts in in_batches(sort_rows(bodies, ["place"]), "thread", lambda table: table["text"].lengths):
        count_documents(output, job.reddit.entry.name, row_count(some), int(some["raw_bytes"].sum()))
        rows, kept, texts, comments = _documents(job.reddit, some, starts)
        count_refusals(output, job.reddit.recipe, rows)
        writer.add(rows, kept, texts, comments)
        output.tick(int(texts.offsets[-1]), len(kept))
    writer.flush()


def _placed(blocks: Iterator[Columns], chosen_url: str) -> Iterator[Columns]:
    """Bodies with their texts extracted and their places among the chosen posts; 16 bytes a post are held."""
    chosen = concat(read_part(chosen_url, ["blob", "record"]))
    address = _address(chosen)
    order = np.argsort(address)
    address = address[order]
    for bodies in blocks:
        text = EXTRACTION_RULES["reddit-entities"].apply(bodies["text"])
        yield bodies | {"text": text, "place": order[np.searchsorted(address, _address(bodies))]}


def _address(posts: Columns) -> NDArray[np.int64]:
    """Where posts lie, in one number: no file has 2**40 lines."""
    address: NDArray[np.int64] = posts["blob"] << 40 | posts["record"]
    return address


def _documents(
    job: Dumps, bodies: Columns, starts: NDArray[np.int64]
) -> tuple[Columns, NDArray[np.int64], Texts, Columns]:
    """The documents of some chains: ledger rows, the rows that stay, their texts, and the comments of each."""
    threads = map(base36, bodies["thread"][starts].tolist())
    chains = names(bodies["kind"], bodies["id"]).join(starts, b",")
    keys = [f"t3_{thread}:{chain.decode()}" for thread, chain in zip(threads, chains, strict=True)]
    texts = bodies["text"].join(starts, job.entry.chain.join.encode())
    return assemble(job, bodies, starts, keys, texts, np.zeros(len(starts), np.uint8))
