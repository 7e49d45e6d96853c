"""MinHash signatures by rensa, datasketch and datatrove, and datasketch's index; takes turns.

Shingles are ours (datasketch_lsh.py) but for datatrove's, which are its own (spaCy's words, punctuation removed).
datasketch and rensa make the 48 values of our 6 bands of 8 rows, datatrove its 14 buckets of 8: none of them the
16 of our two refine keys. `-given` is given the shingles ready. The index is given signatures, and stops at
candidates.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"  # rensa's threads; read when it starts

from datasketch import MinHash, MinHashLSH
from datasketch_lsh import BANDS, ROWS, shingles
from datatrove.pipeline.dedup import MinhashDedupSignature
from rensa import RMinHash
from turns import serve, texts_of

SLOTS = BANDS * ROWS
PACKAGES = ("datasketch", "datatrove", "numpy", "rensa", "spacy", "xxhash")


@functools.lru_cache(maxsize=1)
def grams_of(path: Path) -> list[list[bytes]]:
    return [list(shingles(text)) for text in texts_of(path)]


@functools.lru_cache(maxsize=1)
def signatures_of(path: Path) -> list[MinHash]:
    return MinHash.bulk(grams_of(path), num_perm=SLOTS)


def datasketch(path: Path) -> Callable[[], int]:
    texts = texts_of(path)
    return lambda: len(MinHash.bulk((list(shingles(text)) for text in texts), num_perm=SLOTS))


def datasketch_given(path: Path) -> Callable[[], int]:
    grams = grams_of(path)
    return lambda: len(MinHash.bulk(grams, num_perm=SLOTS))


def datasketch_lsh(path: Path) -> Callable[[], int]:
    signatures = signatures_of(path)

    def work() -> int:
        index = MinHashLSH(num_perm=SLOTS, params=(BANDS, ROWS))
        for row, signature in enumerate(signatures):
            if not index.query(signature):
                index.insert(row, signature, check_duplication=False)
        return len(signatures)

    return work


def rensa(path: Path) -> Callable[[], int]:
    texts = texts_of(path)
    return lambda: _rensa_rows([list(shingles(text)) for text in texts])


def rensa_given(path: Path) -> Callable[[], int]:
    grams = grams_of(path)
    return lambda: _rensa_rows(grams)


def _rensa_rows(grams: list[list[bytes]]) -> int:
    return int(RMinHash.digest_matrix_from_token_byte_sets(grams, num_perm=SLOTS, seed=1).len())


def datatrove(path: Path) -> Callable[[], int]:
    step, texts = _datatrove_step(), texts_of(path)
    # What `run` does to a text, without its files. It writes no signature of a text without a shingle.
    return lambda: sum(bool(step.get_signature(step.get_shingles(text))) for text in texts)


@functools.cache
def _datatrove_step() -> MinhashDedupSignature:
    return MinhashDedupSignature("unused")


def main() -> None:
    serve(
        {
            "datasketch": datasketch,
            "datasketch-given": datasketch_given,
            "datasketch-lsh": datasketch_lsh,
            "datatrove": datatrove,
            "rensa": rensa,
            "rensa-given": rensa_given,
        },
        PACKAGES,
    )


if __name__ == "__main__":
    main()
