"""datatrove's DocumentTokenizer: reads, encodes with GPT-2's tokenizer, shuffles the documents, writes."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import gpt2
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer
from line import cpu_seconds, print_line

PACKAGES = ("datatrove", "tokenizers")


def run(files: list[Path], tokenizer: Path, work: Path) -> int:
    """Runs the step and returns the number of tokens on disk."""
    raw = work / "raw"
    raw.mkdir()
    for path in files:
        (raw / path.name).symlink_to(path.resolve())
    steps = [JsonlReader(str(raw)), DocumentTokenizer(str(work / "tokens"), str(tokenizer), eos_token=gpt2.END)]
    LocalPipelineExecutor(steps, tasks=len(files), workers=1, logging_dir=str(work / "logs")).run()
    return sum(path.stat().st_size for path in (work / "tokens").glob("*.ds")) // 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--merges", type=Path, required=True, help="GPT-2's merges table (vocab.bpe)")
    args = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread, like every other figure
    with tempfile.TemporaryDirectory() as work:
        tokenizer = Path(work, "tokenizer.json")
        gpt2.tokenizer(args.merges).save(str(tokenizer))
        tokens = run(args.files, tokenizer, Path(work))
    print_line("datatrove DocumentTokenizer", args.files, cpu_seconds(), PACKAGES, tokens=tokens)


if __name__ == "__main__":
    main()
