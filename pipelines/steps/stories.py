"""Hacker News: every item finds its story by the chain of its parents, then the items of a story meet.

    items     files        -> parse, links     (id and parent of every line)
    roots     all links    -> the story of every line, in one task
    stories   files again  -> raw items        -> by story -> a document per story, in blocks

An item knows its parent and not its story, and may lie in any file. Whole items are moved, those off the chains
too: all of Hacker News is some tens of gigabytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.drops import Drop
from corpus.part import read_part
from corpus.readers.hacker_news import Item, chains_of, document_text, newest, parse, record_key
from corpus.story_roots import StoryRoots, pack
from corpus.table import Columns, concat, take
from pipelines.external_sort import sort_rows
from pipelines.stage import Output
from pipelines.steps.blocks import BlockWriter
from pipelines.steps.documents import count_documents, count_refusals, count_stream
from pipelines.steps.dumps import Dumps, add_damaged, assemble, count_unchosen, in_batches, raw_digests, spread
from pipelines.steps.reading import read_blob, read_line_batches

# Unpublished: our choice; of files as they lie on disk, whose lines take up to 8 times that.
PARTITION_BYTES = 32 << 20

_NO_STORY = "in no story"
_TYPES = {"story": "story not taken", "job": "job", "poll": "poll", "pollopt": "poll option"}
_BELOW = "below what is not taken"
_COPY, _GONE, _OFF = "copy", "not live", "off the chain"


def items_map(job: Dumps, number: int, output: Output) -> None:
    """Reads a dump: every line becomes a link, its damaged lines also rows of the ledger."""
    blob_number = job.numbers[number]
    blob, writer, name = job.blobs[blob_number], BlockWriter(output), job.entry.name
    with output.part("links.arrow") as part:

        def consume(chunks: Iterator[bytes]) -> None:
            part.write(_links([], np.zeros(0, np.uint8), np.zeros(0, np.int64)))  # an empty file has a part too
            for lines in read_line_batches(chunks, job.recipe.max_record_bytes):
                for label, (count, size) in lines.skipped.items():
                    count_unchosen(output, name, label, count, size)
                items, damage, _ = parse(lines.raw, lines.damage)
                add_damaged(job, blob_number, lines, damage, writer, output)
                part.write(_links(items, damage, lines.raw_bytes))
                output.tick(len(lines.raw.data), len(lines))

        stream = read_blob(job.data, blob, job.recipe.on_damage, consume)
        count_stream(output, name, blob, stream, stream.lines)
        output.parts.append(part.close())
    writer.flush()


def _links(items: list[Item], damage: NDArray[np.uint8], raw_bytes: NDArray[np.int64]) -> Columns:
    """A row a line, for a line finds its story by its place among them; of a damaged one from 0 to 0."""
    sound = damage == 0
    return {
        "id": np.array([item.id for item in items], np.uint32) * sound,
        "parent": np.array([item.parent or 0 for item in items], np.uint32) * sound,
        "raw_bytes": raw_bytes,
    }


@dataclass(frozen=True)
class RootsJob:
    """The links of every dump, and how many there are."""

    dumps: Dumps
    parts: tuple[str, ...]
    rows: int


def roots_map(job: RootsJob, number: int, output: Output) -> None:
    """Finds the story of every line of every dump; what is in none is counted."""
    links, end = np.empty(job.rows, np.uint64), 0
    for url in job.parts:
        for columns in read_part(url, ["id", "parent"]):
            start, end = end, end + len(columns["id"])
            links[start:end] = pack(columns["id"], columns["parent"])
    roots = StoryRoots.of(links)
    for place, url in enumerate(job.parts):
        with output.part(f"{place:05d}.roots.arrow") as part:
            for columns in read_part(url, ["id", "raw_bytes"]):
                story = roots.of_items(columns["id"])
                part.write({"story": story})
                lost = (story == 0) & (columns["id"] > 0)
                count_unchosen(
                    output, job.dumps.entry.name, _NO_STORY, int(lost.sum()), int(columns["raw_bytes"][lost].sum())
                )
            output.parts.append(part.close())


@dataclass(frozen=True)
class StoriesJob:
    """The dumps, and for each the part that says in which story its lines are."""

    dumps: Dumps
    parts: tuple[str, ...]


def stories_map(job: StoriesJob, number: int, output: Output) -> None:
    """Reads a dump again and sends every item to the partition of its story."""
    dumps, blob_number = job.dumps, job.dumps.numbers[number]
    story = concat(read_part(job.parts[number]))["story"]
    at = 0

    def consume(chunks: Iterator[bytes]) -> None:
        nonlocal at
        for lines in read_line_batches(chunks, dumps.recipe.max_record_bytes):
            rows = np.flatnonzero(story[at : at + len(lines)])
            items: Columns = {
                "story": story[at + rows],
                "blob": np.full(len(rows), blob_number, np.int64),
                "record": lines.number[rows],
                "offset": lines.offset[rows],
                "raw_bytes": lines.raw_bytes[rows],
                "raw": lines.raw.take(rows),
            }
            output.emit(spread(items["story"].astype(np.uint64), dumps.partitions), items)
            at += len(lines)

    read_blob(dumps.data, dumps.blobs[blob_number], dumps.recipe.on_damage, consume)


def stories_reduce(job: StoriesJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Makes the document of every story; what it does not hold is counted."""
    items = sort_rows(blocks, ("story", "blob", "record"))
    writer = BlockWriter(output)
    for some, starts in in_batches(items, "story", lambda table: table["raw_bytes"]):
        _add_documents(job.dumps, some, starts, writer, output)
    writer.flush()


