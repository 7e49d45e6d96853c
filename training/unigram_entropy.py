"""The command line that says what loss a model reaches that knows how frequent each token is, and nothing else.

    python training/unigram_entropy.py build/refs/sample/1.0.0 runs/tiny

A run whose loss is below it has learnt from context; one above it has not yet.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import SourceError, TokentrailError
from corpus.mapped_corpus import MappedCorpus
from corpus.shard import Shard
from training.metrics import read_metrics
from training.token_stream import Split

_IDS = 1 << 16
_AT_ONCE = 1 << 24  # tokens counted at once: counting takes eight bytes for each


def frequencies(corpus: MappedCorpus, split: Split = "train") -> NDArray[np.int64]:
    """int64[65536], how often each id stands in the shards of a split.

    Raises:
        IntegrityError: A shard is missing or its index does not hold.
    """
    found = np.zeros(_IDS, np.int64)
    for shard in corpus.manifest.shards:
        if shard.split == split:
            tokens = Shard.open(corpus.stem(shard)).tokens
            for start in range(0, len(tokens), _AT_ONCE):
                found += np.bincount(tokens[start : start + _AT_ONCE], minlength=_IDS)
    return found


def entropy(counts: NDArray[np.int64]) -> float:
    """Of the distribution that counts give, nats."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def last_loss(run_dir: str) -> tuple[float, int]:
    """The mean loss of a run's last tenth of updates, and how many those are.

    Raises:
        SourceError: There are none.
    """
    losses = [record.loss for record in read_metrics(run_dir)]
    if not losses:
        raise SourceError("no update is done", where=run_dir, remedy="name the --run-dir of a run")
    last = losses[-math.ceil(len(losses) / 10) :]
    return math.fsum(last) / len(last), len(last)


def options() -> argparse.ArgumentParser:
    """The options of a comparison."""
    top = argparse.ArgumentParser(
        prog="unigram_entropy.py", description="Says what frequencies alone would reach."
    )
    top.add_argument("corpus", help="a sealed corpus, for instance build/refs/sample/1.0.0")
    top.add_argument("run_dir", nargs="?", help="a run on it, to be compared")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code: 0 done, 1 a check failed, 2 the user's mistake."""
    chosen = options().parse_args(argv)
    try:
        counts = frequencies(MappedCorpus.open(chosen.corpus))
        bound = entropy(counts)
        print(f"unigram entropy  {bound:.4f} nats a token, of {counts.sum():,} tokens to train on")
        if chosen.run_dir:
            loss, updates = last_loss(chosen.run_dir)
            side = "below: it uses context" if loss < bound else "above: it knows less than frequencies tell"
            print(f"loss             {loss:.4f} nats a token, of the last {updates:,} updates")
            print(f"                 {abs(loss - bound):.4f} {side}")
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
