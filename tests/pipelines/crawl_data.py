"""Crawled pages in WARC, WET and news-please's JSON for the tests of pipelines."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from raw_data import near_copy, prose

RECIPE = """
name = "tiny"
version = "1.0.0"
[[input]]
name = "articles"
reader = "news-please"
files = ["articles/*.json"]
sources = { "*" = "articles" }
[[input]]
name = "lines"
reader = "news-please-lines"
files = ["lines/*.jsonl"]
sources = { "*" = "lines" }
until = ""
[[input]]
name = "warc"
reader = "cc-news"
files = ["warc/*.warc.gz"]
sources = { "*" = "warc" }
[[input]]
name = "wet"
reader = "wet"
files = ["wet/*.wet.gz"]
sources = { "*" = "wet" }
[[source]]
name = "warc"
[[source]]
name = "lines"
[[source]]
name = "articles"
[[source]]
name = "wet"
[text.filters]
min_words = 20
[validation]
bytes = 0
"""
RANK = ("warc", "lines", "articles", "wet")
CUT_OFF = "2021-09-28T23:59:59Z"


@dataclass(frozen=True)
class Page:
    """One fetch of a page: in which file and record it lies, and what was found there."""

    path: str
    record: int
    url: str
    date: str
    text: str

    @property
    def source(self) -> str:
        return self.path.partition("/")[0]


def warc_record(kind: str, url: str, date: str, block: bytes) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n"
    return gzip.compress(f"{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n", mtime=0)


def fetches(draw: random.Random) -> list[Page]:
    """Pages of 40 URLs, fetched one to five times each, from all formats, dates and spellings in a jumble."""
    names = ["warc/a.warc.gz", "warc/b.warc.gz", "lines/a.jsonl", "lines/b.jsonl", "wet/a.wet.gz"]
    texts = [prose(draw, 250) for _ in range(45)]
    counts: dict[str, int] = {}
    found = []
    for number in range(160):
        path = draw.choice(names) if number % 8 else f"articles/{number:03d}.json"
        record = counts[path] = counts.get(path, -1) + 1
        page = draw.randrange(40)
        plain = f"http://news.example.org/{page}?id={page % 7}"
        url = draw.choice([plain, plain, plain.replace("news", "News"), f"{plain}#top", f"HTTP{plain[4:]}"])
        if draw.random() < 0.05:
            url = ""
        day = draw.choice(["2019-01-02", "2019-01-03", "2021-09-28", "2021-09-29"])
        date = f"{day}T10:00:{draw.randrange(3):02d}Z"
        if path.startswith("lines") and draw.random() < 0.2:
            date = ""
        version = [
            texts[page],
            near_copy(texts[page], 90),
            texts[draw.randrange(45)],
            prose(draw, 50),
            "too short",
        ]
        text = draw.choice(version)
        found.append(Page(path, record, url, date, text))
    return found


def write_crawl(root: Path, pages: Iterable[Page]) -> None:
    """Every file of the crawl; of one file, the pages in the order of their records."""
    files: dict[str, list[bytes]] = {}
    for page in sorted(pages, key=lambda page: (page.path, page.record)):
        files.setdefault(page.path, []).append(_record(page))
    for path, records in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"".join(records))


def _record(page: Page) -> bytes:
    if page.source == "warc":
        html = f"<html><body><article><p>{page.text}</p></article></body></html>".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(html)}\r\n\r\n"
        return warc_record("response", f"<{page.url}>", page.date, head.encode() + html)
    if page.source == "wet":
        return warc_record("conversion", page.url, page.date, page.text.encode())
    fetched = page.date.replace("T", " ").replace("Z", "+00:00") or None
    article = {"date_download": fetched, "maintext": page.text, "title": None, "url": page.url or None}
    return json.dumps(article).encode() + (b"\n" if page.source == "lines" else b"")
