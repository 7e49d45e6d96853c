"""datasketch end to end in the plain loop of its documentation: words, shingles, MinHash, MinHashLSH.

Shingles are ours (word 5-grams over lower-cased, whitespace-split text), signatures the 48 permutations of
6 bands of 8 rows, given by `params=`: `threshold=` would choose bands by another measure than recall. A document
is dropped when the index holds a candidate already; candidates are not verified.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasketch import MinHash, MinHashLSH
from line import cpu_seconds, print_line, read_texts

WORDS, BANDS, ROWS = 5, 6, 8
PACKAGES = ("datasketch", "numpy")


def shingles(text: str) -> set[bytes]:
    """The word 5-grams of a text; the whole text where it has fewer words."""
    words = text.lower().split()
    return {" ".join(words[at : at + WORDS]).encode() for at in range(max(1, len(words) - WORDS + 1))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args()
    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    kept = 0
    for row, text in enumerate(read_texts(args.files)):
        signature = MinHash(num_perm=BANDS * ROWS)
        signature.update_batch(list(shingles(text)))
        if not index.query(signature):
            index.insert(row, signature, check_duplication=False)
            kept += 1
    print_line(f"datasketch MinHashLSH {BANDS}x{ROWS}", args.files, cpu_seconds(), PACKAGES, kept=kept)


if __name__ == "__main__":
    main()
