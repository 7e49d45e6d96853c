"""Text for the kernels: pieces of one corpus, each ready in every form in which a step of the build takes it.

A step meets every piece once, so that no cache of a library can know the text: what is measured is fresh text,
as a build has it. Documents are dealt to the smallest piece, from all files in turn: pieces are alike.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO

import numpy as np
import orjson
import zstandard

from corpus.document import Texts
from corpus.encoders import best_encoder, choose_encoder
from corpus.normalise import normalise
from corpus.readers.formats import FORMATS
from corpus.recipe import Recipe
from corpus.shard import write_shard
from corpus.source import Blob
from corpus.tokenizer import Encoder, Tokens, encode_documents, load_vocabulary
from pipelines.steps.reading import read_blob


@dataclass(frozen=True)
class Piece:
    """Some documents in every form.

    Attributes:
        folder: Holds raw.jsonl.zst, records as their file has them; normal.jsonl.zst, their texts normalised; and
            shard.bin with shard.idx, the ids of these.
        megabytes: Of the texts of the records, in 1e6 bytes of UTF-8: what all steps are charged by.
        blob: raw.jsonl.zst, pinned.
        records: The texts of the records, in the reader's batches.
        texts: The same normalised, in the same batches.
        tokens: Their ids in GPT-2's order, in the same batches, each document closed.
    """

    folder: Path
    megabytes: float
    blob: Blob
    records: tuple[Texts, ...]
    texts: tuple[Texts, ...]
    tokens: tuple[Tokens, ...]

    @property
    def raw(self) -> Path:
        return self.folder / "raw.jsonl.zst"

    @property
    def normal(self) -> Path:
        return self.folder / "normal.jsonl.zst"

    @property
    def stem(self) -> Path:
        return self.folder / "shard"

    @property
    def documents(self) -> int:
        return sum(map(len, self.texts))

    @property
    def ids(self) -> int:
        """Tokens of the texts, without those that close a document."""
        return sum(len(batch.ids) for batch in self.tokens) - self.documents

    def touch(self) -> None:
        """Brings it near the processor, where a build has a text that the step before has just made."""
        self.raw.read_bytes()
        for column in (
            *(batch.data for batch in (*self.records, *self.texts)),
            *(each.ids for each in self.tokens),
        ):
            column.max(initial=0)


def cut(files: Sequence[Path], count: int, megabytes: float, recipe: Recipe, folder: Path) -> Iterator[Piece]:
    """Pieces of at least so many megabytes each, or of all there is; made one by one, as they are asked for."""
    lines: list[list[bytes]] = [[] for _ in range(count)]
    sizes = np.zeros(count, np.int64)
    for line, size in chain.from_iterable(zip_longest(*map(_sound_lines, files), fillvalue=(b"", 0))):
        smallest = int(sizes.argmin())
        if sizes[smallest] >= megabytes * 1e6:
            break
        if size:
            lines[smallest].append(line)
            sizes[smallest] += size
    encoder = choose_encoder(best_encoder())
    for number, held in enumerate(lines):
        yield _piece(held, recipe, encoder, folder / f"{number:02d}")


def read(folder: Path, blob: Blob, recipe: Recipe, take: Callable[[Texts], object]) -> None:
    """Gives away the texts of a blob in batches, as a build reads them: watched, hashed, proved by its pin."""
    (entry,) = recipe.input

    def consume(chunks: Iterator[bytes]) -> None:
        for records in FORMATS[entry.reader].read(entry, chunks, recipe.max_record_bytes):
            take(records.text)

    read_blob(str(folder), blob, "stop", consume)


def _sound_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """The lines that every reader reads, each with the bytes of its text: the sample has planted damage."""
    with path.open("rb") as packed, _content(packed) as stream:
        for line in io.BufferedReader(stream):
            with suppress(orjson.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
                yield line, len(orjson.loads(line)["text"].encode())


def _content(packed: IO[bytes]) -> zstandard.ZstdDecompressionReader:
    return zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)


def _piece(lines: Sequence[bytes], recipe: Recipe, encoder: Encoder, folder: Path) -> Piece:
    folder.mkdir(parents=True)
    packed = zstandard.compress(b"".join(lines))
    (folder / "raw.jsonl.zst").write_bytes(packed)
    (entry,) = recipe.input
    blob = Blob(entry.name, "raw.jsonl.zst", len(packed), hashlib.sha256(packed).hexdigest())
    records: list[Texts] = []
    read(folder, blob, recipe, records.append)
    texts = [normalise(batch, recipe.text.normalise) for batch in records]
    normal = b"".join(orjson.dumps({"text": text.decode()}) + b"\n" for batch in texts for text in batch)
    (folder / "normal.jsonl.zst").write_bytes(zstandard.compress(normal))
    tokens = [encode_documents(encoder, load_vocabulary("gpt2"), batch) for batch in texts]
    write_shard(str(folder / "shard"), tokens)
    size = sum(int(batch.offsets[-1]) for batch in records)
    return Piece(folder, size / 1e6, blob, tuple(records), tuple(texts), tuple(tokens))
