"""datatrove's near-duplicate removal, all four stages: signatures, buckets, clusters, filter.

Word 5-grams, 14 x 8 buckets and 64-bit xxhash are its defaults. One task a file, one worker: the work stays in
this process. English words come from spaCy's rules (`spacy.blank`), which need no model and no download.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from line import cpu_seconds, print_line, read_texts

PACKAGES = ("datatrove", "spacy", "numpy", "xxhash")


def run(files: list[Path], config: MinhashConfig, work: Path) -> Path:
    """Runs the four stages and returns the folder of what they kept."""
    raw = work / "raw"
    raw.mkdir()
    for path in files:
        (raw / path.name).symlink_to(path.resolve())

    def stage(name: str, tasks: int, *steps: PipelineStep) -> None:
        LocalPipelineExecutor(list(steps), tasks=tasks, workers=1, logging_dir=str(work / "logs" / name)).run()

    signatures, buckets, removed, kept = (
        str(work / name) for name in ("signatures", "buckets", "removed", "kept")
    )
    reader = JsonlReader(str(raw))
    stage("signatures", len(files), reader, MinhashDedupSignature(signatures, config))
    stage("buckets", config.num_buckets, MinhashDedupBuckets(signatures, buckets, config=config))
    stage("clusters", 1, MinhashDedupCluster(buckets, removed, config=config))
    stage("filter", len(files), reader, MinhashDedupFilter(removed), JsonlWriter(kept, compression="zstd"))
    return Path(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--bands", type=int, default=14)
    parser.add_argument("--rows", type=int, default=8)
    args = parser.parse_args()
    config = MinhashConfig(num_buckets=args.bands, hashes_per_bucket=args.rows)
    with tempfile.TemporaryDirectory() as work:
        kept = run(args.files, config, Path(work))
        spent = cpu_seconds()
        left = sum(1 for _ in read_texts(sorted(kept.glob("*.zst"))))
    print_line(f"datatrove minhash {args.bands}x{args.rows}", args.files, spent, PACKAGES, kept=left)


if __name__ == "__main__":
    main()
