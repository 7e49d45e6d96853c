"""How true the text of web pages is: python workflows/benchmarks/extraction.py DATA

DATA holds CC-News as `**/CC-NEWS-*.warc.gz` and, for the same URLs, the true texts as news-please's
`**/articles.jsonl.gz`. The texts are compared by the F1 of their word 4-grams and of their words, as multisets,
mean over pages; the time is in CPU seconds, best of some. What readers cost beside their parsers: `readers.py`.
"""

from __future__ import annotations

import argparse
import gzip
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import orjson
from results import machine, table, write_section

from corpus.html_text import Extractor, extractor_version
from corpus.readers.cc_news import read_cc_news
from corpus.readers.record import Records

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
    heads = ["extractor", "pages", "empty", "precision", "recall", "F1", "F1 of words", "ms a page"]
    section = (
        f"## Web pages\n\n`python workflows/benchmarks/extraction.py DATA`, CPU seconds, best of {REPEATS}, on\n"
        f"{machine()}.\n\n"
        f"Text against the hand-made one of the same pages, word {SHINGLE}-grams, percent, mean over pages:\n\n"
        f"{table(heads, truth(stream, articles))}\n"
    )
    print(section)
    write_section("extraction.py", section)


if __name__ == "__main__":
    main()
