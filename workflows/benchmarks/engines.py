"""What an engine costs above the local one: the same builds on each, over distinct copies of a corpus.

    python workflows/benchmarks/engines.py [--data DIR] [--copies 1,4,16] [--megabytes 35] [--runners local,dask]

DIR holds jsonl.zst files with a `text` field; without it, the generated sample's Pile shards are read. Every build
runs as a whole process with its workers, and is counted with them; of --rounds the cheapest counts. Peak memory is
that of the larger of two workers and of the process that drives them, seen in builds of their own over the fewest
and the most copies (Linux). What is not ours is the build's: --set. A worker holds one shard of ids, at most
tokens.shard_bytes: peaks compare where even one copy fills a shard. Exits 1 unless, over the same copies, every
engine sealed the same manifest. Writes the section "engines" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Figures, fit, measure
from results import machine, table, write_section

from pipelines.runners import RUNNERS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows" / "soak"))
from watch import watch  # noqa: E402

SAMPLE = ROOT / "data" / "sample" / "pile" / "train"
# The engines that run on one machine, and the library that each needs.
LIBRARIES = {"local": "corpus", "dask": "distributed", "direct": "apache_beam"}


@dataclass(frozen=True)
class Run:
    """One build: its engine, how much it read, what it cost and what it sealed."""

    runner: str
    copies: int
    megabytes: float
    figures: Figures
    digest: str


@dataclass(frozen=True)
class Peaks:
    """Peak memory of a build's largest worker and of the process that drives them, MB."""

    worker: float
    driver: float


def main() -> int:
    options = _options()
    counts = sorted({int(count) for count in options.copies.split(",")})
    if len(counts) < 2 or counts[0] < 1:
        print("name two or more numbers of copies: a slope is fitted through them")
        return 2
    with tempfile.TemporaryDirectory(prefix="engines-", dir=options.work) as folder:
        work = Path(folder)
        line = [sys.executable, str(Path(__file__).with_name("distinct.py")), str(options.data), str(work / "raw")]
        line += ["--copies", str(counts[-1]), "--megabytes", str(options.megabytes)]
        subprocess.run(line, check=True)  # elsewhere: what it holds in memory must not be counted as a build's
        more = ["--workers", str(options.workers), "--encoder", "fast", *options.more]
        _build(work, "local", 1, more)  # uncounted: the first build on a machine compiles the kernels
        runs = []
        for count in counts:
            for runner in options.runners.split(","):
                builds = [_build(work, runner, count, more) for _ in range(options.rounds)]
                run = min(builds, key=lambda build: build.figures.cpu_seconds)
                runs.append(run)
                cost = f"{run.figures.cpu_seconds:.1f} CPU-s"
                print(f"{runner}, {_copies(count)} of {run.megabytes:,.1f} MB in all: {cost}", flush=True)
        peaks = {
            (runner, count): _peaks(work, runner, count, more)
            for runner in options.runners.split(",")
            for count in (counts[0], counts[-1])
        }
    text = _section(runs, peaks, options)
    print(text)
    write_section("engines", text)
    return 0 if _agree(runs) else 1


def _options() -> argparse.Namespace:
    here = [name for name, library in LIBRARIES.items() if name in RUNNERS and importlib.util.find_spec(library)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SAMPLE, help="a folder of jsonl.zst files")
    parser.add_argument("--copies", default="1,4,16", help="how many copies to read (%(default)s)")
    parser.add_argument("--megabytes", type=float, default=1e6, help="of text, of each file of a copy (all)")
    parser.add_argument("--runners", default=",".join(here), help="in turn (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="of each build (%(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="builds for a figure (%(default)s)")
    parser.add_argument("--work", help="where the copies and stores lie meanwhile")
    options, more = parser.parse_known_args()
    options.more = more
    return options


def _command(work: Path, folder: Path, runner: str, copies: int, more: Sequence[str]) -> list[str]:
    """The line that builds so many copies, which are gathered in `raw`, into `store` of a folder."""
    (folder / "raw").mkdir()
    for number in range(copies):
        for file in (work / "raw" / f"{number:03d}").iterdir():
            (folder / "raw" / file.name).symlink_to(file)
    recipe = ROOT / "workflows" / "recipes" / "bulk.toml"
    command = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), "--recipe", str(recipe)]
    return [*command, "--data", str(folder / "raw"), "--out", str(folder / "store"), "--runner", runner, *more]


