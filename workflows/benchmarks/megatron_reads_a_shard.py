"""Opens a shard in megatron-core's IndexedDataset, compares every document with ours, and prints the first ones.

pip install megatron-core torch==2.13.0
python workflows/benchmarks/megatron_reads_a_shard.py SHARD [--vocabulary gpt2] [--show 3]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys

import numpy as np
from megatron.core.datasets.indexed_dataset import IndexedDataset

from corpus.shard import Shard
from corpus.tokenizer import load_vocabulary


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shard", help="path without .bin or .idx")
    parser.add_argument("--vocabulary", default="gpt2", help="gpt2, or the path of OPT's gpt2-vocab.json")
    parser.add_argument("--show", type=int, default=3, metavar="N", help="documents to print")
    arguments = parser.parse_args()

    vocabulary = load_vocabulary(arguments.vocabulary)
    ours, theirs = Shard.open(arguments.shard), IndexedDataset(arguments.shard)
    for row in range(min(arguments.show, len(theirs))):
        print(f"--- document {row}, {len(theirs[row]):,} tokens\n{vocabulary.decode(theirs[row]).decode()[:400]}")

    differ = [row for row in range(len(ours)) if not np.array_equal(ours.document(row), theirs[row])]
    same_counts = len(ours) == len(theirs) == len(theirs.document_indices) - 1
    version = importlib.metadata.version("megatron-core")
    print(f"megatron-core {version}: {len(theirs):,} documents, {len(differ):,} differ from ours")
    return 0 if same_counts and not differ else 1


if __name__ == "__main__":
    sys.exit(main())
