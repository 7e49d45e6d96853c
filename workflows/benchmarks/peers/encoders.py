"""Encoders alone, one thread, texts in memory: tokenizers' encode_batch_fast and tiktoken, ids in a list."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import gpt2
import tiktoken
from line import cpu_seconds, print_line, read_texts

BATCH = 1000  # documents; datatrove and tokenizers' own examples use this size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--merges", type=Path, required=True, help="GPT-2's merges table (vocab.bpe)")
    parser.add_argument("--encoder", choices=["tokenizers", "tiktoken"], required=True)
    args = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = list(read_texts(args.files))
    if args.encoder == "tokenizers":
        fast = gpt2.tokenizer(args.merges)
        start = cpu_seconds()
        batches = (texts[at : at + BATCH] for at in range(0, len(texts), BATCH))
        tokens = sum(len(each.ids) for batch in batches for each in fast.encode_batch_fast(batch))
    else:
        ranked = tiktoken.Encoding(
            "gpt2", pat_str=gpt2.SPLIT, mergeable_ranks=gpt2.ranks(args.merges), special_tokens={}
        )
        start = cpu_seconds()
        tokens = sum(len(ranked.encode_ordinary(text)) for text in texts)
    print_line(f"{args.encoder} alone", args.files, cpu_seconds() - start, (args.encoder,), tokens=tokens)


if __name__ == "__main__":
    main()
