"""What every reader costs beside its parser alone, and beside datatrove's reader of the same file.

    python workflows/benchmarks/readers.py [--data DIR] [--peers [PYTHON]] [--rounds 7] [--megabytes 8]

DIR holds raw files named as their sources name them (FILES says how); without it, the generated sample does, which
has the Pile and Reddit alone. Files are read again and again up to so many megabytes. The parser alone is the
library that the reader stands on, given the same bytes, its results dropped; what it does is said beside it. All
take turns; medians of CPU seconds, and of their ratios. Writes the section "readers" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import cycle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from parsers import PARSERS, Parser
from peer import Peer
from results import machine, table, write_section

from corpus.readers import reddit
from corpus.readers.container import decompress
from corpus.readers.formats import FORMATS
from corpus.readers.lines import read_lines
from corpus.readers.parquet import read_parquet
from corpus.readers.warc import read_warc
from corpus.readers.web_page import page_bytes, page_text, parse_response
from corpus.recipe import Input

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample"
PIECE = 2**20  # how a container hands on its content
BAR = 1.5
WHY = """
A reader gives batches, not Python objects that are dropped at once: the raw record, of which its id is made, and
the text, packed end to end in UTF-8. Where parsing is nearly free this is what one sees: of plain text (`text`,
`gutenberg`), whose parser only looks at the bytes, of WET, and some of JSON. Short records cost by the record, not
by the byte: an article a file (8 kB each), Reddit's lines (their ids, their tombstones), text blocks (a step of
Python a line).
"""
LIBRARIES = ("FastWARC", "mwparserfromhell", "orjson", "msgspec", "pyarrow", "resiliparse", "trafilatura")

FILES = {
    "pile": ("pile/train/*.jsonl.zst",),
    "jsonl": ("**/openwebtext2/*.jsonl.zst", "pile/train/*.jsonl.zst"),
    "reddit": ("reddit/comments/RC_*", "reddit/submissions/RS_*"),
    "news-please-lines": ("**/news-please/*.jsonl.gz",),
    "news-please": ("**/cc_download_article*/**/*.json",),
    "text": ("**/pg19/train/*.txt",),
    "text-blocks": ("**/epubtxt/*.txt",),
    "text-lines": ("**/cc_stories.txt",),
    "book-corpus": ("**/books_large_p*.txt",),
    "gutenberg": ("**/gutenberg_raw/*.txt",),
    "dm-mathematics": ("**/train-*/*.txt",),
    "wikipedia": ("**/*pages-articles*.xml.bz2",),
    "uspto": ("**/uspto/*.xml",),
    "open-subtitles": ("**/OpenSubtitles/**/*.xml",),
    "WARC framing": ("**/CC-NEWS-201*.warc.gz",),
    "cc-news, resiliparse": ("**/CC-NEWS-201*.warc.gz",),
    "cc-news, trafilatura": ("**/CC-NEWS-201*.warc.gz",),
}
"""Reader -> patterns of its files; those of each pattern are read together, and of `reddit` all."""

ONE_STREAM = frozenset({"dm-mathematics", "jsonl", "news-please-lines", "pile", "reddit"})
"""Formats whose files are many times longer than the sample's: these are read end to end, as one."""


@dataclass(frozen=True)
class Times:
    """CPU seconds of each round: ours, and beside it the other's."""

    name: str
    megabytes: float
    ours: list[float]
    other: list[float]
    what: str

    def row(self) -> list[object]:
        """As the table has it."""
        ratio = statistics.median(mine / theirs for mine, theirs in zip(self.ours, self.other, strict=True))
        rates = [self.megabytes / statistics.median(times) for times in (self.ours, self.other)]
        return [self.name, self.megabytes, rates[0], self.what, rates[1], ratio]


def streams_of(data: Path, name: str, megabytes: float) -> list[bytes]:
    """The uncompressed files of a reader, again and again up to this size; none where there are none."""
    for pattern in FILES[name]:
        paths = sorted(path for path in data.glob(pattern) if path.is_file())
        found = [b"".join(decompress(io.BytesIO(path.read_bytes()), path.name)) for path in paths]
        if found:
            taken = repeated(found, megabytes)
            return [b"".join(taken)] if name in ONE_STREAM else taken
    return []


