"""The stages of a build over a corpus that is drawn: all of them are the pipeline's own, but what looks at a text.

Replaced, while a task runs: the map of `documents`, which reads files; the reading and parsing of a dump
(`threads` and `bodies`); and three kernels, from texts to band keys, to shingle sets and to ids. The rest of every
task (what it exchanges, sorts, holds, writes and counts) is what it is in any build. What the stand-ins themselves
take of the processor is written beside the store's stages, so that it can be taken off.

What a drawn build does not show: the reading and writing of texts, which are 16 bytes each here (but shingle sets
are as large as they would be); a shard's bytes, of which a 64th is written; near-duplicates among chains, of which
there are none, and the lengths of chains in the ledger, which are those of what stands for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from textless import COMMENT, Draws, batches, digests, drawn, read, runs, shared_likeness, written

from corpus import minhash, storage
from corpus.document import Texts
from corpus.minhash import REFINE_KEYS, BandRecords, MinHashRule
from corpus.readers import reddit
from corpus.readers.record import Lines
from corpus.readers.reddit import Posts
from corpus.shingles import ShingleSets
from corpus.table import Columns
from corpus.tokenizer import Tokens, Vocabulary
from pipelines.datatrove_blocks import NO_BLOCK
from pipelines.driver import Driver
from pipelines.stage import MapFunction, Output, ReduceFunction, Sealed, Stage
from pipelines.steps import documents, duplicates, threads, tokens
from pipelines.steps.blocks import BLOCK_TEXT_BYTES, BlockWriter
from pipelines.steps.documents import count_documents
from pipelines.steps.reading import Stream
from pipelines.steps.treatment import MEASURED

THINNED = 64  # a drawn document has that part of its ids, and a shard of its bytes: as many shards, less to write
SPENT = "drawn"
_MARKUP = 120  # bytes of a record that are not its text
_BATCH = 2000
_PLACE_BITS = np.uint64(20)


@dataclass
class Hand:
    """Draws, and knows how long that took.

    Attributes:
        seconds: Of the processor.
        stream: What was read of the dump at hand.
    """

    draws: Draws
    seconds: float = 0.0
    stream: Stream = field(default_factory=Stream)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Everything in here is no work of the stage's."""
        start = time.process_time()
        yield
        self.seconds += time.process_time() - start


@dataclass(frozen=True)
class Job:
    """A stage's own job and functions, and of what they are to draw.

    Attributes:
        spent: Where each task says what its stand-ins took.
    """

    job: Any
    map: MapFunction
    reduce: ReduceFunction | None
    draws: Draws
    spent: str


class Simulation:
    """A driver whose stages draw what they would read in a text.

    Args:
        driver: Takes stages to their seals.
        draws: The corpus.
        store: The store's URL.
    """

    def __init__(self, driver: Driver, draws: Draws, store: str) -> None:
        self._driver, self._draws, self._store = driver, draws, store

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal."""
        spent = storage.join(self._store, SPENT, stage.name)
        job = Job(stage.job, stage.map, stage.reduce, self._draws, spent)
        standing_in = replace(stage, job=job, map=map_drawn, reduce=stage.reduce and reduce_drawn)
        return self._driver.run(standing_in, total_bytes)


def map_drawn(job: Job, number: int, output: Output) -> None:
    """A stage's map over what is drawn."""
    own = draw_documents if job.map is documents.documents_map else job.map
    with _drawing(job, f"map-{number}") as hand:
        own(hand if own is draw_documents else job.job, number, output)


