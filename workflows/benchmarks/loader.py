"""Samples a second and core from a sealed corpus, and how long it takes to find any batch.

    python workflows/benchmarks/loader.py build/refs/sample/1.0.0

A sample is a window of 2,049 tokens in memory, from the page cache; order and gathering are charged, hashing of
the window ids is apart. Beside it, what copying as many bytes row by row costs. Writes the section "loader" of
RESULTS.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

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
    corpus = MappedCorpus.open(parser.parse_args().ref)
    stream = TokenStream(corpus, "train", SEQUENCE)
    rows = []
    for batch in BATCHES:
        order = WindowOrder(stream.windows, 1, batch, [Segment()])
        steps = range(SAMPLES // batch)
        ids = [order.batch(step) for step in steps]
        whole = _rate(lambda order=order, steps=steps: [stream.read(order.batch(step)) for step in steps])
        only_order = _rate(lambda order=order, steps=steps: [order.batch(step) for step in steps])
        only_read = _rate(lambda ids=ids: [stream.read(each) for each in ids])
        hashed = _rate(lambda ids=ids: [each.digest() for each in ids])
        rows.append([f"{batch:,}", *(f"{rate:,.0f}" for rate in (whole, only_order, only_read, hashed))])
    source = np.zeros((2048, SEQUENCE + 1), np.uint16)
    out = np.empty_like(source)

    def copy() -> None:
        for _ in range(SAMPLES // len(source)):
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
    heads = ["rows of a batch", "order and gather", "order alone", "gather alone", "hash of the ids alone"]
    text = f"""## Loader

`python workflows/benchmarks/loader.py build/refs/{corpus.manifest.name}/{corpus.manifest.version}`: windows of
{SEQUENCE + 1:,} tokens a CPU-second of one core, best of {ROUNDS}, on {machine()}.

{table(heads, rows)}

Copying rows of as many bytes, each by itself: {_rate(copy):,.0f} a CPU-second. The peers are not in this run.

A batch of 1,024 windows out of {sum(union.values()):,}, found by a process that has drawn none:

{table(["data step", "ms of CPU"], seeks)}
"""
    print(text)
    write_section("loader", text)


def _rate(work: Callable[[], object]) -> float:
    """Samples a CPU-second, where the work is SAMPLES of them; the best of several rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return SAMPLES / best


if __name__ == "__main__":
    main()
