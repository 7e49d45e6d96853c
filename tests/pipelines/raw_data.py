"""Raw files in the sources' true formats for the tests of pipelines, by code that shares nothing with ours."""

from __future__ import annotations

import bz2
import gzip
import json
import random
from pathlib import Path

import zstandard

WORDS = [
    a + b + c
    for a in ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v"]
    for b in ["a", "e", "i", "o", "u"]
    for c in ("n", "r", "st")
]

RECIPE = """
name = "tiny"
version = "1.0.0"
[[input]]
name = "pile"
reader = "pile"
files = ["pile/train/*.jsonl.zst"]
sources = { "Wikipedia (en)" = "wikipedia", "Pile-CC" = "pile-cc" }
[[input]]
name = "own"
reader = "jsonl"
files = ["own/*.jsonl.gz"]
sources = { "*" = "own" }
text_field = "body.text"
[[input]]
name = "reddit"
reader = "reddit"
files = ["reddit/comments/RC_*"]
sources = { "*" = "reddit" }
[[source]]
name = "wikipedia"
[[source]]
name = "pile-cc"
[[source]]
name = "own"
text = { normalise = ["gutenberg-notices", "chapter-headings", "whitespace"], filters = { min_words = 20 } }
[[source]]
name = "reddit"
[validation]
bytes = 4000
[tokens]
shard_bytes = 60_000
"""


def prose(draw: random.Random, words: int) -> str:
    """Sentences of made-up words."""
    text = []
    while words > 0:
        count = min(words, 6 + int(draw.random() * 14))
        sentence = " ".join(WORDS[int(draw.random() * len(WORDS))] for _ in range(count))
        text.append(sentence.capitalize() + ".")
        words -= count
    return " ".join(text)


def near_copy(text: str, at: int) -> str:
    """The same text with one word changed: five shingles differ on either side."""
    words = text.split(" ")
    words[at] = "changed"
    return " ".join(words)


def write_pile(folder: Path, draw: random.Random) -> None:
    """Two shards: sets, a set nobody chose, repeats across shards, near copies, damage, and several frames."""
    texts = [prose(draw, 300 + int(draw.random() * 200)) for _ in range(60)]
    names = ["Wikipedia (en)", "Pile-CC", "Github"]
    lines = [json.dumps({"text": text, "meta": {"pile_set_name": names[i % 3]}}) for i, text in enumerate(texts)]
    second = [
        json.dumps({"text": near_copy(texts[i], 50), "meta": {"pile_set_name": "Pile-CC"}}) for i in range(12)
    ]
    second += [
        json.dumps({"text": texts[i], "meta": json.dumps({"pile_set_name": "Pile-CC"})}) for i in range(20, 30)
    ]
    second += [
        '{"text": "broken',
        '{"meta": {"pile_set_name": "Pile-CC"}}',
        '{"text": 3, "meta": {"pile_set_name": "Pile-CC"}}',
        '{"text": "x", "meta": {"pile_set_name": "Nobody\'s"}}',
        "",
        json.dumps({"text": " \n\t ", "meta": {"pile_set_name": "Pile-CC"}}),
        '{"text": "A lone surrogate \\ud83d stands here.", "meta": {"pile_set_name": "Pile-CC"}}',
        json.dumps({"text": "Three words only", "meta": {"pile_set_name": "Wikipedia (en)"}}),
    ]
    folder.mkdir(parents=True)
    (folder / "00.jsonl.zst").write_bytes(_frames(lines[:40]) + _frames(lines[40:]))
    (folder / "01.jsonl.zst").write_bytes(_frames(second))


def _frames(lines: list[str]) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress("".join(line + "\n" for line in lines).encode())


def write_own(folder: Path, draw: random.Random) -> None:
    """A user's own JSON lines, with a book's notices, a short text and invalid UTF-8."""
    book = "*** START OF THE PROJECT GUTENBERG EBOOK THIS ***\n\nCHAPTER I.\n\n" + prose(draw, 200)
    texts = [book, "too short", *(prose(draw, 120) for _ in range(10))]
    data = b"".join(json.dumps({"body": {"text": text}}).encode() + b"\r\n" for text in texts)
    data += b'{"body": {"text": "' + prose(draw, 40).encode() + b' caf\xe9"}}'
    folder.mkdir(parents=True)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(data, mtime=0))


def write_reddit(folder: Path, draw: random.Random) -> None:
    """Two months of threads that run from one into the other, with a deleted parent, an orphan and a copy."""
    months: list[list[str]] = [[], []]
    number = 1000
    for thread in range(40):
        link, parents = f"t3_{_base36(5000 + thread)}", [f"t3_{_base36(5000 + thread)}"]
        for _ in range(3 + int(draw.random() * 9)):
            number += 1
            parent = parents[int(draw.random() * len(parents))]
            parents.append(f"t1_{_base36(number)}")
            body = "[deleted]" if draw.random() < 0.1 else prose(draw, 30) + " &gt; so"
            record = {
                "id": _base36(number),
                "link_id": link,
                "parent_id": parent,
                "body": body,
                "created_utc": "1",
            }
            months[draw.random() < 0.4].append(json.dumps(record, separators=(",", ":")))
    months[1].append(months[0][3])
    orphan = {"id": "zz", "link_id": "t3_zzz", "parent_id": "t1_gone", "body": prose(draw, 40)}
    months[1] += [json.dumps(orphan), "not json"]
    folder.mkdir(parents=True)
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, write_checksum=1, write_content_size=0)
    compressor = zstandard.ZstdCompressor(compression_params=wide)
    (folder / "RC_2011-01.zst").write_bytes(compressor.compress("".join(f"{x}\n" for x in months[0]).encode()))
    (folder / "RC_2011-02.bz2").write_bytes(bz2.compress("".join(f"{x}\n" for x in months[1]).encode()))


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def write_all(root: Path) -> None:
    """Every file of the tiny corpus, the same whenever and wherever it is called."""
    draw = random.Random(20220502)
    write_pile(root / "pile" / "train", draw)
    write_own(root / "own", draw)
    write_reddit(root / "reddit" / "comments", draw)
