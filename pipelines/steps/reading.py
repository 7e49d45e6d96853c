"""Reading one blob: proved against its pin while it streams, whole or, if the recipe allows, up to its damage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from corpus import storage
from corpus.errors import DamagedContainerError, SourceError
from corpus.readers.container import decompress, hash_rest
from corpus.readers.lines import count_newlines, read_lines
from corpus.readers.parquet import read_parquet
from corpus.readers.record import Lines, Records
from corpus.readers.tar import untar
from corpus.recipe import Input, OnDamage
from corpus.source import Blob, blob_url


@dataclass
class Stream:
    """What was met while a blob streamed by: the independent side of the conservation law.

    Attributes:
        bytes: Of the uncompressed stream; of a Parquet file, of its texts.
        newlines: Line feeds in it.
        ends_open: Whether its last byte is no line feed.
        damage: What broke, where the recipe keeps what was read before it.
    """

    bytes: int = 0
    newlines: int = 0
    ends_open: bool = False
    damage: str = ""

    @property
    def lines(self) -> int:
        """Lines, an unterminated last one included."""
        return self.newlines + self.ends_open


def read_blob(data: str, blob: Blob, on_damage: OnDamage, consume: Callable[[Iterator[bytes]], None]) -> Stream:
    """Streams a blob's content through `consume` and proves that it was the pinned file.

    The caller publishes nothing of it before this returns.

    Raises:
        DamagedContainerError: It is truncated or corrupt, and the recipe says stop.
        SourceError: It is missing, or its bytes are not those of its pin.
    """
    stream, hasher = Stream(), hashlib.sha256()
    with storage.open_input(blob_url(data, blob)) as file:
        try:
            opened = untar if blob.path.endswith(".tar") else decompress
            consume(_watched(opened(file, blob.path, hasher), stream))
        except DamagedContainerError as error:
            if on_damage == "stop":
                raise
            stream.damage = f"{error.what} ({error.where})"
        hash_rest(file, hasher)
    check_digest(blob, hasher.hexdigest())
    return stream


def check_digest(blob: Blob, found: str) -> None:
    """Proves that a blob is the pinned one.

    Raises:
        SourceError: Its bytes are not those of its pin.
    """
    if found != blob.sha256:
        raise SourceError(
            f"the file has sha256 {found}, its pin says {blob.sha256}",
            where=blob.path,
            remedy="restore the pinned file, or pin the new one with `build_corpus.py sources --pin`",
        )


def _watched(chunks: Iterable[bytes], stream: Stream) -> Iterator[bytes]:
    for chunk in chunks:
        stream.bytes += len(chunk)
        stream.newlines += count_newlines(chunk)
        stream.ends_open = not chunk.endswith(b"\n")
        yield chunk


def read_line_batches(chunks: Iterator[bytes], max_record_bytes: int) -> Iterator[Lines]:
    """The lines of a streamed blob."""
    return read_lines(chunks, max_record_bytes=max_record_bytes)


def read_parquet_blob(data: str, blob: Blob, entry: Input, consume: Callable[[Iterator[Records]], None]) -> Stream:
    """The same for Parquet, which needs its end first: proved in a pass of its own, then read.

    Raises:
        DamagedContainerError: It is no sound Parquet file.
        SourceError: It is missing, or its bytes are not those of its pin.
    """
    stream, hasher = Stream(), hashlib.sha256()
    with storage.open_input(blob_url(data, blob)) as file:
        hash_rest(file, hasher)
        check_digest(blob, hasher.hexdigest())
        file.seek(0)
        records = read_parquet(file, blob.path, entry.text_field, entry.label_field or None)
        consume(_watched_rows(records, stream))
    return stream


def _watched_rows(batches: Iterable[Records], stream: Stream) -> Iterator[Records]:
    for records in batches:
        stream.bytes += int(records.raw_bytes.sum())
        stream.newlines += len(records)
        yield records
