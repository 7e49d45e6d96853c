"""Builds drawn corpora of 1e5, 1e6 and 1e7 documents: what each stage takes as a corpus grows.

    python workflows/soak/scale.py [--sizes 100000,1000000,10000000] [--workers 2] [--work DIR] [--results]

Every stage is the pipeline's own on the local engine, and so are exchange, spill, ledger, placement and seal; what
it would read in a text is drawn (`textless.py`, `stand_ins.py`). A size counts files' documents; as many threads
of Reddit come beside them as the sample has. The long form, --sizes 1000000,100000000, wants 250 GB of disk. Exits
1 when a worker passes 1.5 GB, or a document of the last size costs more than 1.3 of one before. With --results it
writes workflows/costs/scale.json, from which benchmarks/union_costs.py writes the section "scale" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

import msgspec
import numpy as np
from results import machine, table
from stand_ins import SPENT, THINNED, Simulation
from textless import CELL, Draws, shared_likeness
from union_model import DRAWN_TEXT, Cost, stage_shape
from watch import watch

from corpus import storage
from corpus.manifest import Manifest
from corpus.recipe import Recipe, load_recipe
from corpus.source import Blob
from pipelines import seal, stages
from pipelines.build import Build
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.progress import Progress
from pipelines.spill import SpillWriter, read_spills, spill_url
from pipelines.stage import Output, Sealed, Stage, task_name
from pipelines.steps import tokens

RECIPE = Path(__file__).with_suffix(".toml")
MEASURED = Path(__file__).resolve().parents[1] / "costs" / "scale.json"
PEAK_BYTES = 1.5e9  # design, section 9
GROWTH = 1.3  # CPU per document, of the largest size against the one before
LIBRARIES = ("numpy", "numba", "pyarrow")


class Noting:
    """An engine that notes what each stage had in flight, before its seal clears it away."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self.spilled: dict[str, int] = {}

    def run(self, stage: Stage) -> None:
        """Runs the stage."""
        self._engine.run(stage)
        self.spilled[stage.name] = sum(storage.list_sizes(storage.join(stage.folder, "spill")).values())


class Timed:
    """A driver that notes what it took itself of the processor, stage by stage."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.seconds: dict[str, float] = {}
        self.tasks: dict[str, tuple[int, int]] = {}

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal."""
        start = time.process_time()
        sealed = self._simulation.run(stage, total_bytes)
        self.seconds[stage.name] = time.process_time() - start
        self.tasks[stage.name] = stage.tasks, stage.partitions
        return sealed


