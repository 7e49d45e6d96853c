"""Plants faults over a copy of a sealed store, one at a time, and counts how many `verify` finds.

    python workflows/soak/faults.py [--faults 200] [--seed 1] [--results] build/refs/sample/1.0.0

Any file may be hit: a bit flipped, the end cut off, bytes zeroed or appended, two files swapped, a file removed.
And what a forger would do (forgers.py): texts, ledger, recipe, files, ref and history altered, digests and all.
Prints a table by kind; exits 1 unless every fault was found, every forgery with its cause.
With --results it writes a section of RESULTS.md.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from forgers import FORGERIES, Forger, Forgery
from results import machine, table, write_section

from corpus.errors import TokentrailError
from corpus.manifest import split_ref
from pipelines.auditing.verifying import verify
from pipelines.lease import LOCK_NAME

Fault = Callable[[random.Random, Path, Path], None]


def flip(draw: random.Random, path: Path, other: Path) -> None:
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def cut(draw: random.Random, path: Path, other: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: draw.randrange(len(data))])


def zero(draw: random.Random, path: Path, other: Path) -> None:
    data = path.read_bytes()
    start = draw.randrange(len(data))
    path.write_bytes(data[:start] + bytes(min(64, len(data) - start)) + data[start + 64 :])


def append(draw: random.Random, path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes([draw.randrange(256)]))


def swap(draw: random.Random, path: Path, other: Path) -> None:
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def remove(draw: random.Random, path: Path, other: Path) -> None:
    path.unlink()


FAULTS: dict[str, Fault] = {
    "a bit flipped": flip,
    "the end cut off": cut,
    "64 bytes zeroed": zero,
    "a byte appended": append,
    "two files swapped": swap,
    "a file removed": remove,
}


def plant_anywhere(draw: random.Random, files: list[Path], kind: str) -> Callable[[], None] | None:
    """Harms any file; gives what takes the harm back, or None where it hit nothing: zeros over zeros."""
    path, other = files[draw.randrange(len(files))], files[draw.randrange(len(files))]
    before = path.read_bytes(), other.read_bytes()
    FAULTS[kind](draw, path, other)
    if path.exists() and (path.read_bytes(), other.read_bytes()) == before:
        return None

    def restore() -> None:
        other.write_bytes(before[1])
        path.write_bytes(before[0])

    return restore


def names_cause(failures: list[TokentrailError], forgery: Forgery) -> bool:
    """Whether a verification says what was done, and where."""
    return any(
        re.search(forgery.words, failure.what) and re.search(forgery.where, f"{failure.where} {failure.what}")
        for failure in failures
    )


def soak(ref: str, count: int, seed: int) -> tuple[int, dict[str, list[int]], list[str]]:
    """Plants faults over a copy: (files, kind -> planted, found, cause named, what was missed)."""
    store, name, version = split_ref(ref)
    draw = random.Random(seed)
    counts = {kind: [0, 0, 0, 0] for kind in (*FAULTS, *FORGERIES)}
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        copy = Path(folder) / "store"
        shutil.copytree(store, copy)
        (copy / LOCK_NAME).unlink(missing_ok=True)  # says who builds, and nothing of what was built
        files = sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size)
        forger = Forger(copy, copy / "refs" / name / version)

        def failures(deep: bool) -> list[TokentrailError]:
            return verify(str(forger.ref), lambda line: None, deep=deep)

        if failures(deep=True):
            raise SystemExit("the store was not sound to begin with")
        while sum(planted for planted, *_ in counts.values()) < count:
            kind = list(counts)[sum(planted for planted, *_ in counts.values()) % len(counts)]
            if kind in FORGERIES:
                forgery = FORGERIES[kind](forger, draw)
                restore: Callable[[], None] | None = forger.restore
            else:
                forgery, restore = Forgery("", ""), plant_anywhere(draw, files, kind)
            if restore is None:
                continue
            found = failures(deep=False)
            deep = [] if names_cause(found, forgery) else failures(deep=True)
            named = names_cause(found + deep, forgery)
            add = (1, bool(found), bool(found or deep), named)
            counts[kind] = [a + b for a, b in zip(counts[kind], add, strict=True)]
            if not named:
                missed.append(f"{kind}: {'; '.join(f'{f.what} ({f.where})' for f in found + deep) or 'not found'}")
            restore()
        if failures(deep=True):
            raise SystemExit("the store was not restored")
    return len(files), counts, missed


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("ref")
    options.add_argument("--faults", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--results", action="store_true", help="write the section `faults` of RESULTS.md")
    chosen = options.parse_args()
    _, name, version = split_ref(chosen.ref)
    files, counts, missed = soak(chosen.ref, chosen.faults, chosen.seed)
    rows = [[kind, *numbers[:3], numbers[3] if kind in FORGERIES else ""] for kind, numbers in counts.items()]
    found, deep = (sum(numbers[column] for numbers in counts.values()) for column in (1, 2))
    text = f"""## Faults

`python workflows/soak/faults.py --faults {chosen.faults} --seed {chosen.seed} {name}/{version}` on {machine()}.
{chosen.faults} faults over the {files} files of a sealed store, one at a time; `verify` found
{found}, `verify --deep` {deep}. Of forgeries it must also name what was done and where.

{table(["fault", "planted", "found", "found by --deep", "cause named"], rows)}
"""
    print(text, *missed, sep="\n")
    if chosen.results:
        write_section("faults", text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