def repeated(streams: Sequence[bytes], megabytes: float) -> list[bytes]:
    """The streams in turn, up to this size."""
    taken: list[bytes] = []
    size = 0
    for stream in cycle([stream for stream in streams if stream]):
        taken.append(stream)
        size += len(stream)
        if size >= megabytes * 1e6:
            return taken
    return taken


def chunks(stream: bytes) -> Iterator[bytes]:
    """A stream as a reader gets it."""
    return (stream[at : at + PIECE] for at in range(0, len(stream), PIECE))


def our_reader(name: str) -> Callable[[Iterator[bytes]], None]:
    """The reader of this name, from chunks to its last record."""
    if name == "reddit":
        return lambda stream: drain(reddit.parse(lines) for lines in read_lines(stream))
    if name == "WARC framing":
        return lambda stream: drain(read_warc(stream))
    reader, _, extractor = name.partition(", ")
    entry = Input(  # type: ignore[arg-type]  # FILES names readers as recipes do
        name=name, reader=reader, files=(), sources={}, extractor=extractor or "resiliparse"
    )
    return lambda stream: drain(FORMATS[reader].read(entry, stream, 2**26))


def drain(batches: Iterator[object]) -> None:
    for _ in batches:
        pass


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def beside_parser(name: str, streams: list[bytes], parser: Parser, rounds: int) -> Times:
    """A reader and its parser alone, in turn, after one reading each that loads what is loaded once."""
    read, cut = our_reader(name), [list(chunks(stream)) for stream in streams]

    def ours() -> None:
        for pieces in cut:
            read(iter(pieces))

    def alone() -> None:
        for stream in streams:
            parser.parse(stream)

    ours(), alone()
    pairs = [(seconds(ours), seconds(alone)) for _ in range(rounds)]
    size = sum(map(len, streams)) / 1e6
    return Times(name, size, [mine for mine, _ in pairs], [theirs for _, theirs in pairs], parser.what)


def as_wet(texts: Sequence[bytes]) -> bytes:
    """Texts as a WET file holds them: the sample's real one has but one record."""
    fields = (
        b"WARC-Type: conversion\r\nWARC-Target-URI: http://www.example.org/a/page"
        b"\r\nWARC-Date: 2021-09-28T08:00:00Z\r\nContent-Type: text/plain"
        b"\r\nWARC-Record-ID: <urn:uuid:c9d1b9d4-7a4b-4a0e-9d2a-0b1c2d3e4f50>"
        b"\r\nWARC-Identified-Content-Language: eng\r\n"
    )
    return b"".join(
        b"WARC/1.0\r\n%sContent-Length: %d\r\n\r\n%s\r\n\r\n" % (fields, len(text), text) for text in texts
    )


def as_table(texts: Sequence[str]) -> bytes:
    """Texts as a Parquet file holds them."""
    packed = io.BytesIO()
    pq.write_table(pa.table({"text": texts, "id": list(map(str, range(len(texts))))}), packed, row_group_size=1000)
    return packed.getvalue()


def texts_of(streams: Sequence[bytes]) -> list[str]:
    return [json.loads(line)["text"] for stream in streams for line in stream.splitlines() if line[:1] == b"{"]


def sound_lines(streams: Sequence[bytes]) -> list[bytes]:
    """The JSON lines that every parser reads: the sample has planted damage."""
    lines = []
    for line in b"\n".join(streams).split(b"\n"):
        try:
            text = json.loads(line)["text"]
            text.encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        lines.append(line)
    return lines


def beside_peer(peer: Peer, name: str, reader: str, path: Path, ours: Callable[[Path], int], rounds: int) -> Times:
    """A file read by us, hashed as a build hashes it, and by datatrove, in turn."""
    documents = ours(path), peer.turn(reader, path)[1]
    pairs = [(seconds(partial(ours, path)), peer.turn(reader, path)[0]) for _ in range(rounds)]
    what = f"{documents[0]:,} and {documents[1]:,}"
    size = path.stat().st_size / 1e6
    return Times(name, size, [mine for mine, _ in pairs], [theirs for _, theirs in pairs], what)


