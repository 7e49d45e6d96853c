"""Opens every shard of a sealed corpus in megatron-core's IndexedDataset, unchanged, and reads the texts back.

    pip install torch==2.13.0 megatron-core==0.16.1
    python workflows/benchmarks/megatron_reads.py build/refs/sample/1.0.0

The ids of each document must decode to the normalised text that the corpus holds for it, and end with the
end-of-document id. Writes the section "megatron" of RESULTS.md; exits 1 where a document differs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from pathlib import Path

import numpy as np
from megatron.core.datasets.indexed_dataset import IndexedDataset
from numpy.typing import NDArray
from results import machine, write_section

from corpus import storage
from corpus.manifest import load_manifest, read_ref
from corpus.part import read_part
from corpus.provenance import Ledger, read_placement
from corpus.table import concat
from pipelines.steps.blocks import Blocks, ledger_starts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", help="a sealed corpus, for instance build/refs/sample/1.0.0")
    store, digest = read_ref(parser.parse_args().ref)
    manifest = load_manifest(store, digest)
    folder = Path(manifest.stage_folder(store, "shards"))
    spelt = list(concat(read_part(_only(manifest.stage_folder(store, "vocabulary"))))["token"])
    texts = _texts(Blocks.sealed_in(store, manifest), ledger_starts(manifest))
    ledger = Ledger.sealed_in(store, manifest)
    documents = tokens = differ = 0
    for shard in manifest.shards:
        opened = IndexedDataset(str(folder / shard.name))
        places = ledger.places(read_placement(manifest, store, shard.name)).tolist()
        differ += abs(len(opened) - len(places))
        for ids, place in zip(opened, places, strict=False):
            *inside, last = ids.tolist()
            same = b"".join(spelt[token] for token in inside) == texts[place]
            differ += not (same and last == manifest.vocabulary["end_of_document"])
            documents, tokens = documents + 1, tokens + len(ids)
    version = importlib.metadata.version("megatron-core")
    text = f"""## Megatron

`python workflows/benchmarks/megatron_reads.py build/refs/{manifest.name}/{manifest.version}`
on {machine()}.
megatron-core {version} opens all {len(manifest.shards)} shards unchanged. Of {documents:,} documents
({tokens:,} tokens) {differ:,} differ from the normalised text that the corpus holds for them.
"""
    print(text)
    write_section("megatron", text)
    return 1 if differ or not documents else 0


def _only(folder: str) -> str:
    return storage.join(folder, storage.list_files(folder)[0])


def _texts(blocks: Blocks, starts: NDArray[np.int64]) -> dict[int, bytes]:
    """Every normalised text by its row of the ledger."""
    found = {}
    for block in range(len(blocks.text)):
        for rows, texts in blocks.read_text(block):
            found.update(zip((rows + starts[block]).tolist(), texts, strict=True))
    return found


if __name__ == "__main__":
    sys.exit(main())
