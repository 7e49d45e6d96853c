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

from megatron.core.datasets.indexed_dataset import IndexedDataset
from results import machine, write_section

from corpus import storage
from corpus.manifest import load_manifest, read_ref
from corpus.part import read_part
from corpus.table import concat
from pipelines.steps.blocks import Blocks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", help="a sealed corpus, for instance build/refs/sample/1.0.0")
    store, digest = read_ref(parser.parse_args().ref)
    manifest = load_manifest(store, digest)
    folder = Path(manifest.stage_folder(store, "shards"))
    spelt = list(concat(read_part(_only(manifest.stage_folder(store, "vocabulary"))))["token"])
    texts = _texts(Blocks.sealed_in(store, manifest))
    documents = tokens = differ = 0
    for shard in manifest.shards:
        opened = IndexedDataset(str(folder / shard.name))
        placed = concat(read_part(str(folder / f"{shard.name}.placement.parquet")))
        if len(opened) != len(placed["row"]):
            differ += abs(len(opened) - len(placed["row"]))
        for ids, ledger, row in zip(opened, placed["ledger"].tolist(), placed["row"].tolist(), strict=False):
            *inside, last = ids.tolist()
            same = b"".join(spelt[token] for token in inside) == texts[ledger, row]
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


def _texts(blocks: Blocks) -> dict[tuple[int, int], bytes]:
    """Every normalised text by its place in the ledger: (part, row)."""
    found = {}
    for group in range(blocks.groups):
        for block, first in blocks.ledger_rows(group):
            for rows, texts in blocks.read_text(block):
                found.update({(group, first + row): text for row, text in zip(rows.tolist(), texts, strict=True)})
    return found


if __name__ == "__main__":
    sys.exit(main())