def opened(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from decompress(file, path.name, hashlib.sha256())


def documents_of(reader: str, path: Path) -> int:
    entry = Input(name=reader, reader=reader, files=(), sources={})  # type: ignore[arg-type]
    return sum(len(records) for records in FORMATS[reader].read(entry, opened(path), 2**26))


def rows_of(path: Path) -> int:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
        file.seek(0)
        return sum(len(records) for records in read_parquet(file, path.name))


def pages_of(path: Path) -> int:
    """Pages as text, tags and all, which is where datatrove's reader stops."""
    pages = 0
    for record in read_warc(opened(path)):
        response = parse_response(record.block) if record.kind == "response" else None
        if response is not None:
            page_text(response, page_bytes(response))
            pages += 1
    return pages


def peer_times(peer: Peer, data: Path, options: argparse.Namespace) -> list[Times]:
    """Every format that both read."""
    lines = sound_lines(streams_of(data, "pile", options.megabytes))
    texts = texts_of(lines)
    crawl = streams_of(data, "WARC framing", options.megabytes)
    with tempfile.TemporaryDirectory() as folder:
        files: list[tuple[str, str, str, bytes, Callable[[Path], int]]] = [
            ("jsonl", "jsonl", "a.jsonl", b"\n".join(lines) + b"\n", partial(documents_of, "jsonl")),
            ("parquet", "parquet", "b.parquet", as_table(texts), rows_of),
            ("wet", "warc", "c.wet", as_wet([text.encode() for text in texts]), partial(documents_of, "wet")),
        ]
        if crawl:
            files.append(("warc, pages with their tags", "warc", "d.warc", b"".join(crawl), pages_of))
        times = []
        for name, reader, file, content, ours in files:
            path = Path(folder, file)
            path.write_bytes(content)
            times.append(beside_peer(peer, name, reader, path, ours, options.rounds))
        return times


def parser_times(data: Path, options: argparse.Namespace) -> list[Times]:
    """Every reader whose files are there."""
    times = []
    for name in FILES:
        if streams := streams_of(data, name, options.megabytes):
            times.append(beside_parser(name, streams, PARSERS[name], options.rounds))
            print(*times[-1].row(), flush=True)
    texts = [text.encode() for text in texts_of(sound_lines(streams_of(data, "pile", options.megabytes)))]
    times.append(beside_parser("wet", [as_wet(texts)], PARSERS["wet"], options.rounds))
    print(*times[-1].row(), flush=True)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="raw files; the generated sample's where it is not given")
    parser.add_argument("--rounds", type=int, default=7, help="readings of each (%(default)s)")
    parser.add_argument("--megabytes", type=float, default=8, help="of each reader, at least (%(default)s)")
    parser.add_argument(
        "--peers",
        nargs="?",
        const=str(ROOT / ".venv-peers/bin/python"),
        help="run datatrove too, by this Python (%(const)s)",
    )
    options = parser.parse_args()
    data = options.data or SAMPLE
    rows = [times.row() for times in parser_times(data, options)]
    over = [f"{row[0]} ({row[-1]:.2f})" for row in rows if float(str(row[-1])) > BAR]
    versions = {name: version(name) for name in LIBRARIES}
    beside = ""
    if options.peers:
        peer = Peer(options.peers, "datatrove_readers.py")
        heads = ["file", "MB", "ours, MB/s", "documents of ours and theirs", "datatrove, MB/s", "times as long"]
        beside = f"""
Whole files, ours hashed as a build hashes them, beside datatrove's reader of the same file:

{table(heads, (times.row() for times in peer_times(peer, data, options)))}
"""
        peer.end()
        versions |= peer.versions
    heads = ["reader", "raw MB", "MB/s", "parser alone", "MB/s", "times as long"]
    data_option = " --data DIR" if options.data else ""
    section = f"""## Readers

`python workflows/benchmarks/readers.py{data_option}{" --peers" if options.peers else ""}`:
MB of uncompressed raw data per CPU-second; medians of {options.rounds}, taken in turn.

{table(heads, rows)}

Over {BAR} times their parser: {", ".join(over) or "none"}.
{WHY}{beside}
{machine()}; {", ".join(f"{name} {versions[name]}" for name in sorted(versions))}.
"""
    print(section)
    write_section("readers", section)


if __name__ == "__main__":
    sys.exit(main())
