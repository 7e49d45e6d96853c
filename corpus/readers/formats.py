"""Every raw format a recipe can name: how a stream of it becomes records, and what decides the answer.

A format's version is our own integer, or for text that a library extracts, our integer and the library's release:
another release is another text. Reddit and Hacker News are not here: their records meet by thread and by story
(see `reddit.py` and `hacker_news.py`).
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from corpus.errors import RecipeError
from corpus.html_text import extractor_version
from corpus.readers import hacker_news
from corpus.readers.arc import ARC
from corpus.readers.book_corpus import read_book_corpus
from corpus.readers.cc_news import read_cc_news
from corpus.readers.dm_mathematics import read_dm_mathematics
from corpus.readers.gutenberg import read_gutenberg
from corpus.readers.jsonl import read_jsonl
from corpus.readers.lines import read_lines
from corpus.readers.news_please import read_news_please, read_news_please_file
from corpus.readers.open_subtitles import read_open_subtitles
from corpus.readers.pile import read_pile
from corpus.readers.record import Lines, Records
from corpus.readers.text import read_text_blocks, read_text_file
from corpus.readers.text_lines import read_text_lines
from corpus.readers.uspto import read_uspto
from corpus.readers.wet import read_wet
from corpus.readers.wikipedia import read_wikipedia
from corpus.recipe import Input


@dataclass(frozen=True)
class Format:
    """One raw format.

    Attributes:
        read: (the recipe's input, the uncompressed stream, the most bytes of a record) -> records.
        is_lines: Whether every line of the stream is a record, so that counting line feeds counts records.
        version: What decides the answer beside the stream and the input's own keys.
    """

    read: Callable[[Input, Iterator[bytes], int], Iterator[Records]]
    is_lines: bool = False
    version: Callable[[Input], str] = lambda entry: "1"


def _lines(chunks: Iterator[bytes], limit: int) -> Iterator[Lines]:
    return read_lines(chunks, max_record_bytes=limit)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "arc": Format(
            lambda entry, chunks, limit: read_cc_news(
                chunks, entry.extractor, until=entry.until, max_record_bytes=limit, framing=ARC
            ),
            version=lambda entry: f"1, {extractor_version(entry.extractor)}",
        ),
        "book-corpus": Format(
            lambda entry, chunks, limit: read_book_corpus(chunks, entry.lines_per_document, max_record_bytes=limit)
        ),
        "cc-news": Format(
            lambda entry, chunks, limit: read_cc_news(
                chunks, entry.extractor, until=entry.until, max_record_bytes=limit
            ),
            version=lambda entry: f"1, {extractor_version(entry.extractor)}",
        ),
        "dm-mathematics": Format(lambda entry, chunks, limit: read_dm_mathematics(chunks, max_record_bytes=limit)),
        "gutenberg": Format(lambda entry, chunks, limit: read_gutenberg(chunks, max_record_bytes=limit)),
        "jsonl": Format(
            lambda entry, chunks, limit: read_jsonl(
                _lines(chunks, limit), entry.text_field, entry.label_field or None, entry.facts or {}
            ),
            is_lines=True,
        ),
        "news-please": Format(
            lambda entry, chunks, limit: read_news_please_file(chunks, until=entry.until, max_record_bytes=limit),
            version=lambda entry: "2",
        ),
        "news-please-lines": Format(
            lambda entry, chunks, limit: read_news_please(_lines(chunks, limit), until=entry.until),
            is_lines=True,
            version=lambda entry: "2",
        ),
        "open-subtitles": Format(lambda entry, chunks, limit: read_open_subtitles(chunks, max_record_bytes=limit)),
        "pile": Format(lambda entry, chunks, limit: read_pile(_lines(chunks, limit)), is_lines=True),
        "text": Format(lambda entry, chunks, limit: read_text_file(chunks, max_record_bytes=limit)),
        "text-blocks": Format(lambda entry, chunks, limit: read_text_blocks(chunks, max_record_bytes=limit)),
        "text-lines": Format(lambda entry, chunks, limit: read_text_lines(_lines(chunks, limit)), is_lines=True),
        "uspto": Format(lambda entry, chunks, limit: read_uspto(chunks, max_record_bytes=limit)),
        "wet": Format(lambda entry, chunks, limit: read_wet(chunks, max_record_bytes=limit)),
        "wikipedia": Format(
            lambda entry, chunks, limit: read_wikipedia(chunks, max_record_bytes=limit),
            version=lambda entry: f"1, {_release('mwparserfromhell', extra='wiki')}",
        ),
    }
)
"""The formats whose records are documents by themselves, by the name a recipe gives them."""


def format_version(entry: Input) -> str:
    """What decides an input's records beside its bytes and keys.

    Raises:
        RecipeError: A library that the format needs is not installed.
    """
    if entry.reader == "hacker-news":
        return f"{hacker_news.VERSION}, {_release('html2text', extra='hn')}"
    return FORMATS[entry.reader].version(entry) if entry.reader in FORMATS else "1"


def _release(package: str, extra: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise RecipeError(
            f"{package} is not installed", where="the recipe's inputs", remedy=f"pip install 'tokentrail[{extra}]'"
        ) from error
