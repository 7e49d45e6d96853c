"""Token files by megatron-core and litdata, of the documents of a shard of ours; takes turns.

A path is a shard's without its suffix; its ids lie in memory, a tensor a document, before the clock starts. What
litdata's `optimize` starts a process for is done here by the writer that it runs there.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from litdata.streaming.item_loader import TokensLoader
from litdata.streaming.writer import BinaryWriter
from megatron.core.datasets.indexed_dataset import IndexedDataset, IndexedDatasetBuilder
from turns import serve

PACKAGES = ("litdata", "megatron-core", "numpy", "torch")
CHUNK = 2049 * 4096  # tokens, 16 MB: one of litdata's chunks, of whole windows


@functools.lru_cache(maxsize=1)
def documents_of(stem: Path) -> list[torch.Tensor]:
    shard = IndexedDataset(str(stem))
    return [torch.from_numpy(np.array(shard[number])) for number in range(len(shard))]


def megatron(stem: Path) -> Callable[[], int]:
    documents = documents_of(stem)

    def work() -> int:
        with tempfile.TemporaryDirectory() as folder:
            builder = IndexedDatasetBuilder(str(Path(folder, "x.bin")), dtype=np.uint16)
            for document in documents:
                builder.add_document(document, [len(document)])
            builder.finalize(str(Path(folder, "x.idx")))
        return len(documents)

    return work


def litdata(stem: Path) -> Callable[[], int]:
    documents = documents_of(stem)

    def work() -> int:
        with tempfile.TemporaryDirectory() as folder:
            writer = BinaryWriter(folder, chunk_size=CHUNK, item_loader=TokensLoader())
            for number, document in enumerate(documents):
                writer[number] = document
            writer.done()
            writer.merge()
        return len(documents)

    return work


def main() -> None:
    torch.set_num_threads(1)
    serve({"litdata": litdata, "megatron": megatron}, PACKAGES)


if __name__ == "__main__":
    main()