def drawn_corpus(documents: int, per_file: int = 100_000) -> Draws:
    """The documents, and as many threads to them as the sample has."""
    like = shared_likeness()
    return Draws(documents, documents * like.threads // like.documents, per_file, per_file)


def blobs_of(draws: Draws) -> tuple[Blob, ...]:
    """The files that are not there."""
    like, found = shared_likeness(), []
    for name, count, each, size in (
        ("pages", draws.documents, draws.documents_per_file, sum(like.text_bytes) // 101),
        ("reddit", draws.threads, draws.threads_per_file, like.packed * sum(like.comments) // 101),
    ):
        for number in range(-(-count // each)):
            path = f"{name}/{number:05d}"
            held = min(each, count - number * each)
            found.append(Blob(name, path, size * held, hashlib.sha256(path.encode()).hexdigest()))
    return tuple(found)


def build(draws: Draws, store: str, workers: int) -> tuple[Manifest, dict[str, Cost]]:
    """Builds a drawn corpus: its manifest, and what each stage took but for memory."""
    like = load_recipe(str(RECIPE))
    shard_bytes = like.tokens.shard_bytes // THINNED
    recipe: Recipe = load_recipe(str(RECIPE), (f"tokens.shard_bytes={shard_bytes}",))
    with LocalEngine(workers, lambda size, rows: None) as engine:
        noting = Noting(engine)
        driver = Driver(noting, Progress())
        timed = Timed(Simulation(driver, draws, store))
        job = Build(recipe, "", store, "gpt2", "tokenizers", timed)
        vocabulary = tokens.describe(tokens.load_vocabulary("gpt2"), "drawn")
        blobs = blobs_of(draws)
        stages.run_with(job, blobs, vocabulary)
    costs = {}
    for stage in driver.sealed:
        spent = Path(store, SPENT, stage.name)
        drawn = sum(float(path.read_text()) for path in spent.glob("*"))
        costs[stage.name] = Cost(
            tasks=timed.tasks[stage.name],
            cpu=stage.cpu_seconds - drawn,
            drawn=drawn,
            driver=timed.seconds[stage.name],
            written=sum(part.bytes for part in stage.parts),
            spilled=noting.spilled[stage.name],
            rows=sum(part.rows for part in stage.parts),
        )
    start = time.process_time()
    manifest = seal.manifest_of(recipe, blobs, driver.sealed, vocabulary)
    digest = seal.publish(store, manifest, driver.sealed, {})
    size = sum(path.stat().st_size for path in Path(store).glob("*/*.json")) + _bytes(Path(store, "attestations"))
    costs["seal"] = Cost((0, 0), 0.0, 0.0, time.process_time() - start, size, 0, len(manifest.stages))
    print(f"sealed {recipe.name}@{recipe.version} sha256:{digest}", file=sys.stderr)
    return manifest, costs


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measured(documents: int, workers: int, work: str | None) -> dict[str, Cost]:
    """The same in a process of its own, watched."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir=work) as folder:
        store = Path(folder, "store")
        command = [sys.executable, __file__, "--build", str(documents), "--store", str(store)]
        watched = watch([*command, "--workers", str(workers)], store)
    costs = msgspec.json.decode(watched.output.splitlines()[-1], type=dict[str, Cost])
    for name, usage in watched.stages.items():
        if name in costs:
            costs[name] = msgspec.structs.replace(costs[name], worker=usage.worker, parent=usage.parent)
    return costs


def total(costs: dict[str, Cost]) -> float:
    """CPU seconds of a build, but for what was drawn."""
    return sum(cost.cpu + cost.driver for cost in costs.values())


def faults_of(sizes: Sequence[int], found: Sequence[dict[str, Cost]]) -> list[str]:
    """What grows that must not."""
    faults = []
    for size, costs in zip(sizes, found, strict=True):
        for name, cost in costs.items():
            if cost.worker > PEAK_BYTES:
                faults.append(f"{size:,} documents: a worker took {cost.worker / 1e6:,.0f} MB in {name}")
    if len(sizes) > 1:
        before, after = (total(costs) / size for size, costs in zip(sizes[-2:], found[-2:], strict=True))
        if after > GROWTH * before:
            faults.append(f"a document costs {after / before:.2f} times as much at {sizes[-1]:,}")
    return faults


def stage_table(sizes: Sequence[int], found: Sequence[dict[str, Cost]]) -> str:
    """CPU seconds of each stage at each size, and the power of the size with which they grow."""
    rows = []
    for name in found[-1]:
        cells: list[object] = [name]
        seconds = [costs[name].cpu + costs[name].driver for costs in found]
        cells += seconds
        cells += [exponent(sizes[i : i + 2], seconds[i : i + 2]) for i in range(len(sizes) - 1)]
        rows.append(cells)
    growing = [f"power, to {size:,}" for size in sizes[1:]]
    return table(["stage", *(f"CPU-s, {size:,}" for size in sizes), *growing], rows)


def exponent(sizes: Sequence[int], values: Sequence[float]) -> str:
    """The power of the size with which a value grows between two sizes; "" of what is too little to tell."""
    if min(values) < 0.02:
        return ""
    return f"{math.log(values[1] / values[0]) / math.log(sizes[1] / sizes[0]):.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100000,1000000,10000000", help="files' documents (%(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", metavar="DIR", help="where to build (default: the system's temporary folder)")
    parser.add_argument("--results", action="store_true", help="write workflows/costs/scale.json")
    parser.add_argument("--build", type=int, metavar="DOCUMENTS", help="build one corpus, and say what it took")
    parser.add_argument("--store", help="where that one goes, and stays")
    parser.add_argument("--file", type=int, default=100_000, help="documents of a file (%(default)s)")
    options = parser.parse_args()
    if options.build:
        _, costs = build(drawn_corpus(options.build, options.file), options.store, options.workers)
        print(msgspec.json.encode(costs).decode())
        return 0
    sizes = [int(size) for size in options.sizes.split(",")]
    if any(size % CELL for size in sizes):
        parser.error(f"sizes are multiples of {CELL:,}")
    found, cell = [], 0.0
    if options.results:
        cell = cell_seconds(options.work)
        measured(CELL, options.workers, options.work)  # uncounted: it compiles the kernels
    for size in sizes:
        found.append(measured(size, options.workers, options.work))
        print(f"{size:,} documents: {total(found[-1]):,.1f} CPU-s", flush=True)
        if options.results:
            write(sizes[: len(found)], found, options.workers, cell)
    print(stage_table(sizes, found))
    faults = faults_of(sizes, found)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def cell_seconds(work: str | None) -> float:
    """CPU seconds of a cell, a row written and read, where they are as many as in an exchange of 1e8 documents."""
    tasks, partitions = stage_shape(1e8, 1e8 * DRAWN_TEXT)["evidence"]
    row = {"key": np.zeros(partitions, np.uint64), "doc_id": np.zeros((partitions, 16), np.uint8)}
    with tempfile.TemporaryDirectory(prefix="cells-", dir=work) as store:
        stage = Stage("cells", store, {}, [], None, tasks, _nothing, partitions)
        start = time.process_time()
        for task in range(tasks):
            file = storage.NewFile(spill_url(stage, task_name("map", task)))
            spill = SpillWriter(file)
            spill.emit(np.arange(partitions), row)
            spill.finish()
            file.publish()
        read = sum(len(rows["key"]) for partition in range(partitions) for rows in read_spills(stage, partition))
        assert read == tasks * partitions
        return (time.process_time() - start) / read


def _nothing(job: None, number: int, output: Output) -> None:
    """The map of a stage that is never run."""


def write(sizes: Sequence[int], found: Sequence[dict[str, Cost]], workers: int, cell: float) -> None:
    """Keeps what was measured."""
    body = {
        "on": machine(),
        "with": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "at": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "workers": workers,
        "cell": cell,
        "sizes": {str(size): msgspec.to_builtins(costs) for size, costs in zip(sizes, found, strict=True)},
    }
    MEASURED.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