def reduce_drawn(job: Job, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """A stage's reduce over what is drawn."""
    assert job.reduce is not None
    with _drawing(job, f"reduce-{partition}"):
        job.reduce(job.job, partition, blocks, output)


@contextmanager
def _drawing(job: Job, task: str) -> Iterator[Hand]:
    """Puts the stand-ins in their places, and says at the end how long they took."""
    hand = Hand(job.draws)
    seams: list[tuple[Any, str, Callable[..., Any]]] = [
        (threads, "read_blob", lambda data, blob, on_damage, consume: read_dump(hand, blob.path, consume)),
        (threads, "read_line_batches", lambda chunks, most: draw_lines(hand, chunks)),
        (threads, "parse", lambda lines: draw_posts(hand, lines)),
        (minhash, "band_records", lambda texts, rule: draw_keys(hand, texts, rule)),
        (duplicates, "shingle_sets", lambda texts, words: draw_shingles(hand, texts)),
        (tokens, "encode_documents", lambda encoder, vocabulary, texts: draw_ids(hand, vocabulary, texts)),
    ]
    with ExitStack() as stack:
        for module, name, stand_in in seams:
            stack.enter_context(patch.object(module, name, stand_in))
        yield hand
    if hand.seconds:
        storage.publish(storage.join(job.spent, task), repr(hand.seconds).encode())


def draw_documents(hand: Hand, file: int, output: Output) -> None:
    """The documents of a file as blocks: their ledger rows so far, and numbers where their texts would be."""
    draws, writer = hand.draws, BlockWriter(output)
    first, offset, held = file * draws.documents_per_file, 0, 0
    last = min(draws.documents, first + draws.documents_per_file)
    for places in batches(first, last, _BATCH):
        with hand.drawing():
            numbers = draws.numbers_at(places)
            rows = _rows(draws, numbers, file, places.astype(np.int64) - first, offset)
            texts = written(numbers)
        offset += int(rows["raw_bytes"].sum())
        held += int(rows["text_bytes"].sum())
        count_documents(output, "pages", len(numbers), int(rows["raw_bytes"].sum()))
        writer.add(rows, np.arange(len(numbers)), texts)
        output.tick(int(rows["text_bytes"].sum()), len(numbers))
        if held >= BLOCK_TEXT_BYTES:
            writer.flush()
            held = 0
    writer.flush()
    output.counts["stream/pages/bytes"] += offset
    output.counts["stream/pages/records"] += last - first


def _rows(
    draws: Draws, numbers: NDArray[np.uint64], file: int, records: NDArray[np.int64], offset: int
) -> Columns:
    """The ledger rows of consecutive documents, as `documents.judged` gives them."""
    count = len(numbers)
    facts = draws.facts(numbers, np.ones(count, np.int64))
    raw_bytes = facts.size + _MARKUP
    ends = np.cumsum(raw_bytes)
    return {
        "doc_id": digests(draws.hashed(numbers, 9), 16),
        "source": np.zeros(count, np.uint16),
        "blob": np.full(count, file, np.uint32),
        "record": records,
        "offset": offset + ends - raw_bytes,
        "raw_bytes": raw_bytes,
        "extracted_bytes": facts.size,
        "text_bytes": facts.size,
        "drop": np.zeros(count, np.uint8),
        "repairs": np.zeros(count, np.int32),
        **{name: np.full(count, NO_BLOCK, np.int32) for name in MEASURED},
        "text_digest": digests(facts.content, 32),
    }


def read_dump(hand: Hand, path: str, consume: Callable[[Iterator[bytes]], None]) -> Stream:
    """In the place of `read_blob`: a dump is its number, which its name ends with."""
    hand.stream = Stream()
    consume(iter([path.encode()]))
    return hand.stream


def draw_lines(hand: Hand, chunks: Iterator[bytes]) -> Iterator[Lines]:
    """In the place of `read_line_batches`: a number stands where a comment's line would be."""
    like, stream = shared_likeness(), hand.stream
    lines = hand.draws.lines(int(next(chunks)[-5:]))
    while True:
        with hand.drawing():
            numbers = next(lines, None)
            if numbers is None:
                return
            raw_bytes = like.comment_bytes + drawn(like.chars, hand.draws.hashed(numbers, 10))
            ends = np.cumsum(raw_bytes)
            some = Lines(
                number=stream.newlines + np.arange(len(numbers)),
                offset=stream.bytes + ends - raw_bytes,
                raw=written(numbers),
                raw_bytes=raw_bytes,
                damage=np.zeros(len(numbers), np.uint8),
            )
        stream.bytes, stream.newlines = stream.bytes + int(ends[-1]), stream.newlines + len(numbers)
        yield some


def draw_posts(hand: Hand, lines: Lines) -> Posts:
    """In the place of `parse`: whom a comment answers, whether it lives, how long it is."""
    with hand.drawing():
        draws, like = hand.draws, shared_likeness()
        numbers, _ = read(lines.raw)
        thread = (numbers ^ COMMENT) >> np.uint64(20)
        parent, top = draws.parents(numbers)
        live = draws.hashed(numbers, 11) % np.uint64(1000) >= np.uint64(like.dead)
        lengths = lines.raw.lengths * live
        return Posts(
            kind=np.full(len(lines), reddit.COMMENT, np.uint8),
            thread=thread + np.uint64(1),
            id=numbers ^ COMMENT,
            parent_kind=np.where(top, reddit.SUBMISSION, reddit.COMMENT).astype(np.uint8),
            parent=np.where(top, thread + np.uint64(1), parent ^ COMMENT),
            live=live.astype(np.uint8),
            chars=np.where(live, drawn(like.chars, draws.hashed(numbers, 10)), 0).astype(np.uint32),
            text=Texts(lines.raw.take(np.flatnonzero(live)).data, np.append(0, np.cumsum(lengths))),
            damage=np.zeros(len(lines), np.uint8),
            repairs=np.zeros(len(lines), np.int32),
        )


def draw_keys(hand: Hand, texts: Texts, rule: MinHashRule) -> BandRecords:
    """In the place of `band_records`: members of a family share the first band, and each other by its Jaccard."""
    with hand.drawing():
        draws = hand.draws
        facts = draws.facts(*read(texts))
        agree = facts.jaccard**rule.rows
        columns = []
        for band in range(rule.bands + REFINE_KEYS):
            draw = (draws.hashed(facts.own, 20 + band) >> np.uint64(11)).astype(np.float64) / 2.0**53
            shared = (draw < agree) | (band == 0)
            columns.append(draws.hashed(np.where(shared, facts.family, facts.own), 60 + band))
        keys = np.stack(columns, axis=1)
        small = facts.shingles < rule.smallest_set
        of_set = np.where(facts.apart > 0, facts.own, facts.family)
        keys[:, 0] = np.where(small, draws.hashed(of_set, 59), keys[:, 0])
        sent = np.ones((len(texts), rule.bands), np.bool_)
        sent[small, 1:] = False
        row = np.repeat(np.arange(len(texts)), np.where(small, 1, rule.bands))
        return BandRecords(keys[:, : rule.bands][sent], row, keys[:, rule.bands :].astype(np.uint32)[row])


def draw_shingles(hand: Hand, texts: Texts) -> ShingleSets:
    """In the place of `shingle_sets`: a family's, of which each member has some that are its own."""
    with hand.drawing():
        facts = hand.draws.facts(*read(texts))
        owner, place = runs(facts.shingles)
        start = (facts.own % facts.shingles.astype(np.uint64)).astype(np.int64)
        is_own = (place - start[owner]) % facts.shingles[owner] < facts.apart[owner]
        seed = np.where(is_own, facts.own[owner], facts.family[owner])
        # A shingle's place stands above its hash, so that every set ascends without being sorted.
        hashes = hand.draws.hashed(seed + place.astype(np.uint64), 12) >> _PLACE_BITS
        hashes |= place.astype(np.uint64) << (np.uint64(64) - _PLACE_BITS)
        return ShingleSets(hashes, np.append(0, np.cumsum(facts.shingles)))


def draw_ids(hand: Hand, vocabulary: Vocabulary, texts: Texts) -> Tokens:
    """In the place of `encode_documents`: so many ids as the text would have, thinned; the last ends it."""
    with hand.drawing():
        facts = hand.draws.facts(*read(texts))
        counts = 1 + facts.size * shared_likeness().tokens // (1000 * THINNED)
        owner, place = runs(counts)
        ids = (hand.draws.hashed(facts.own[owner] + place.astype(np.uint64), 13) % np.uint64(50_000)).astype(
            np.uint16
        )
        offsets = np.append(0, np.cumsum(counts))
        ids[offsets[1:] - 1] = vocabulary.end_of_document
        return Tokens(ids, offsets)
