"""Builds lopsided inputs in growing sizes: memory must stay bounded, work about linear, the digest the same.

    python workflows/soak/skew.py [--cases chain,star,...] [--most 1000000] [--results]

Every case (`lopsided.py`) is built at a hundredth, a tenth and the whole of its size, or of --most if that is
less, with the first number of workers for the figures and with the others for the digest; at the largest size with
the first alone, unless --most made it smaller. Exits 1 when two digests of one input differ, a process passes
1.5 GB, a document costs more pairs than the rule allows, or CPU seconds grow by much more than the input. With
--results it writes the section "skew" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from lopsided import CASES, Case
from results import machine, table, write_section
from watch import Usage, watch

ROOT = Path(__file__).resolve().parents[2]

PEAK_BYTES = 1.5e9  # design, section 9: a worker's, whatever the size of the corpus
PAIRS_A_DOCUMENT = 6 * (16 + 2 * 63)  # of 6 bands: 16 leaders, and two refined buckets of at most 64
GROWTH = 1.5  # n log n comes to 1.1, buckets that fill up until they are led to 1.3, a quadratic straggler to 2
ENOUGH_SECONDS = 10.0  # a shared machine bends the growth of less


@dataclass(frozen=True)
class Run:
    """One build of one case.

    Attributes:
        seconds: CPU seconds by stage.
        usage: Memory and disk by stage.
        rows: Rows by stage.
    """

    case: str
    size: int
    digest: str
    seconds: Mapping[str, float]
    usage: Mapping[str, Usage]
    rows: Mapping[str, int]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def peak(self) -> int:
        return max(max(usage.worker, usage.parent) for usage in self.usage.values())


def build(case: Case, size: int, data: Path, workers: int) -> Run:
    """Builds the raw files below `data` with so many workers."""
    with tempfile.TemporaryDirectory() as work:
        store = Path(work, "store")
        command = [
            sys.executable,
            str(ROOT / "pipelines" / "build_corpus.py"),
            "--recipe",
            str(data / "recipe.toml"),
        ]
        command += ["--data", str(data), "--out", str(store), "--workers", str(workers)]
        watched = watch(command, store)
        (manifest,) = (json.loads(path.read_bytes()) for path in store.glob("manifests/*.json"))
        (statement,) = (json.loads(path.read_bytes()) for path in store.glob("attestations/*/statement.json"))
    seconds = statement["predicate"]["buildDefinition"]["internalParameters"]["cpu_seconds"]
    rows = {stage["name"]: sum(part["rows"] for part in stage["parts"]) for stage in manifest["stages"]}
    return Run(case.name, size, watched.output.split()[-1], seconds, watched.stages, rows)


def growth(runs: Sequence[Run]) -> float:
    """The power of the size with which CPU seconds grow, start-up apart: from three sizes, 1 is linear."""
    small, middle, large = runs
    if middle.total <= small.total or large.total <= small.total:
        return math.nan
    seconds = (large.total - small.total) / (middle.total - small.total)
    return math.log(seconds) / math.log((large.size - small.size) / (middle.size - small.size))


def soak(case: Case, options: argparse.Namespace) -> tuple[list[Run], list[str]]:
    """Builds one case in its three sizes: (the runs with figures, what is wrong)."""
    runs, faults = [], []
    most = min(case.most, options.most)
    first, *others = (int(count) for count in options.workers.split(","))
    for part in map(int, options.parts.split(",")):
        size = most // part
        with tempfile.TemporaryDirectory() as folder:
            case.write(Path(folder), size, options.seed)
            run = build(case, size, Path(folder), first)
            for workers in others if size < most or most < case.most else ():
                if build(case, size, Path(folder), workers).digest != run.digest:
                    faults.append(f"{case.name}, {size:,}: another digest with {workers} workers")
        runs.append(run)
        print(f"{case.name}, {size:,}: {run.total:.1f} CPU-s, {run.peak / 1e6:,.0f} MB, {run.digest}", flush=True)
        if run.peak > PEAK_BYTES:
            faults.append(f"{case.name}, {size:,}: a process took {run.peak / 1e6:,.0f} MB")
        if run.rows.get("candidates", 0) > PAIRS_A_DOCUMENT * size:
            faults.append(f"{case.name}, {size:,}: {run.rows['candidates']:,} pairs")
    if len(runs) == 3 and runs[-1].total > ENOUGH_SECONDS and growth(runs) > GROWTH:
        faults.append(f"{case.name}: CPU seconds grow with the size to the power {growth(runs):.2f}")
    return runs, faults


def section(runs: Sequence[Run], options: argparse.Namespace) -> str:
    """What RESULTS.md says."""
    named = {case.name: case for case in CASES}
    by_case = {name: [run for run in runs if run.case == name] for name in dict.fromkeys(run.case for run in runs)}
    rows: list[list[object]] = []
    for name, mine in by_case.items():
        for run in mine:
            last = run is mine[-1]
            slowest = max(run.seconds, key=lambda stage: run.seconds[stage])
            largest = max(run.usage, key=lambda stage: run.usage[stage].worker)
            rows.append(
                [
                    f"{name}: {named[name].what}" if run is mine[0] else "",
                    f"{run.size:,}",
                    run.total,
                    f"{growth(mine):.2f}" if last and len(mine) == 3 else "",
                    f"{slowest} {run.seconds[slowest]:.1f}",
                    f"{max(usage.worker for usage in run.usage.values()) / 1e6:,.0f} ({largest})",
                    f"{max(usage.parent for usage in run.usage.values()) / 1e6:,.0f}",
                    f"{max(usage.spilled for usage in run.usage.values()) / 1e6:,.0f}",
                    f"{run.rows.get('candidates', 0):,}",
                    f"{run.rows.get('evidence', 0):,}",
                ]
            )
    heads = ["case", "records", "CPU-s", "growth", "slowest stage, CPU-s", "worker's peak MB (stage)"]
    heads += ["parent's peak MB", "most spilled MB", "candidate pairs", "near pairs"]
    largest_runs = [mine[-1] for mine in by_case.values()]
    return "\n\n".join(
        [
            "## Skew",
            f"`python workflows/soak/skew.py --most {options.most} --workers {options.workers}`: what piles up on "
            "one key, in one bucket, in one thread or in one source. Growth is the power of the size with which "
            "CPU seconds grow, start-up apart: 1 is linear. Digests agree between the numbers of workers.",
            table(heads, rows),
            "CPU-seconds, and the worker's peak MB, of each stage at the largest size:",
            _stages(largest_runs),
            machine(),
        ]
    )


def _stages(runs: Sequence[Run]) -> str:
    names = list(dict.fromkeys(name for run in runs for name in run.usage if name in run.seconds))
    rows = []
    for name in names:
        cells = []
        for run in runs:
            usage = run.usage.get(name)
            cells.append(f"{run.seconds[name]:.1f}, {usage.worker / 1e6:,.0f}" if usage else "")
        rows.append([name, *cells])
    return table(["stage", *(f"{run.case}, {run.size:,}" for run in runs)], rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(case.name for case in CASES), help="which (%(default)s)")
    parser.add_argument("--most", type=int, default=10**6, help="records of the largest size (%(default)s)")
    parser.add_argument("--parts", default="100,10,1", help="sizes, as parts of the largest (%(default)s)")
    parser.add_argument("--workers", default="2,1,3", help="the first for the figures (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws the inputs (%(default)s)")
    parser.add_argument("--results", action="store_true", help="write a section of RESULTS.md")
    options = parser.parse_args()
    runs, faults = [], []
    for case in (case for case in CASES if case.name in options.cases.split(",")):
        found, wrong = soak(case, options)
        runs, faults = runs + found, faults + wrong
    text = section(runs, options)
    print(text)
    if options.results:
        write_section("skew", text)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
