"""All that is mutated: every format, with sound files of it and a way to read them cut up anyhow."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import specimens
from accounts import Account, Row, account

from corpus.readers import hacker_news, reddit
from corpus.readers.container import decompress, hash_rest
from corpus.readers.formats import FORMATS
from corpus.readers.jsonl import read_jsonl
from corpus.readers.lines import BLANK_LINE, read_lines
from corpus.readers.parquet import read_parquet
from corpus.readers.record import Lines
from corpus.readers.tar import untar
from corpus.recipe import DUMPS, Input, load_recipe
from corpus.source import blob_url, find_blobs

Sizes = Callable[[], int]
"""The size of the next piece, bytes, at least 1."""

WINDOW_ROWS, WINDOW_BYTES = 4, 2**18
"""The most of a real file that is mutated at a time. Unpublished: our choice."""

_SEARCHED_BYTES = 2**22  # of a real file, from its start. Our choice.


@dataclass(frozen=True)
class Subject:
    """One format.

    Attributes:
        sound: Files as they should be.
        read: (a file's bytes, how to cut it, the most bytes of a record) -> what its reader made of it.
        is_lines: Whether every line is a record.
        most_bytes: What reading may hold beside what is loaded, bytes.
        mend: Puts checksums right that would keep a reader from what lies behind them.
    """

    sound: Sequence[bytes]
    read: Callable[[bytes, Sizes, int], Account]
    is_lines: bool = False
    most_bytes: int = 2**29
    mend: Callable[[bytes], bytes] = bytes


def subjects() -> dict[str, Subject]:
    """Every subject by name, in the order of the table."""
    streams = specimens.streams()
    found = {name: _format(_entry(name), streams[name]) for name in FORMATS}
    trafilatura = _entry("cc-news", extractor="trafilatura")
    found["cc-news, trafilatura"] = _format(trafilatura, streams["cc-news"])
    found["reddit"] = Subject(streams["reddit"], _read_reddit, is_lines=True)
    found["hacker-news"] = Subject(streams["hacker-news"], _read_hacker_news, is_lines=True)
    found["parquet"] = Subject(specimens.tables(), _read_table)
    for suffix, packed in specimens.containers(streams["jsonl"][0]).items():
        # A window or a dictionary may take what container.MAX_WINDOW_BYTES allows.
        found[f"jsonl{suffix}"] = Subject(
            (packed,),
            partial(_read_packed, f"a.jsonl{suffix}"),
            is_lines=True,
            most_bytes=5 * 2**29,
            mend=_headers_mended if suffix == ".tar" else bytes,
        )
    return found


def real_subjects(recipe: str, data: str) -> dict[str, Subject]:
    """The same for the files of a recipe: of each input, stretches that begin where records do.

    Raises:
        TokentrailError: The recipe or the data is not as it should be.
    """
    read = load_recipe(recipe)
    sound: dict[str, list[bytes]] = {entry.name: [] for entry in read.input}
    for blob in find_blobs(read, data).blobs:
        entry = next(entry for entry in read.input if entry.name == blob.input)
        sound[entry.name] += _windows(entry, Path(blob_url(data, blob)), blob.path)
    kinds = subjects()
    return {
        entry.name: replace(kinds[entry.reader], sound=sound[entry.name], read=_reading(entry))
        for entry in read.input
        if sound[entry.name]
    }


def _reading(entry: Input) -> Callable[[bytes, Sizes, int], Account]:
    if entry.reader in DUMPS:
        return _read_reddit if entry.reader == "reddit" else _read_hacker_news
    return _read_table if entry.reader == "parquet" else partial(_read_stream, entry)


def _windows(entry: Input, path: Path, name: str) -> list[bytes]:
    if entry.reader == "parquet":
        return [path.read_bytes()]
    with path.open("rb") as file:
        opened = untar if name.endswith(".tar") else decompress
        stream = _first(opened(file, name), _SEARCHED_BYTES)
    rows = _reading(entry)(stream, lambda: 2**20, 2**26).rows
    some = range(0, len(rows), max(WINDOW_ROWS, len(rows) // 16))
    bounds = [(rows[at].offset, rows[at : at + WINDOW_ROWS][-1]) for at in some]
    ends = [min(start + WINDOW_BYTES, last.offset + last.raw_bytes) for start, last in bounds]
    return [stream[start:end] for (start, _), end in zip(bounds, ends, strict=True)]


def _first(chunks: Iterable[bytes], size: int) -> bytes:
    taken = bytearray()
    for chunk in chunks:
        taken += chunk
        if len(taken) >= size:
            break
    return bytes(taken)


def _entry(reader: str, extractor: str = "resiliparse") -> Input:
    return Input(  # type: ignore[arg-type]  # FORMATS's names are those that a recipe may give
        name=reader, reader=reader, files=(), sources={}, lines_per_document=8, extractor=extractor
    )


def _format(entry: Input, sound: Sequence[bytes]) -> Subject:
    return Subject(sound, partial(_read_stream, entry), FORMATS[entry.reader].is_lines)


def _pieces(data: bytes, sizes: Sizes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = sizes()
        yield data[at : at + size]
        at += size


def _read_stream(entry: Input, data: bytes, sizes: Sizes, limit: int) -> Account:
    return account(FORMATS[entry.reader].read(entry, _pieces(data, sizes), limit), data)


def _read_reddit(data: bytes, sizes: Sizes, limit: int) -> Account:
    taken = Account(data)
    for lines in read_lines(_pieces(data, sizes), max_record_bytes=limit):
        posts = reddit.parse(lines)
        columns = (lines.number.tolist(), lines.offset.tolist(), lines.raw, lines.raw_bytes.tolist())
        ids = (posts.kind, posts.thread, posts.id, posts.parent_kind, posts.parent, posts.live, posts.chars)
        facts = zip(*(column.tolist() for column in ids), strict=True)
        verdicts = (posts.damage.tolist(), posts.repairs.tolist())
        labels = [""] * len(lines)
        taken.rows += [Row(*row) for row in zip(*columns, labels, posts.text, *verdicts, facts, strict=True)]
        _skipped(taken, lines)
    return taken


def _read_hacker_news(data: bytes, sizes: Sizes, limit: int) -> Account:
    taken = Account(data)
    for lines in read_lines(_pieces(data, sizes), max_record_bytes=limit):
        items, damage, repairs = hacker_news.parse(lines.raw, lines.damage)
        columns = (lines.number.tolist(), lines.offset.tolist(), lines.raw, lines.raw_bytes.tolist())
        texts = [
            b"" if damaged else (item.text or "").encode(errors="surrogatepass")
            for item, damaged in zip(items, damage.tolist(), strict=True)
        ]
        facts = [(item.id, item.parent, item.kids, item.is_live) for item in items]
        verdicts = (damage.tolist(), repairs.tolist())
        rows = zip(*columns, [""] * len(lines), texts, *verdicts, facts, strict=True)
        taken.rows += [Row(*row) for row in rows]
        _skipped(taken, lines)
    return taken


def _skipped(taken: Account, lines: Lines) -> None:
    count, size = lines.skipped.get(BLANK_LINE, (0, 0))
    taken.skipped_records[BLANK_LINE] += count
    taken.skipped_bytes[BLANK_LINE] += size


def _read_table(data: bytes, sizes: Sizes, limit: int) -> Account:
    """A table has no stream but its texts; how many of a damaged one come first depends on the batches."""
    batches = read_parquet(io.BytesIO(data), "a.parquet", max_record_bytes=limit, batch_bytes=sizes())
    taken = account(batches, b"")
    if taken.error:
        return Account(error="it is damaged, or has no such column")
    taken.stream = b"".join(row.raw or bytes(row.raw_bytes) for row in taken.rows)
    return taken


def _headers_mended(archive: bytes) -> bytes:
    """The tar with the checksum that each header would have. Source: POSIX.1-2017, pax, "ustar Header Block"."""
    mended = bytearray(archive)
    for at in range(0, len(archive) - tarfile.BLOCKSIZE + 1, tarfile.BLOCKSIZE):
        if archive.startswith(b"ustar", at + 257):
            mended[at + 148 : at + 156] = b" " * 8
            mended[at + 148 : at + 156] = b"%06o\0 " % sum(mended[at : at + tarfile.BLOCKSIZE])
    return bytes(mended)


class _Trickle(io.BytesIO):
    """A file that gives as much as it likes."""

    def __init__(self, data: bytes, sizes: Sizes) -> None:
        super().__init__(data)
        self._sizes = sizes

    def read(self, size: int | None = -1, /) -> bytes:
        most = self._sizes()
        return super().read(most if size is None or size < 0 else min(size, most))


def _read_packed(name: str, data: bytes, sizes: Sizes, limit: int) -> Account:
    file, hasher, stream = _Trickle(data, sizes), hashlib.sha256(), bytearray()
    opened = untar if name.endswith(".tar") else decompress

    def watched() -> Iterator[bytes]:
        for chunk in opened(file, name, hasher):
            stream.extend(chunk)
            yield chunk

    taken = account(read_jsonl(read_lines(watched(), max_record_bytes=limit)), stream)
    hash_rest(file, hasher)
    if hasher.digest() != hashlib.sha256(data).digest():
        raise ValueError("not every byte of the file was hashed once")
    return taken
