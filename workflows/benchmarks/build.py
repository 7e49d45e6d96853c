"""What a whole build costs: rate and start-up, stage by stage, peak memory; datatrove on the same files beside it.

    python workflows/benchmarks/build.py [--data DIR] [--copies 1,2,4] [--rounds 2] [--peers [PYTHON]]

DIR holds jsonl.zst files with a `text` field; without it, the generated sample's Pile shards are read. Every
program runs as a whole process over the first 1, 2, 4 files, all in turn, one worker each; ours --rounds times, of
which the cheapest counts. Text is what stands in the records, in 1e6 bytes of UTF-8. Writes the section "build" of
RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import Figures, fit, measure
from results import machine, table, write_section

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample" / "pile" / "train"
MERGES = ROOT / "corpus" / "vocabulary" / "gpt2" / "vocab.bpe"
ENCODERS = ("fast", "tokenizers")
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
        return self.cpu_seconds - self.stages.get("encode", 0.0)


def main() -> int:
    options = _options()
    data = options.data or SAMPLE
    files = sorted(data.glob("*.jsonl.zst"))
    counts = [1, 2, 4] if options.data else [1, 2, 3]  # the sample has no more shards
    if options.copies:
        counts = sorted({int(count) for count in options.copies.split(",")})
    if len(counts) < 2 or not 1 <= counts[0] <= counts[-1] <= len(files):
        print(f"{data} holds {len(files)} jsonl.zst files: name two or more sizes of that with --copies")
        return 2
    _ours(files[:1], "fast")  # uncounted: the first build on a machine compiles the kernels
    runs = []
    for count in counts:
        for run in _round(files[:count], options.rounds, options.peers):
            runs.append(run)
            print(
                f"{run.program}, {_files(count)}: {run.megabytes:.1f} MB, {run.cpu_seconds:.2f} CPU-s", flush=True
            )
    text = _section(runs, options)
    print(text)
    write_section("build", text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of jsonl.zst files of distinct text")
    parser.add_argument("--copies", help="over how many files to run (1,2,4; of the sample 1,2,3)")
    parser.add_argument("--rounds", type=int, default=2, help="builds of ours for a figure (%(default)s)")
    parser.add_argument(
        "--peers",
        nargs="?",
        const=str(ROOT / ".venv-peers/bin/python"),
        help="run the peers too, by this Python (%(const)s)",
    )
    return parser.parse_args()


def _round(files: Sequence[Path], rounds: int, peers: str | None) -> Iterator[Run]:
    """Every program over the same files."""
    for encoder in ENCODERS:
        yield min((_ours(files, encoder) for _ in range(rounds)), key=lambda run: run.cpu_seconds)
    for name, script in PEERS.items() if peers else ():
        yield _peer(files, name, [peers or "", str(Path(__file__).parent / "peers" / script[0]), *script[1:]])


def _ours(files: Sequence[Path], encoder: str) -> Run:
    with tempfile.TemporaryDirectory() as work:
        raw, store = Path(work, "raw"), Path(work, "store")
        raw.mkdir()
        for file in files:
            (raw / file.name).symlink_to(file.resolve())
        recipe = ROOT / "workflows" / "recipes" / "bulk.toml"
        command = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), "--recipe", str(recipe)]
        command += ["--data", str(raw), "--out", str(store), "--workers", "1", "--encoder", encoder]
        figures = measure(command)
        (manifest,) = (json.loads(path.read_bytes()) for path in store.glob("manifests/*.json"))
        (statement,) = (json.loads(path.read_bytes()) for path in store.glob("attestations/*/statement.json"))
    facts: dict[str, Any] = statement["predicate"]["buildDefinition"]["internalParameters"]
    size = sum(source["raw_bytes"] - source["markup_bytes"] for source in manifest["sources"])
    names = ["pin", *(stage["name"] for stage in manifest["stages"])]
    stages = {name: facts["cpu_seconds"][name] for name in names}
    return Run(f"ours, {encoder}", len(files), size / 1e6, figures, facts["libraries"], stages)


def _peer(files: Sequence[Path], name: str, command: Sequence[str]) -> Run:
    figures = measure([*command, *map(str, files)])
    line = json.loads(figures.output.splitlines()[-1])
    return Run(name, len(files), line["text_mb"], figures, line["versions"])


def _section(runs: Sequence[Run], options: argparse.Namespace) -> str:
    programs = list(dict.fromkeys(run.program for run in runs))
    command = "python workflows/benchmarks/build.py" + (" --data DIR" if options.data else "")
    command += f" --copies {options.copies}" if options.copies else ""
    command += " --peers" if options.peers else ""
    versions = {name: version for run in runs for name, version in run.versions.items()}
    sizes = {run.files: run.megabytes for run in runs}
    return "\n\n".join(
        [
            "## Whole builds",
            f"`{command}`: one worker, "
            + ", ".join(f"{_files(count)} of {size:.1f} MB" for count, size in sizes.items())
            + f" of text; of ours the cheapest of {options.rounds}. Rate is the slope of CPU-seconds over text, "
            "start-up what the line says of no text.",
            _rates(runs, programs),
            "CPU-seconds of each stage:",
            _stages(runs),
            f"{machine()}; " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".",
        ]
    )


def _rates(runs: Sequence[Run], programs: Sequence[str]) -> str:
    counts = sorted({run.files for run in runs})
    heads = ["program", "MB per CPU-s", "start-up, CPU-s"]
    heads += [f"CPU-s, {_files(count)}" for count in counts] + [f"peak MB, {_files(count)}" for count in counts]
    rows: list[list[object]] = []
    for program in programs:
        mine = [run for run in runs if run.program == program]
        line = fit([(run.megabytes, run.cpu_seconds) for run in mine])
        peaks = [f"{run.figures.peak_bytes / 1e6:,.0f}" for run in mine]
        rows.append(
            [program, line.megabytes_per_second, line.start_seconds, *(run.cpu_seconds for run in mine), *peaks]
        )
        if mine[0].stages:
            line = fit([(run.megabytes, run.without_encoding) for run in mine])
            times = [run.without_encoding for run in mine]
            label = f"{program}: all but encoding"
            rows.append([label, line.megabytes_per_second, line.start_seconds, *times, *["" for _ in mine]])
    return table(heads, rows)


def _stages(runs: Sequence[Run]) -> str:
    """Ours alone; what lies outside the stages is imports, planning and sealing."""
    mine = [run for run in runs if run.stages]
    names = list(dict.fromkeys(name for run in mine for name in run.stages))
    rows = [[name, *(run.stages.get(name, 0.0) for run in mine)] for name in names]
    rows.append(["outside the stages", *(run.cpu_seconds - sum(run.stages.values()) for run in mine)])
    return table(["stage", *(f"{run.program}, {_files(run.files)}" for run in mine)], rows)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


if __name__ == "__main__":
    sys.exit(main())
