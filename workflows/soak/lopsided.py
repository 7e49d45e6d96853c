"""Lopsided inputs in their true formats: what piles up on one key, in one bucket, in one thread or in one source.

Each is a function of its size and its seed, and is written line by line: nothing is ever held whole.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

PUSHSHIFT_WINDOW_LOG = 27  # a 2 GiB window would be most of what is measured; tests/corpus/readers has that one
_EPOCH = 1293840000
_FIRST_COMMENT = int("c1a0000", 36)
_THREAD = "t3_ev000"
_VOCABULARY = 50_000
_TEMPLATE_WORDS = 300
_WINDOW_WORDS, _STEP_WORDS = 200, 2

_RECIPE = """\
name = "lopsided"
version = "1.0.0"

[[input]]
name = "many"
reader = "{reader}"
files = ["many/*.zst"]
sources = {{ "*" = "many" }}

[[source]]
name = "many"
title = "Many"
"""
_FEW = """
[[input]]
name = "few"
reader = "jsonl"
files = ["few/*.zst"]
sources = { "*" = "few" }

[[source]]
name = "few"
title = "Few"
"""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

Parent = Callable[[random.Random, int], int]
Lines = Iterator[dict[str, object]]


@dataclass(frozen=True)
class Case:
    """One lopsided input.

    Attributes:
        name: What it is called.
        what: What piles up, in a few words.
        most: The largest size it is built at by default.
        lines: Its records, given the draws and the size.
        reader: Of the files.
        few: How many times fewer documents a second source has; 0 for no second source.
    """

    name: str
    what: str
    most: int
    lines: Callable[[random.Random, int], Lines]
    reader: str = "jsonl"
    few: int = 0

    def write(self, folder: Path, size: int, seed: int) -> Path:
        """Writes the raw files below `folder`, and the recipe that reads them; gives the recipe's path."""
        compress(folder / "many" / "one.jsonl.zst", self.lines(random.Random(f"{self.name} {seed}"), size))
        recipe = _RECIPE.format(reader=self.reader)
        if self.few:
            draws = random.Random(f"{self.name} few {seed}")
            compress(folder / "few" / "one.jsonl.zst", self.lines(draws, max(1, size // self.few)))
            recipe += _FEW
        (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
        return folder / "recipe.toml"


def compress(path: Path, lines: Lines) -> None:
    """Writes records as JSON lines in one zstd frame that, like the dumps', does not state its size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=PUSHSHIFT_WINDOW_LOG, write_content_size=False
    )
    with path.open("wb") as file:
        stream = zstandard.ZstdCompressor(compression_params=parameters).stream_writer(file)
        for line in lines:
            stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        stream.close()


def comments(parent: Parent) -> Callable[[random.Random, int], Lines]:
    """A thread in which comment i answers comment parent(draws, i), or the submission where that is -1."""

    def lines(draws: random.Random, size: int) -> Lines:
        for number in range(size):
            above = parent(draws, number)
            name = base36(_FIRST_COMMENT + number)
            yield {
                "subreddit_id": "t5_2qh33",
                "link_id": _THREAD,
                "id": name,
                "name": f"t1_{name}",
                "parent_id": _THREAD if above < 0 else f"t1_{base36(_FIRST_COMMENT + above)}",
                "author": f"user{draws.randrange(2000):04d}",
                "body": " ".join(_words(draws, 8)),
                "subreddit": "example_counting",
                "created_utc": str(_EPOCH + number),
                "score": draws.randrange(-5, 40),
                "retrieved_on": _EPOCH + 2_592_000,
                "gilded": 0,
                "edited": False,
            }

    return lines


def base36(number: int) -> str:
    """A number as Reddit writes ids."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def one_text(draws: random.Random, size: int) -> Lines:
    """One text, again and again."""
    text = " ".join(_words(draws, 40))
    for _ in range(size):
        yield {"text": text}


def copies_of_a_template(draws: random.Random, size: int) -> Lines:
    """Boilerplate with a number changed: 300 words, 296 shingles, of which any two copies share at least 291."""
    words = _words(draws, _TEMPLATE_WORDS)
    for number in range(size):
        words[_TEMPLATE_WORDS // 2] = f"no.{number}"
        yield {"text": " ".join(words)}


def drifting(draws: random.Random, size: int) -> Lines:
    """A window that moves two words a document: neighbours have Jaccard .98, and far ends share nothing."""
    words = _words(draws, _WINDOW_WORDS)
    for _ in range(size):
        yield {"text": " ".join(words)}
        words = words[_STEP_WORDS:] + _words(draws, _STEP_WORDS)


def one_set(draws: random.Random, size: int) -> Lines:
    """Casings of one short text: all texts differ, all shingle sets are the same one, under a single key."""
    words = _words(draws, 21)
    for number in range(size):
        yield {"text": " ".join(w.upper() if number >> i & 1 else w for i, w in enumerate(words))}


def distinct(draws: random.Random, size: int) -> Lines:
    """Texts that have nothing in common."""
    for _ in range(size):
        yield {"text": " ".join(_words(draws, 60))}


def _words(draws: random.Random, count: int) -> list[str]:
    return [f"w{int(draws.random() * _VOCABULARY):x}" for _ in range(count)]


CASES = (
    Case("chain", "a thread, each comment below the last", 10**6, comments(lambda _, i: i - 1), "reddit"),
    Case("star", "a thread, all comments at the top", 10**6, comments(lambda _, i: -1), "reddit"),
    Case("tree", "a thread, a random tree", 10**6, comments(lambda draws, i: draws.randrange(-1, i)), "reddit"),
    Case("one text", "one text, again and again", 10**6, one_text),
    Case("template", "boilerplate with a number changed", 10**5, copies_of_a_template),
    Case("drift", "neighbours near, ends far", 10**5, drifting),
    Case("one set", "one band key for all documents", 10**6, one_set),
    Case("one source", "one source a thousand times the next", 10**6, distinct, few=1000),
)
