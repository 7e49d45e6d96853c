"""What each step of a build does to a piece of text, as the build does it, and what bounds it.

Every step gives CPU seconds and how many things it made, so that one that did less is seen.
"""

from __future__ import annotations

import hashlib
import io
import operator
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
import zstandard
from peer import Peer
from pieces import Piece, read

from corpus.encoders import choose_encoder
from corpus.minhash import MinHashRule, band_records
from corpus.normalise import normalise
from corpus.recipe import Recipe
from corpus.shard import write_shard
from corpus.tokenizer import encode_documents, load_vocabulary
from pipelines.steps.treatment import treat

LIMITS = "limits"
READ = "read and parse jsonl.zst"
NORMALISE = "normalise"
BANDS = "text to band keys"
NEAR = "band keys to drop list"
ENCODE = "encode"
SHARDS = "write shards"
PARTS = (LIMITS, READ, NORMALISE, BANDS, NEAR, ENCODE, SHARDS)
AGAIN = ", the same text again"

Side = Literal["limit", "ours", "other"]
Turn = tuple[float, int]


@dataclass(frozen=True)
class Step:
    """One way to do a step of the build.

    Attributes:
        part: Which step.
        name: Who does it, in a table's words.
        side: What bounds us, we, or another.
        run: A piece -> CPU seconds, and how many things it made.
    """

    part: str
    name: str
    side: Side
    run: Callable[[Piece], Turn]

    def made_wrong(self, piece: Piece, made: int) -> bool:
        """Whether it made another number of things than the piece has for this step."""
        expected = {LIMITS: made, ENCODE: piece.ids}
        return made != expected.get(self.part, piece.documents)


def our_steps(recipe: Recipe, encoders: Sequence[str]) -> list[Step]:
    """The limits, and every step as a build of this recipe takes it."""
    rules, chosen = recipe.text.normalise, recipe.duplicates
    rule = MinHashRule(chosen.seed, chosen.ngram, chosen.bands, chosen.rows, chosen.threshold_percent)
    steps = [
        Step(LIMITS, "memory copy", "limit", timed(copying())),
        Step(LIMITS, "zstd, decompressed in one call", "limit", timed(decompress)),
        Step(LIMITS, "sha256", "limit", timed(digest)),
        Step(READ, "ours", "ours", timed(lambda piece: read_count(piece, recipe))),
        Step(READ, "zstandard and orjson, line by line", "other", timed(parse_lines)),
        Step(NORMALISE, "ours", "ours", timed(lambda piece: total(normalise(b, rules) for b in piece.records))),
        Step(
            NORMALISE,
            "ours, and judge: filters, language",
            "ours",
            timed(lambda piece: total(treat(batch, recipe.text)[0] for batch in piece.records)),
        ),
        Step(BANDS, f"ours, {rule.permutations} rows", "ours", timed(lambda piece: banded(piece, rule))),
    ]
    for name in encoders:
        work = timed(encoding(name))
        steps.append(Step(ENCODE, f"ours, {name}", "ours", work))
        steps += [Step(ENCODE, f"ours, {name}{AGAIN}", "ours", work)] if name == "fast" else []
    steps.append(Step(SHARDS, "ours, hashed", "ours", timed(write)))
    return [*steps, Step(SHARDS, "numpy's tofile", "limit", timed(dump))]


