"""The parser of each reader alone: the library it stands on, given a whole stream, its results dropped.

Each does what cannot be left out to have the text, and no more: no limits, no repairs, no offsets, no identity.
For plain text there is no library; what cannot be left out is to find the lines and decode them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.parsers import expat

import msgspec
import mwparserfromhell
import orjson
import trafilatura
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text


@dataclass(frozen=True)
class Parser:
    """What it is, in a table's words, and what it does to one stream."""

    what: str
    parse: Callable[[bytes], object]


class _Post(msgspec.Struct, gc=False):
    id: str | int | None = None
    link_id: str | int | None = None
    parent_id: str | int | None = None
    body: str | None = None
    title: str | None = None
    selftext: str | None = None


_decode_post = msgspec.json.Decoder(_Post).decode
_PAGE = re.compile(rb"<page>.*?</page>", re.DOTALL)


def _json_lines(stream: bytes) -> None:
    for line in stream.split(b"\n"):
        if line:
            _load(line)


def _load(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _posts(stream: bytes) -> None:
    for line in stream.split(b"\n"):
        try:
            _decode_post(line)
        except msgspec.MsgspecError:
            continue


def _text_lines(stream: bytes) -> list[str]:
    return [line.decode(errors="replace") for line in stream.split(b"\n")]


def _text_blocks(stream: bytes) -> list[str]:
    return [block.decode(errors="replace") for block in re.split(rb"\r?\n\s*\n", stream)]


def _gutenberg(stream: bytes) -> str:
    try:
        return stream.decode()
    except UnicodeDecodeError:
        return stream.decode("cp1252", "replace")


def _xml(document: bytes) -> list[str]:
    """Every event told to Python, as it must be to know what a text is part of; the text kept."""
    texts: list[str] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: None
    parser.EndElementHandler = lambda name: None
    parser.CharacterDataHandler = texts.append
    parser.Parse(document, True)
    return texts


def _wikipedia(stream: bytes) -> None:
    for page in _PAGE.findall(stream):
        texts = _xml(page)
        if b"<ns>0</ns>" in page and b"<redirect" not in page:
            # What stands beside the wikitext are names and numbers.
            mwparserfromhell.parse("".join(texts)).strip_code()


def _records(stream: bytes) -> None:
    for record in ArchiveIterator(io.BytesIO(stream), parse_http=False):
        record.reader.read()


def _conversions(stream: bytes) -> None:
    for record in ArchiveIterator(io.BytesIO(stream), record_types=WarcRecordType.conversion, parse_http=False):
        record.reader.read().decode(errors="replace")


def _pages(stream: bytes) -> Iterator[str]:
    for record in ArchiveIterator(io.BytesIO(stream), record_types=WarcRecordType.response):
        yield record.reader.read().decode(errors="replace")


def _resiliparse(stream: bytes) -> None:
    for page in _pages(stream):
        extract_plain_text(page, main_content=True, alt_texts=False, comments=False, post_meta=False)


def _trafilatura(stream: bytes) -> None:
    for page in _pages(stream):
        trafilatura.extract(page, include_comments=False)


_OBJECTS = Parser("orjson, a line each", _json_lines)
_LINES = Parser("lines split and decoded", _text_lines)
_XML = Parser("expat, events told to Python", _xml)

PARSERS = {
    "pile": _OBJECTS,
    "jsonl": _OBJECTS,
    "reddit": Parser("msgspec, six fields of a line", _posts),
    "news-please-lines": _OBJECTS,
    "news-please": Parser("orjson, the file", orjson.loads),
    "text": Parser("decoded", _gutenberg),
    "text-blocks": Parser("blocks split and decoded", _text_blocks),
    "text-lines": _LINES,
    "book-corpus": _LINES,
    "gutenberg": Parser("decoded", _gutenberg),
    "dm-mathematics": _LINES,
    "wikipedia": Parser("expat, mwparserfromhell", _wikipedia),
    "uspto": _XML,
    "open-subtitles": _XML,
    "WARC framing": Parser("FastWARC, blocks read", _records),
    "cc-news, resiliparse": Parser("FastWARC, decoded, resiliparse", _resiliparse),
    "cc-news, trafilatura": Parser("FastWARC, decoded, trafilatura", _trafilatura),
    "wet": Parser("FastWARC, conversions read and decoded", _conversions),
}
"""Reader -> its parser alone."""
