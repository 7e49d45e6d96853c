"""Samples a CPU-second of megatron-core's GPTDataset and of litdata, over the same tokens; for loader.py --peers.

    python workflows/benchmarks/peers/loaders.py STEM SAMPLES ROUNDS

STEM is a shard without its suffix. Both are asked for SAMPLES windows of 2,049 tokens in their own shuffled order,
in one process; what they prepare once (indices, chunks) is not charged. Prints one JSON object.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

SEQUENCE = 2048


def main() -> int:
    stem, samples, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rates = {
            "megatron-core GPTDataset": _best(_megatron(stem, samples, folder), samples, rounds),
            "litdata StreamingDataset": _best(_litdata(stem, samples, folder), samples, rounds),
        }
    versions = {name: importlib.metadata.version(name) for name in ("megatron-core", "litdata", "torch")}
    print(json.dumps({"rates": rates, "versions": versions}))
    return 0


def _best(work: Callable[[], int], samples: int, rounds: int) -> float:
    """Samples a CPU-second of the best of several rounds; each must have given as many as it was asked for."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        if work() != samples:
            raise SystemExit("a peer gave another number of samples than it was asked for")
        best = min(best, time.process_time() - start)
    return samples / best


def _megatron(stem: str, samples: int, folder: str) -> Callable[[], int]:
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from megatron.core.datasets.utils import Split

    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=SEQUENCE,
        split="1",
        path_to_cache=folder,
        tokenizer=SimpleNamespace(eod=50_256, pad=50_256, vocab_size=50_257, unique_identifiers={"name": "gpt2"}),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
    )
    opened = IndexedDataset(stem)
    dataset = GPTDataset(opened, stem, np.arange(len(opened), dtype=np.int32), samples, Split.train, config)

    def work() -> int:
        return sum(len(dataset[number]["tokens"]) == SEQUENCE for number in range(samples))

    return work


def _tokens(stem: str) -> torch.Tensor:
    return torch.from_numpy(np.fromfile(f"{stem}.bin", "<u2").astype(np.int32))


def _litdata(stem: str, samples: int, folder: str) -> Callable[[], int]:
    import litdata
    from litdata.streaming.item_loader import TokensLoader

    out = str(Path(folder, "litdata"))
    litdata.optimize(
        fn=_tokens,
        inputs=[stem],
        output_dir=out,
        chunk_size=(SEQUENCE + 1) * 128,
        item_loader=TokensLoader(),
        num_workers=1,
    )

    def work() -> int:
        given = 0
        while given < samples:
            dataset = litdata.StreamingDataset(
                out, item_loader=TokensLoader(block_size=SEQUENCE + 1), shuffle=True, seed=1
            )
            for sample in dataset:
                given += len(sample) == SEQUENCE + 1
                if given == samples:
                    break
        return given

    return work


if __name__ == "__main__":
    sys.exit(main())