def _add_documents(
    dumps: Dumps, items: Columns, starts: NDArray[np.intp], writer: BlockWriter, output: Output
) -> None:
    """The documents of some whole stories, whose items stand together."""
    parsed, _, repairs = parse(items["raw"], np.zeros(len(items["raw"]), np.uint8))
    raw = list(items["raw"])
    chosen: list[list[int]] = []
    texts: list[str | Drop] = []
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(raw)], strict=True):
        shown, labels = _choose(int(items["story"][start]), range(start, end), parsed, raw)
        for row, label in labels.items():
            count_unchosen(output, dumps.entry.name, label, 1, int(items["raw_bytes"][row]))
        if shown:
            chosen.append([row for chain in shown for row in chain])
            (story,), *chains = [[parsed[row] for row in chain] for chain in shown]
            texts.append(document_text(story, chains))
    if not chosen:
        return
    rows = np.concatenate([np.array(one) for one in chosen])
    records = take(items | {"id": np.array([item.id for item in parsed], np.uint64), "repairs": repairs}, rows)
    records |= {"kind": np.zeros(len(rows), np.uint8), "raw_digest": raw_digests(records["raw"])}
    keys = [record_key(str(parsed[row].id) for row in one) for one in chosen]
    damage = np.array([text if isinstance(text, Drop) else Drop.KEPT for text in texts], np.uint8)
    packed = Texts.from_list([b"" if isinstance(text, Drop) else text.encode() for text in texts])
    places = np.cumsum([0, *map(len, chosen[:-1])])
    documents = assemble(dumps, records, places, keys, packed, damage)
    count_documents(output, dumps.entry.name, len(rows), int(records["raw_bytes"].sum()))
    count_refusals(output, dumps.recipe, documents[0])
    writer.add(*documents)
    output.tick(int(documents[2].offsets[-1]), len(documents[1]))


def _choose(
    story: int, rows: range, parsed: list[Item], raw: list[bytes]
) -> tuple[list[list[int]], dict[int, str]]:
    """What of a story's rows its document holds, the story first, then chain by chain; and why not the others."""
    copies: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        copies[parsed[row].id].append(row)
    winner = {own: found[newest([(parsed[row], raw[row]) for row in found])] for own, found in copies.items()}
    top = parsed[winner[story]]
    chains = chains_of(top, [parsed[row] for row in winner.values()])
    shown = [[winner[story]], *([winner[comment.id] for comment in chain] for chain in chains)] if chains else []
    labels = dict.fromkeys(rows, _COPY)
    for row in winner.values():
        below = _BELOW if not chains else _OFF if parsed[row].is_live else _GONE
        labels[row] = below
    if not chains:
        labels[winner[story]] = _TYPES.get(top.type or "", _NO_STORY)
    for row in [row for chain in shown for row in chain]:
        del labels[row]
    return shown, labels
