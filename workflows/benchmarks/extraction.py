"""What reading the web costs and how true its text is: python workflows/benchmarks/extraction.py DATA

DATA holds CC-News as `**/CC-NEWS-*.warc.gz` and, for the same URLs, the true texts as news-please's
`**/articles.jsonl.gz`. Each reader is timed beside its parser alone, in this process, CPU seconds, best of some;
the texts are compared by the F1 of their word 4-grams and of their words, as multisets, mean over pages.
"""

from __future__ import annotations

import argparse
import gzip
import io
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import orjson
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from results import machine, table, write_section

from corpus.html_text import Extractor, extractor_version
from corpus.readers.cc_news import read_cc_news
from corpus.readers.lines import read_lines
from corpus.readers.news_please import read_news_please
from corpus.readers.record import Records
from corpus.readers.warc import read_warc
from corpus.readers.wet import read_wet

REPEATS = 7
PIECE = 2**20
SHINGLE = 4  # what the article-extraction-benchmark, whose texts these are, compares by


def chunks(stream: bytes) -> Iterator[bytes]:
    """The stream as a reader gets it."""
    return (stream[at : at + PIECE] for at in range(0, len(stream), PIECE))


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the best of several runs, the first of which loads what is loaded once."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def drain(batches: Iterator[object]) -> int:
    return sum(1 for _ in batches)


def pages(stream: bytes) -> Iterator[bytes]:
    """The bodies of the responses as FastWARC has them."""
    for record in ArchiveIterator(io.BytesIO(stream), record_types=WarcRecordType.response):
        yield record.reader.read()


def library(name: Extractor) -> Callable[[str], object]:
    """The extractor by itself, with the options we give it."""
    if name == "resiliparse":
        return lambda page: extract_plain_text(
            page, main_content=True, alt_texts=False, comments=False, post_meta=False
        )
    import trafilatura

    return lambda page: trafilatura.extract(page, include_comments=False)


def as_wet(texts: list[bytes]) -> bytes:
    """Texts as a WET file holds them, for the sample's real one has but one record."""
    head = (
        b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a.b/\r\nWARC-Date: 2021-09-28T08:00:00Z\r\n"
    )
    return b"".join(b"%sContent-Length: %d\r\n\r\n%s\r\n\r\n" % (head, len(text), text) for text in texts)


def costs(stream: bytes, articles: bytes, texts: list[bytes]) -> list[tuple[object, ...]]:
    """A row a reader: raw MB, MB per CPU-second of it and of its parser alone, and how much longer it takes."""
    wet = as_wet(texts * 20)
    pairs: list[tuple[str, bytes, Callable[[], object], str, Callable[[], object]]] = [
        (
            "WARC framing",
            stream,
            lambda: drain(read_warc(chunks(stream))),
            "FastWARC, blocks read",
            lambda: [record.reader.read() for record in ArchiveIterator(io.BytesIO(stream), parse_http=False)],
        ),
        (
            "WET",
            wet,
            lambda: drain(read_wet(chunks(wet))),
            "FastWARC, blocks read",
            lambda: [record.reader.read() for record in ArchiveIterator(io.BytesIO(wet), parse_http=False)],
        ),
        (
            "news-please lines",
            articles,
            lambda: drain(read_news_please(read_lines(chunks(articles)), until="")),
            "orjson, a line each",
            lambda: [orjson.loads(line) for line in articles.split(b"\n") if line],
        ),
    ]
    for name in get_args(Extractor):
        alone = library(name)
        pairs.append(
            (
                f"CC-News, {name}",
                stream,
                lambda name=name: drain(read_cc_news(chunks(stream), name)),  # type: ignore[misc]
                f"FastWARC, {name}",
                lambda alone=alone: [alone(page.decode(errors="replace")) for page in pages(stream)],  # type: ignore[misc]
            )
        )
    rows = []
    for what, raw, ours, parser, theirs in pairs:
        our_seconds, their_seconds = seconds(ours), seconds(theirs)
        megabytes = len(raw) / 1e6
        rows.append(
            (
                what,
                megabytes,
                megabytes / our_seconds,
                parser,
                megabytes / their_seconds,
                our_seconds / their_seconds,
            )
        )
    return rows


def f1(found: str, true: str, size: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of the word n-grams, as multisets."""
    words = [re.findall(r"\w+", text.lower()) for text in (found, true)]
    grams = [Counter(tuple(w[at : at + size]) for at in range(max(1, len(w) - size + 1))) for w in words]
    shared = (grams[0] & grams[1]).total()
    precision, recall = shared / max(1, grams[0].total()), shared / max(1, grams[1].total())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def by_url(batches: Iterator[Records]) -> dict[str, str]:
    return {
        url: text.decode()
        for records in batches
        for url, text in zip(records.facts["url"], records.text, strict=True)
    }


def truth(stream: bytes, articles: bytes) -> list[tuple[object, ...]]:
    """A row an extractor: pages, how true their texts are, and milliseconds a page."""
    # Bodies alone: the titles of these articles are made of their first words.
    true = {entry["url"]: entry["maintext"] for entry in map(orjson.loads, articles.splitlines())}
    rows = []
    for name in get_args(Extractor):
        texts = {url: text for url, text in by_url(read_cc_news(chunks(stream), name)).items() if url in true}
        cpu = seconds(lambda name=name: drain(read_cc_news(chunks(stream), name)))  # type: ignore[misc]
        scores = []
        for size in (SHINGLE, 1):
            each = zip(*(f1(text, true[url], size) for url, text in texts.items()), strict=True)
            scores.append([100 * statistics.fmean(values) for values in each])
        (precision, recall, grams), (_, _, words) = scores
        empty = sum(not text for text in texts.values())
        rows.append(
            (
                extractor_version(name),
                len(texts),
                empty,
                precision,
                recall,
                grams,
                words,
                1000 * cpu / len(texts),
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    articles = b"".join(gzip.decompress(path.read_bytes()) for path in sorted(data.glob("**/articles.jsonl.gz")))
    # The pages after the cut-off have no true text.
    warcs = sorted(path for path in data.glob("**/CC-NEWS-*.warc.gz") if path.name < "CC-NEWS-20210929")
    stream = b"".join(gzip.decompress(path.read_bytes()) for path in warcs)
    texts = [text.encode() for text in by_url(read_cc_news(chunks(stream), "resiliparse")).values()]

    cost = table(
        ["reader", "raw MB", "MB/s", "parser alone", "MB/s", "times as long"], costs(stream, articles, texts)
    )
    heads = ["extractor", "pages", "empty", "precision", "recall", "F1", "F1 of words", "ms a page"]
    section = (
        f"## Web pages\n\n`python workflows/benchmarks/extraction.py DATA`, CPU seconds, best of {REPEATS}, on\n"
        f"{machine()}.\n\n{cost}\n\n"
        f"Text against the hand-made one of the same pages, word {SHINGLE}-grams, percent, mean over pages:\n\n"
        f"{table(heads, truth(stream, articles))}\n"
    )
    print(section)
    write_section("extraction.py", section)


if __name__ == "__main__":
    main()
