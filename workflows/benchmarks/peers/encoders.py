"""GPT-2's byte-level BPE by tiktoken, fastokens, tokie and gigatoken, one thread; takes turns.

Each is given the texts in the form it takes, and its ids are left in the form it gives; an encoder lives as long
as the process. None of them checks what ours does: that the Unicode table behind the split is the definition's.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}  # read when a library starts

import fastokens
import gigatoken
import gpt2
import tiktoken
import tokie
from turns import Step, serve, texts_of

PACKAGES = ("fastokens", "gigatoken", "tiktoken", "tokie")


def steps(merges: Path) -> dict[str, Step]:
    """An encoder each, from the merges table alone."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tokenizer.json")
        gpt2.tokenizer(merges).save(str(file))
        fast, tokies = fastokens.Tokenizer.from_file(str(file)), tokie.Tokenizer.from_json(str(file))
        giga = gigatoken.Tokenizer.from_json(file.read_text())
    ranked = tiktoken.Encoding("gpt2", pat_str=gpt2.SPLIT, mergeable_ranks=gpt2.ranks(merges), special_tokens={})

    def texts(count: Callable[[list[str]], int]) -> Step:
        return lambda path: functools.partial(count, texts_of(path))

    def packed(path: Path) -> Callable[[], int]:
        given = [text.encode() for text in texts_of(path)]
        return lambda: int(giga.encode_batch(given, parallel=False).layout.offsets.data[-1])

    return {
        "fastokens": texts(lambda given: sum(len(fast.encode(text).ids) for text in given)),
        "gigatoken": packed,
        "tiktoken": texts(lambda given: sum(len(ranked.encode_ordinary(text)) for text in given)),
        "tokie": texts(lambda given: sum(len(tokies.encode(text).ids) for text in given)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merges", type=Path, required=True, help="GPT-2's merges table (vocab.bpe)")
    serve(steps(parser.parse_args().merges), PACKAGES)


if __name__ == "__main__":
    main()
