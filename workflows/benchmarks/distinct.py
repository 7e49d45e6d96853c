"""Makes distinct copies of a corpus: as long as the first, of the same words, and near-duplicates of nothing.

    python workflows/benchmarks/distinct.py DIR OUT [--copies 16] [--megabytes 35]

DIR holds jsonl.zst files with a `text` field. OUT/<copy>/ gets as many, each with that much of the text at most.
In every copy but the first, every fourth word of a file changes its place with others of that file, by a shuffle
that the copy's number seeds. Every word 5-gram then holds a moved word, and how often a word occurs, how long a
document is and how it packs stay as they were.
"""

from __future__ import annotations

import argparse
import io
import random
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import zstandard

_EVERY = 4  # words; below the five of a shingle
_WORDS = re.compile(r"(\s+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--copies", type=int, default=16, help="how many (%(default)s)")
    parser.add_argument("--megabytes", type=float, default=1e6, help="of text, of each file (all)")
    options = parser.parse_args()
    for file in sorted(options.data.glob("*.jsonl.zst")):
        texts = _texts(file, int(options.megabytes * 1e6))
        for copy in range(options.copies):
            folder = options.out / f"{copy:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            same = _moved(texts, random.Random(f"{copy} {file.name}")) if copy else texts
            lines = b"".join(orjson.dumps({"text": text}) + b"\n" for text in same)
            (folder / f"{copy:03d}-{file.name}").write_bytes(zstandard.compress(lines))


def _texts(file: Path, limit: int) -> list[str]:
    """The texts of a file's sound records, up to so many bytes."""
    found, size = [], 0
    with open(file, "rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as stream:
        for line in io.BufferedReader(stream):
            with suppress(orjson.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
                text = orjson.loads(line)["text"]
                size += len(text.encode())
                found.append(text)
            if size >= limit:
                break
    return found


def _moved(texts: Sequence[str], draws: random.Random) -> list[str]:
    """The texts with every fourth word moved among themselves."""
    cut = [_WORDS.split(text) for text in texts]  # words, and between them what parts them
    step = 2 * _EVERY
    words = [word for pieces in cut for word in pieces[::step]]
    draws.shuffle(words)
    first = 0
    for pieces in cut:
        end = first + len(pieces[::step])
        pieces[::step] = words[first:end]
        first = end
    return ["".join(pieces) for pieces in cut]


if __name__ == "__main__":
    main()
