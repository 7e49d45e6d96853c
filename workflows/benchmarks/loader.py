"""Samples a second and core from a sealed corpus, and how long it takes to find any batch.

    python workflows/benchmarks/loader.py build/refs/sample/1.0.0 [--peers PYTHON]

A sample is a window of 2,049 tokens in memory, from the page cache; order and gathering are charged, hashing of
the window ids is apart. Beside it, what copying as many bytes row by row costs; and, by a Python that has them
(`peers/install`), what the datasets of megatron-core and litdata give of the corpus' largest shard. Writes the
section "loader" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from results import machine, table, write_section

from corpus.mapped_corpus import MappedCorpus
from corpus.window_order import Segment, WindowOrder
from training.token_stream import TokenStream

SEQUENCE = 2048
BATCHES = (256, 1024, 2048)
ROUNDS = 7
SAMPLES = 1 << 16
SEEKS = (0, 1, 143_050, 572_203, 10**9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", help="a sealed corpus, for instance build/refs/sample/1.0.0")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has megatron-core and litdata")
    options = parser.parse_args()
    corpus = MappedCorpus.open(options.ref)
    stream = TokenStream(corpus, "train", SEQUENCE)
    rows = []
    for batch in BATCHES:
        order = WindowOrder(stream.windows, 1, batch, [Segment()])
        steps = range(SAMPLES // batch)
        ids = [order.batch(step) for step in steps]
        whole = _rate(lambda step, order=order: stream.read(order.batch(step)), steps)
        only_order = _rate(order.batch, steps)
        only_read = _rate(stream.read, ids)
        hashed = _rate(lambda each: each.digest(), ids)
        rows.append([f"{batch:,}", *(f"{rate:,.0f}" for rate in (whole, only_order, only_read, hashed))])
    source = np.zeros((2048, SEQUENCE + 1), np.uint16)
    out = np.empty_like(source)

    def copy(_: int) -> None:
        for row in range(len(source)):
            out[row] = source[row]

    # Windows by the million, as the 180B tokens have; each step is found by an order that has seen none.
    union = {f"source-{number}": 7_320_000 + number for number in range(12)}
    seeks = []
    for step in SEEKS:
        order = WindowOrder(union, 1, 1024, [Segment()])
        start = time.process_time()
        order.batch(step)
        seeks.append([f"{step:,}", 1000 * (time.process_time() - start)])
    copied = _rate(copy, range(SAMPLES // len(source)))
    heads = ["rows of a batch", "order and gather", "order alone", "gather alone", "hash of the ids alone"]
    text = f"""## Loader

`python workflows/benchmarks/loader.py build/refs/{corpus.manifest.name}/{corpus.manifest.version}`: windows of
{SEQUENCE + 1:,} tokens a CPU-second of one core, best of {ROUNDS}, on {machine()}.

{table(heads, rows)}

Copying rows of as many bytes, each by itself: {copied:,.0f} a CPU-second.
{_peers(options.peers, corpus)}

A batch of 1,024 windows out of {sum(union.values()):,}, found by a process that has drawn none:

{table(["data step", "ms of CPU"], seeks)}
"""
    print(text)
    write_section("loader", text)


def _peers(python: str | None, corpus: MappedCorpus) -> str:
    """What the peers give in this run, as sentences."""
    if python is None:
        return "The peers are not in this run."
    shard = max((shard for shard in corpus.manifest.shards if shard.split == "train"), key=lambda one: one.tokens)
    line = [
        python,
        str(Path(__file__).parent / "peers" / "loaders.py"),
        corpus.stem(shard),
        str(1 << 14),
        str(ROUNDS),
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in told["rates"].items())
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    return f"In the same run, of {shard.name}, one by one in an order of their own:\n{rates} ({versions})."


def _rate(work: Callable[[Any], object], of: Sequence[Any]) -> float:
    """Samples a CPU-second, where the work on all of these is SAMPLES of them; the best of several rounds.

    What is made is let go at once, as a training does: to keep it all would be to measure new memory.
    """
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for each in of:
            work(each)
        best = min(best, time.process_time() - start)
    return SAMPLES / best


if __name__ == "__main__":
    main()