def _peaks(work: Path, runner: str, copies: int, more: Sequence[str]) -> Peaks:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        command = _command(work, Path(folder), runner, copies, [*more, "--workers", "2"])
        watched = watch(command, Path(folder, "store"))
    driver = max(usage.parent for usage in watched.stages.values()) / 1e6
    worker = max(usage.worker for usage in watched.stages.values()) / 1e6
    return Peaks(worker, driver)


def _build(work: Path, runner: str, copies: int, more: Sequence[str]) -> Run:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        store = Path(folder, "store")
        figures = measure(_command(work, Path(folder), runner, copies, more))
        (path,) = store.glob("manifests/*.json")
        manifest = json.loads(path.read_bytes())
    size = sum(source["raw_bytes"] - source["markup_bytes"] for source in manifest["sources"])
    return Run(runner, copies, size / 1e6, figures, path.stem)


def _section(runs: Sequence[Run], peaks: Mapping[tuple[str, int], Peaks], options: argparse.Namespace) -> str:
    command = f"python workflows/benchmarks/engines.py --copies {options.copies}"
    command += "" if options.data == SAMPLE else " --data DIR"
    command += f" --megabytes {options.megabytes:g}" if options.megabytes < 1e6 else ""
    command = " ".join([command, *options.more])
    sizes = {run.copies: run.megabytes for run in runs}
    return "\n\n".join(
        [
            "## Engines",
            f"`{command}`: {_workers(options.workers)} a build, the fast encoder, "
            + ", ".join(f"{_copies(count)} of {size:,.1f} MB" for count, size in sizes.items())
            + f" of text in all; the cheapest of {_rounds(options.rounds)}. Slope is CPU-seconds of the whole"
            " process tree over text, start-up what the line says of no text.",
            _table(runs),
            "Peak memory of the larger of two workers, for one alone may be the driver, and of the driver:",
            _memory(peaks),
            "Over the same copies every engine sealed the same manifest."
            if _agree(runs)
            else "The engines sealed DIFFERENT manifests.",
            f"{machine()}; {', '.join(_versions(options.runners.split(',')))}.",
        ]
    )


def _table(runs: Sequence[Run]) -> str:
    counts = sorted({run.copies for run in runs})
    heads = ["engine", "MB per CPU-s", "slope over local's", "start-up, CPU-s"]
    heads += [f"CPU-s, {_copies(count)}" for count in counts]
    rows: list[list[object]] = []
    local = None
    for runner in dict.fromkeys(run.runner for run in runs):
        mine = [run for run in runs if run.runner == runner]
        line = fit([(run.megabytes, run.figures.cpu_seconds) for run in mine])
        local = local or line.megabytes_per_second
        row: list[object] = [runner, line.megabytes_per_second, local / line.megabytes_per_second]
        rows.append([*row, line.start_seconds, *(run.figures.cpu_seconds for run in mine)])
    return table(heads, rows)


def _memory(peaks: Mapping[tuple[str, int], Peaks]) -> str:
    few, many = (choose(count for _, count in peaks) for choose in (min, max))
    heads = ["engine", *(f"{who} MB, {_copies(count)}" for who in ("worker", "driver") for count in (few, many))]
    rows = []
    for runner in dict.fromkeys(runner for runner, _ in peaks):
        less, more = peaks[runner, few], peaks[runner, many]
        values = (less.worker, more.worker, less.driver, more.driver)
        rows.append(
            [runner, *(f"{value:,.0f}" for value in values), f"{100 * (more.worker / less.worker - 1):+.0f}%"]
        )
    return table([*heads, "worker's growth"], rows)


def _agree(runs: Sequence[Run]) -> bool:
    return len({run.digest for run in runs}) == len({run.copies for run in runs})


def _versions(runners: Sequence[str]) -> list[str]:
    names = {"dask": "distributed", "direct": "apache-beam"}
    return [f"{names[name]} {importlib.metadata.version(names[name])}" for name in runners if name in names]


def _copies(count: int) -> str:
    return "1 copy" if count == 1 else f"{count} copies"


def _workers(count: int) -> str:
    return "one worker" if count == 1 else f"{count} workers"


def _rounds(count: int) -> str:
    return "one round" if count == 1 else f"{count} rounds"


if __name__ == "__main__":
    sys.exit(main())
