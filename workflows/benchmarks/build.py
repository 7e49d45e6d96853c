"""What a whole build costs: rate and start-up, stage by stage, peak memory; datatrove on the same files beside it.

    python workflows/benchmarks/build.py [--data DIR] [--copies 1,4,16] [--rounds 3] [--peers [PYTHON]]

DIR holds jsonl.zst files with a `text` field; without it, the generated sample's Pile shards are read. Every
program runs as a whole process over the first 1, 4, 16 files, all in turn; where DIR has fewer, distinct copies of
them follow (distinct.py). Ours runs --rounds times, and its median counts; what takes minutes runs once, over four
files at most. Text is what stands in the records, in 1e6 bytes of UTF-8. Writes the section "build" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from measure import Figures, fit, measure
from results import machine, table, write_section

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample" / "pile" / "train"
MERGES = ROOT / "corpus" / "vocabulary" / "gpt2" / "vocab.bpe"
SLOW_FILES = 4
NEAR = ("candidates", "shingles", "evidence", "losers", "verdicts")  # from band keys to the drop list
PEERS = {
    "datatrove minhash": ("datatrove_minhash.py",),
    "datatrove DocumentTokenizer": ("datatrove_tokens.py", "--merges", str(MERGES)),
}


@dataclass(frozen=True)
class Run:
    """One program over the first so many files."""

    program: str
    files: int
    megabytes: float
    figures: Figures
    versions: Mapping[str, str]
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        return self.figures.cpu_seconds

    @property
    def without_encoding(self) -> float:
        return self.cpu_seconds - self.stages["encode"]

    @property
    def near_duplicates(self) -> float:
        """CPU seconds from band keys to the drop list."""
        return sum(self.stages[name] for name in NEAR)


@dataclass(frozen=True)
class Program:
    """What is measured: its name, and how it runs over some files."""

    name: str
    run: Callable[[Sequence[Path]], Run]
    is_slow: bool = False


def main() -> int:
    options = _options()
    counts = sorted({int(count) for count in options.copies.split(",")})
    given = sorted((options.data or SAMPLE).glob("*.jsonl.zst"))
    if not given or len(counts) < 2 or counts[0] < 1 or counts[1] > SLOW_FILES:
        print(
            f"{options.data or SAMPLE} holds {len(given)} jsonl.zst files; --copies names two or more numbers of"
        )
        print(f"them, two of these at most {SLOW_FILES}: a slope is fitted through them")
        return 2
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        files = enough(given, counts[-1], Path(folder))
        ours(files[:1], "fast")  # uncounted: the first build on a machine compiles the kernels
        for count in counts:
            for run in _in_turn(_programs(options.peers), files[:count], options.rounds):
                runs.append(run)
                cost = f"{run.megabytes:.1f} MB, {run.cpu_seconds:.2f} CPU-s"
                print(f"{run.program}, {_files(count)}: {cost}", flush=True)
    text = _section(runs, options)
    print(text)
    write_section("build", text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of jsonl.zst files of distinct text")
    parser.add_argument("--copies", default="1,4,16", help="over how many files to run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="builds of ours for a figure (%(default)s)")
    parser.add_argument(
        "--peers",
        nargs="?",
        const=str(ROOT / ".venv-peers/bin/python"),
        help="run the peers too, by this Python (%(const)s)",
    )
    return parser.parse_args()


def enough(files: Sequence[Path], count: int, folder: Path) -> list[Path]:
    """So many files: these or, where they are fewer, distinct copies of them in a folder."""
    if count <= len(files):
        return list(files[:count])
    # Elsewhere: what it holds in memory would count as a build's (measure.py says why).
    command = [sys.executable, str(Path(__file__).with_name("distinct.py")), str(files[0].parent), str(folder)]
    subprocess.run([*command, "--copies", str(-(-count // len(files)))], check=True)
    return sorted(folder.glob("*/*.jsonl.zst"))[:count]


def _programs(peers: str | None) -> list[Program]:
    """Ours, and with a Python that has them the peers."""
    scripts = Path(__file__).parent / "peers"
    programs = [
        Program("ours, fast", lambda files: ours(files, "fast")),
        Program("ours, fast, two workers", lambda files: ours(files, "fast", workers=2)),
        Program("ours, tokenizers", lambda files: ours(files, "tokenizers"), is_slow=True),
    ]
    for name, (script, *more) in PEERS.items() if peers else ():
        command = [peers or "", str(scripts / script), *more]
        programs.append(Program(name, partial(_peer, name, command), is_slow=True))
    return programs


def _in_turn(programs: Sequence[Program], files: Sequence[Path], rounds: int) -> list[Run]:
    """Every program over the same files, round by round; the median run of each."""
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(rounds):
        for program in programs:
            if not program.is_slow or (number == 0 and len(files) <= SLOW_FILES):
                runs[program.name].append(replace(program.run(files), program=program.name))
    ordered = [sorted(found, key=lambda run: run.cpu_seconds) for found in runs.values() if found]
    return [found[len(found) // 2] for found in ordered]


def ours(files: Sequence[Path], encoder: str, workers: int = 1) -> Run:
    """A build of ours over some files."""
    with tempfile.TemporaryDirectory() as work:
        raw, store = Path(work, "raw"), Path(work, "store")
        raw.mkdir()
        for file in files:
            (raw / file.name).symlink_to(file.resolve())
        recipe = ROOT / "workflows" / "recipes" / "bulk.toml"
        command = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), "--recipe", str(recipe)]
        command += ["--data", str(raw), "--out", str(store), "--workers", str(workers)]
        command += ["--encoder", encoder]
        figures = measure(command)
        (manifest,) = (json.loads(path.read_bytes()) for path in store.glob("manifests/*.json"))
        (statement,) = (json.loads(path.read_bytes()) for path in store.glob("attestations/*/statement.json"))
    facts: dict[str, Any] = statement["predicate"]["buildDefinition"]["internalParameters"]
    size = sum(source["raw_bytes"] - source["markup_bytes"] for source in manifest["sources"])
    names = ["pin", *(stage["name"] for stage in manifest["stages"])]
    stages = {name: facts["cpu_seconds"][name] for name in names}
    return Run("ours", len(files), size / 1e6, figures, facts["libraries"], stages)


def _peer(name: str, command: Sequence[str], files: Sequence[Path]) -> Run:
    figures = measure([*command, *map(str, files)])
    line = json.loads(figures.output.splitlines()[-1])
    return Run(name, len(files), line["text_mb"], figures, line["versions"])


def _section(runs: Sequence[Run], options: argparse.Namespace) -> str:
    command = "python workflows/benchmarks/build.py" + (" --data DIR" if options.data else "")
    command += f" --copies {options.copies}" + (" --peers" if options.peers else "")
    versions = {name: version for run in runs for name, version in run.versions.items()}
    sizes = {run.files: run.megabytes for run in runs}
    return "\n\n".join(
        [
            "## Whole builds",
            f"`{command}`: "
            + ", ".join(f"{_files(count)} of {size:.1f} MB" for count, size in sizes.items())
            + " of text; one worker where it does not say two. Rate is the slope of CPU-seconds over text, "
            "start-up what the line says of no text. Of ours with the fast encoder the median of "
            f"{options.rounds}, all in turn; the others once, over {SLOW_FILES} files at most. "
            "Files beyond those of the data are distinct copies of them (`distinct.py`).",
            _rates(runs),
            "CPU-seconds of each stage (ours, fast), and the rate of each:",
            _stages([run for run in runs if run.program == "ours, fast"]),
            f"{machine()}; " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".",
        ]
    )


def _rates(runs: Sequence[Run]) -> str:
    counts = sorted({run.files for run in runs})
    heads = ["program", "MB per CPU-s", "start-up, CPU-s"]
    heads += [f"CPU-s, {_files(count)}" for count in counts] + [f"peak MB, {_files(count)}" for count in counts]
    rows: list[list[object]] = []
    for program in dict.fromkeys(run.program for run in runs):
        mine = {run.files: run for run in runs if run.program == program}
        peaks = [f"{mine[count].figures.peak_bytes / 1e6:,.0f}" if count in mine else "" for count in counts]
        rows.append([program, *_row(mine, counts, lambda run: run.cpu_seconds), *peaks])
        if program == "ours, fast":
            blank = ["" for _ in counts]
            rows.append(
                [f"{program}: all but encoding", *_row(mine, counts, lambda run: run.without_encoding), *blank]
            )
            rows.append(
                [
                    f"{program}: band keys to drop list",
                    *_row(mine, counts, lambda run: run.near_duplicates),
                    *blank,
                ]
            )
    return table(heads, rows)


def _row(runs: Mapping[int, Run], counts: Sequence[int], cost: Callable[[Run], float]) -> list[object]:
    """Rate, start-up, and the cost at each size that was run."""
    line = fit([(run.megabytes, cost(run)) for run in runs.values()])
    costs = [cost(runs[count]) if count in runs else "" for count in counts]
    return [line.megabytes_per_second, line.start_seconds, *costs]


def _stages(runs: Sequence[Run]) -> str:
    """What lies outside the stages is imports, planning and sealing."""
    costs = {name: [run.stages[name] for run in runs] for name in runs[0].stages}
    costs["outside the stages"] = [run.cpu_seconds - sum(run.stages.values()) for run in runs]
    rows: list[list[object]] = []
    for name, seconds in costs.items():
        grows = seconds[-1] > seconds[0]
        points = [(run.megabytes, spent) for run, spent in zip(runs, seconds, strict=True)]
        rows.append([name, *seconds, fit(points).megabytes_per_second if grows else ""])
    return table(["stage", *(_files(run.files) for run in runs), "MB per CPU-s"], rows)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


if __name__ == "__main__":
    sys.exit(main())
