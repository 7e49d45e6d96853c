"""Plants faults over a copy of a sealed store, one at a time, and counts how many `verify` finds.

    python workflows/soak/faults.py [--faults 200] [--seed 1] [--results] build/refs/sample/1.0.0

Any file may be hit: a bit flipped, the end cut off, bytes zeroed or appended, two files swapped, a file removed.
Prints a table by kind; exits 1 unless every fault was found. With --results it writes a section of RESULTS.md.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from results import machine, table, write_section

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


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("ref")
    options.add_argument("--faults", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--results", action="store_true", help="write the section `faults` of RESULTS.md")
    chosen = options.parse_args()
    store, name, version = split_ref(chosen.ref)
    draw = random.Random(chosen.seed)
    planted, found, missed = Counter[str](), Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        copy = Path(folder) / "store"
        shutil.copytree(store, copy)
        # The lock says who holds the store and nothing of a corpus.
        files = sorted(
            path for path in copy.rglob("*") if path.is_file() and path.stat().st_size and path.name != LOCK_NAME
        )
        while sum(planted.values()) < chosen.faults:
            kind = list(FAULTS)[draw.randrange(len(FAULTS))]
            path, other = files[draw.randrange(len(files))], files[draw.randrange(len(files))]
            before = path.read_bytes(), other.read_bytes()
            FAULTS[kind](draw, path, other)
            if path.exists() and (path.read_bytes(), other.read_bytes()) == before:
                continue  # it hit nothing: zeros over zeros, a file swapped with its like
            planted[kind] += 1
            if verify(f"{copy}/refs/{name}/{version}", lambda line: None):
                found[kind] += 1
            else:
                missed.append(f"{kind}: {path.relative_to(copy)}")
            other.write_bytes(before[1])
            path.write_bytes(before[0])
        if verify(f"{copy}/refs/{name}/{version}", lambda line: None):
            raise SystemExit("the store was not sound to begin with")
    rows = [[kind, planted[kind], found[kind]] for kind in FAULTS]
    text = f"""## Faults

`python workflows/soak/faults.py --faults {chosen.faults} --seed {chosen.seed} {name}/{version}` on {machine()}.
{chosen.faults} faults over the {len(files)} files of a sealed store, one at a time;
`verify` found {sum(found.values())}.

{table(["fault", "planted", "found"], rows)}
"""
    print(text, *missed, sep="\n")
    if chosen.results:
        write_section("faults", text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
