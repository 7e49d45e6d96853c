"""Generates the demo's sample: the same bytes on every machine that has the same pinned packages.

Usage: python workflows/sample/generate.py --out data/sample [--megabytes 24] [--packages data/prose]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pile
import planted
import reddit
import zstandard
from containers import DumpFile
from draws import Draws
from prose import Library, pins

from corpus.errors import RecipeError, StoreError, TokentrailError

# Raise it with every change that moves a byte.
GENERATOR_VERSION = 1
STAMP = "GENERATED.json"
# Below, planted pairs would outweigh the text; above, the prose runs out.
MEGABYTES = (1, 32)


@dataclass(frozen=True)
class Sample:
    """Everything that goes into the folder: the dumps, then planted.tsv."""

    files: tuple[DumpFile, ...]
    planted: str


def generate(packages: Path, megabytes: float) -> Sample:
    """Makes the sample in memory.

    Args:
        packages: The folder the pinned packages are in; the running environment is searched after it.
        megabytes: Text of all documents together, in 1e6 bytes of UTF-8.

    Raises:
        SourceError: A pinned package is missing.
    """
    library = Library(packages)
    manual = library.manual()
    articles = iter(Draws("articles").shuffled(list(library.encyclopaedia())))
    shards, in_pile = pile.generate(library, manual, articles, megabytes)
    months, in_reddit = reddit.generate(manual, articles, megabytes)
    return Sample((*shards, *months), planted.table([*in_pile, *in_reddit]))


def stamp(megabytes: float) -> dict[str, object]:
    """What the bytes depend on."""
    return {
        "generator": GENERATOR_VERSION,
        "megabytes": megabytes,
        "packages": pins(),
        "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
    }


def is_current(out: Path, wanted: dict[str, object]) -> bool:
    """Whether the folder holds this very sample, file by file.

    Raises:
        StoreError: The folder holds files that this generator did not write.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    try:
        found = json.loads((out / STAMP).read_bytes())
        digests = found.pop("files")
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            "there are other files, which the sample would mix with",
            where=str(out),
            remedy="name an empty or a new folder with --out",
        ) from error
    return bool(found == wanted) and all(
        (out / name).is_file() and _digest((out / name).read_bytes()) == digest for name, digest in digests.items()
    )


def write(sample: Sample, out: Path, wanted: dict[str, object]) -> None:
    """Writes the files, and the stamp after all of them."""
    contents = {file.name: file.data for file in sample.files} | {"planted.tsv": sample.planted.encode()}
    if (out / STAMP).exists():
        # A file of an older sample that is not of this one would be read with it.
        for name in json.loads((out / STAMP).read_bytes())["files"]:
            (out / name).unlink(missing_ok=True)
    # No digest yet: until it is whole, the folder says whose it is and that it is not current.
    _put_stamp(out, wanted, dict.fromkeys(contents, ""))
    for name, data in contents.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    _put_stamp(out, wanted, {name: _digest(data) for name, data in contents.items()})


def report(sample: Sample) -> str:
    """A table of the files, then one of the sets."""
    rows = [("file", "records", "text bytes", "bytes", "sha256")]
    rows += [
        (file.name, f"{file.records:,}", f"{file.texts.total():,}", f"{len(file.data):,}", _digest(file.data))
        for file in sample.files
    ]
    names = list(dict.fromkeys(name for file in sample.files for name in sorted(file.texts)))
    totals = [(name, sum(file.texts[name] for file in sample.files)) for name in names]
    sets = [("set", "text bytes"), *((name, f"{size:,}") for name, size in totals)]
    sets.append(("all", f"{sum(size for _, size in totals):,}"))
    return _aligned(rows) + "\n" + _aligned(sets)


def main(arguments: list[str] | None = None) -> int:
    """The command line; gives the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if not MEGABYTES[0] <= options.megabytes <= MEGABYTES[1]:
            raise RecipeError(
                f"the sample has {MEGABYTES[0]} to {MEGABYTES[1]} megabytes",
                where=f"--megabytes {options.megabytes:g}",
                remedy="choose a number between them",
            )
        wanted = stamp(options.megabytes)
        if is_current(options.out, wanted):
            print(f"{options.out} holds this sample already")
            return 0
        sample = generate(options.packages, options.megabytes)
        write(sample, options.out, wanted)
    except TokentrailError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(report(sample), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Generates the demo's sample from prose in pinned packages.")
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    parser.add_argument(
        "--megabytes", type=float, default=24.0, help="text of all documents, 1e6 bytes (%(default)g)"
    )
    parser.add_argument(
        "--packages",
        type=Path,
        default=Path("data/prose"),
        help="where `pip install --target` put workflows/locks/sample.txt; the environment is searched after it"
        " (%(default)s)",
    )
    return parser


def _put_stamp(out: Path, wanted: dict[str, object], digests: dict[str, str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    fields = {**wanted, "files": digests}
    (out / STAMP).write_text(json.dumps(fields, indent=1, sort_keys=True) + "\n", encoding="ascii")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns: the first to the left, numbers to the right, a digest as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [
            first.ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