def peer_steps(signatures: Peer, encoders: Peer, writers: Peer, readers: Peer) -> list[Step]:
    """The same by the libraries others use; with which settings is said in their scripts."""
    raw, normal, shard = (operator.attrgetter(form) for form in ("raw", "normal", "stem"))
    said = [
        (READ, "datatrove, JsonlReader", readers, "jsonl", raw),
        (BANDS, "rensa, 48 slots, given 5-grams", signatures, "rensa-given", normal),
        (BANDS, "rensa, 48 slots", signatures, "rensa", normal),
        (BANDS, "datasketch, 48 rows, given 5-grams", signatures, "datasketch-given", normal),
        (BANDS, "datasketch, 48 rows", signatures, "datasketch", normal),
        (BANDS, "datatrove, 112 rows", signatures, "datatrove", normal),
        (NEAR, "datasketch, MinHashLSH: candidates alone", signatures, "datasketch-lsh", normal),
        (ENCODE, "gigatoken alone", encoders, "gigatoken", normal),
        (ENCODE, f"gigatoken alone{AGAIN}", encoders, "gigatoken", normal),
        (ENCODE, "fastokens", encoders, "fastokens", normal),
        (ENCODE, f"fastokens{AGAIN}", encoders, "fastokens", normal),
        (ENCODE, "tokie", encoders, "tokie", normal),
        (ENCODE, f"tokie{AGAIN}", encoders, "tokie", normal),
        (ENCODE, "tiktoken", encoders, "tiktoken", normal),
        (SHARDS, "megatron-core, IndexedDatasetBuilder", writers, "megatron", shard),
        (SHARDS, "litdata, BinaryWriter", writers, "litdata", shard),
    ]
    return [Step(part, name, "other", asked(peer, word, path)) for part, name, peer, word, path in said]


def asked(peer: Peer, word: str, path: Callable[[Piece], Path]) -> Callable[[Piece], Turn]:
    """A peer's turn."""
    return lambda piece: peer.turn(word, path(piece))


def timed(work: Callable[[Piece], int]) -> Callable[[Piece], Turn]:
    """A turn of this process, over what has just been touched: so have the peers what they make ready."""

    def run(piece: Piece) -> Turn:
        piece.touch()
        start = time.process_time()
        made = work(piece)
        return time.process_time() - start, made

    return run


def read_count(piece: Piece, recipe: Recipe) -> int:
    """Reads a piece and lets go of what is read, as a build does; gives how many documents there were."""
    found: list[int] = []
    read(piece.folder, piece.blob, recipe, lambda texts: found.append(len(texts)))
    return sum(found)


def total(batches: Iterable[Sized]) -> int:
    """How many there are in all."""
    return sum(map(len, batches))


def copying() -> Callable[[Piece], int]:
    """Texts copied to where memory has been written before: a page that is new costs more than its copy."""
    there = np.zeros(0, np.uint8)

    def copy(piece: Piece) -> int:
        nonlocal there
        at, size = 0, sum(len(batch.data) for batch in piece.texts)
        if size > len(there):
            there = np.ones(2 * size, np.uint8)
        for batch in piece.texts:
            there[at : at + len(batch.data)] = batch.data
            at += len(batch.data)
        return at

    return copy


def decompress(piece: Piece) -> int:
    return len(zstandard.ZstdDecompressor().decompress(piece.raw.read_bytes()))


def digest(piece: Piece) -> int:
    hasher = hashlib.sha256()
    for batch in piece.texts:
        hasher.update(batch.data)
    return len(hasher.digest())


def parse_lines(piece: Piece) -> int:
    """The texts of a file, a line at a time, and nothing else: no id, no digest, no bound on a line."""
    documents = 0
    with piece.raw.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        for line in io.BufferedReader(stream, 1 << 20):
            documents += isinstance(orjson.loads(line)["text"], str)
    return documents


def banded(piece: Piece, rule: MinHashRule) -> int:
    documents = 0
    for batch in piece.texts:
        documents += len(np.unique(band_records(batch, rule).row))
    return documents


def encoding(name: str) -> Callable[[Piece], int]:
    """An encoder that lives as long as a build's."""
    encoder, vocabulary = choose_encoder(name), load_vocabulary("gpt2")

    def encode(piece: Piece) -> int:
        return (
            sum(len(encode_documents(encoder, vocabulary, batch).ids) for batch in piece.texts) - piece.documents
        )

    return encode


def write(piece: Piece) -> int:
    with tempfile.TemporaryDirectory(dir=piece.folder) as folder:
        return write_shard(str(Path(folder, "shard")), piece.tokens).documents


def dump(piece: Piece) -> int:
    with tempfile.TemporaryFile(dir=piece.folder) as file:
        for batch in piece.tokens:
            batch.ids.tofile(file)
    return piece.documents
