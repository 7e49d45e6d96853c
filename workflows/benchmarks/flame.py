"""Where a build's processor time goes: a flame graph's stacks, added up by stage and by what stands at their tips.

    python workflows/benchmarks/flame.py [--data DIR] [--profiler .venv-peers/bin/py-spy] [--graph FILE.svg]

Builds bulk.toml over DIR (without it, over the generated sample's Pile shards) with one worker, once to warm up
and once under py-spy, which looks at the stacks of all processes, native frames too, a hundred times a second. A
stack counts for the innermost function of ours in it, and for the library at its tip. --graph keeps the picture
as well. Writes the section "flame" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from results import machine, table, write_section

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample" / "pile" / "train"
RATE = 100  # looks a second
SHOWN = 24

FRAME = re.compile(r"(?P<function>.*) \((?P<file>[^()]*?)(?::\d+)?\)")
TASK = re.compile(r"\w+_(map|reduce)")
WAITING = ("clock_nanosleep", "poll", "epoll_wait", "select", "nanosleep")
# What a frame's file is part of; the first that fits.
LIBRARIES = (
    ("corpus/", "Python"),
    ("pipelines/", "Python"),
    ("zstd", "zstd"),
    ("emmintrin", "zstd"),
    ("libcrypto", "sha256"),
    ("gigatoken", "gigatoken"),
    ("arrow", "Arrow"),
    ("numpy", "numpy"),
    ("numba", "numba, compiling or loading"),
    ("llvmlite", "numba, compiling or loading"),
    ("libpython", "Python"),
    ("importlib", "Python, importing"),
    ("libc.so", "C library"),
    ("(?)", "compiled kernels"),
)


@dataclass(frozen=True)
class Look:
    """One stack, as often as it was seen.

    Attributes:
        stage: The function of its task; "start-up" where modules are imported, else "between tasks".
        ours: The innermost function of ours.
        library: What was at work at the tip.
        seen: How often.
    """

    stage: str
    ours: str
    library: str
    seen: int


def main() -> int:
    options = _options()
    files = sorted((options.data or SAMPLE).glob("*.jsonl.zst"))
    with tempfile.TemporaryDirectory() as work:
        raw = Path(work, "raw")
        raw.mkdir()
        for file in files:
            (raw / file.name).symlink_to(file.resolve())
        subprocess.run(_build(raw, Path(work, "warm")), check=True, stdout=subprocess.DEVNULL)
        stacks = Path(work, "stacks")
        look = [options.profiler, "record", "--subprocesses", "--native", "--rate", str(RATE)]
        subprocess.run(
            [*look, "--format", "raw", "--output", str(stacks), "--", *_build(raw, Path(work, "store"))],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if options.graph:
            drawn = [*look, "--output", str(options.graph), "--", *_build(raw, Path(work, "again"))]
            subprocess.run(drawn, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        looks = list(read_stacks(stacks.read_text(errors="replace").splitlines()))
    version = subprocess.run([options.profiler, "--version"], capture_output=True, text=True, check=True).stdout
    text = section(looks, len(files), version.strip())
    print(text)
    write_section("flame", text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of jsonl.zst files")
    parser.add_argument("--profiler", default=str(ROOT / ".venv-peers/bin/py-spy"), help="py-spy (%(default)s)")
    parser.add_argument("--graph", type=Path, metavar="FILE.svg", help="keep the flame graph of one more build")
    return parser.parse_args()


def _build(raw: Path, store: Path) -> list[str]:
    recipe = ROOT / "workflows" / "recipes" / "bulk.toml"
    command = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), "--recipe", str(recipe)]
    return [*command, "--data", str(raw), "--out", str(store), "--workers", "1", "--encoder", "fast"]


def read_stacks(lines: Sequence[str]) -> Iterator[Look]:
    """The looks of py-spy's raw form, `frame;frame;frame count` a line; who only waited is left out."""
    for line in lines:
        stack, _, seen = line.rpartition(" ")
        frames = [match for match in map(FRAME.fullmatch, stack.split(";")) if match]
        if not frames or frames[-1]["function"].startswith(WAITING):
            continue
        own = [frame for frame in frames if frame["file"].startswith(("corpus/", "pipelines/"))]
        tasks = [frame["function"] for frame in own if TASK.fullmatch(frame["function"])]
        tasks = [name for name in tasks if name not in ("run_map", "run_reduce")]
        stage = tasks[0] if tasks else "between tasks"
        if "importlib" in stack or not own:
            stage = "start-up"
        innermost = f"{own[-1]['file']}: {own[-1]['function']}" if own and stage != "start-up" else ""
        yield Look(stage, innermost, _library(frames[-1]["file"]), int(seen))


def _library(file: str) -> str:
    return next((name for part, name in LIBRARIES if part in f"({file})"), "others")


def section(looks: Sequence[Look], files: int, profiler: str) -> str:
    """What RESULTS.md is told."""
    whole = sum(look.seen for look in looks)
    stages, tips = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for look in looks:
        stages[look.stage, look.library] += look.seen
        if look.stage != "start-up":
            tips[look.stage, look.ours, look.library] += look.seen

    def rows(counter: Counter[tuple[str, ...]], shown: int) -> list[list[object]]:
        ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        return [[*names, f"{100 * seen / whole:.1f}%"] for names, seen in ordered[:shown]]

    by_stage = Counter[tuple[str, ...]]()
    for (stage, _), seen in stages.items():
        by_stage[stage,] += seen
    return "\n\n".join(
        [
            "## Where a build's time goes",
            f"`python workflows/benchmarks/flame.py --data DIR`: a build of {files} files by one worker, under "
            f"{profiler}, {RATE} looks a second, {whole:,} in all. Shares of what all its processes computed.",
            table(["in", "share"], rows(by_stage, len(by_stage))),
            f"The {SHOWN} largest behind the start-up, by the innermost function of ours:",
            table(["in", "function", "at work", "share"], rows(tips, SHOWN)),
            f"{machine()}.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
