"""What each step of a build costs by itself, beside what bounds it and what the libraries others use take for it.

    python workflows/benchmarks/kernels.py [--data DIR] [--peers [PYTHON]] [--rounds 5] [--megabytes 8]

DIR holds jsonl.zst files with a `text` field; without it, the generated sample's Pile shards are read. In every
round all do their step in turn, in memory and on one thread, over a piece of text that none has met (pieces.py);
one round before is not counted. Given are medians of CPU seconds and of their ratios. From band keys to the drop
list we need a whole corpus: that is the slope of builds over 1, 2 and 4 files (build.py). Text is what stands in
the records, in 1e6 bytes of UTF-8. Writes the section "kernels" of RESULTS.md, and limits.svg.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import build
from kernel_steps import NEAR, PARTS, Side, Step, our_steps, peer_steps
from limits import figures, picture
from measure import fit
from peer import Peer
from pieces import Piece, cut
from results import machine, table, write_section

from corpus.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "workflows" / "recipes" / "bulk.toml"
PICTURE = Path(__file__).with_name("limits.svg")
BUILDS = (1, 2, 4)  # files
LIBRARIES = ("gigatoken", "msgspec", "numba", "numpy", "orjson", "tokenizers", "zstandard")


@dataclass
class Times:
    """CPU seconds a megabyte of text, round by round.

    Attributes:
        other: Rounds in which it made another number of things than the others of its part.
    """

    part: str
    name: str
    side: Side
    seconds: list[float] = field(default_factory=list)
    other: int = 0

    @property
    def rate(self) -> float:
        """MB of text a CPU-second."""
        return 1 / statistics.median(self.seconds)

    def ratio(self, ours: Times) -> float:
        """How many times as long as ours it takes: the median of the rounds."""
        if len(ours.seconds) != len(self.seconds):
            return ours.rate / self.rate
        pairs = zip(self.seconds, ours.seconds, strict=True)
        return statistics.median(theirs / mine for theirs, mine in pairs)


def main() -> int:
    options = _options()
    files = sorted((options.data or build.SAMPLE).glob("*.jsonl.zst"))
    if not files:
        print(f"{options.data or build.SAMPLE} holds no jsonl.zst files")
        return 2
    recipe = load_recipe(str(RECIPE))
    steps = our_steps(recipe, ("fast", "tokenizers"))
    peers = start_peers(options.peers) if options.peers else {}
    steps += peer_steps(**peers) if peers else []
    with tempfile.TemporaryDirectory() as folder:
        pieces = list(cut(files, options.rounds + 1, options.megabytes, recipe, Path(folder)))
        times = in_turn(steps, pieces)
        near = near_duplicates(files, Path(folder, "copies"))
    times.append(Times(NEAR, "ours", "ours", [1 / near]))
    times.sort(key=lambda each: (PARTS.index(each.part), each.side == "other"))
    versions = {name: version(name) for name in LIBRARIES}
    for peer in peers.values():
        versions |= peer.versions
        peer.end()
    text = section(times, pieces[1:], options, versions)
    print(text)
    write_section("kernels", text)
    PICTURE.write_text(picture([(each.part, each.name, each.side, each.rate) for each in times]), "utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of jsonl.zst files of distinct text")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each that count (%(default)s)")
    parser.add_argument("--megabytes", type=float, default=8, help="of text to a piece (%(default)s)")
    parser.add_argument(
        "--peers",
        nargs="?",
        const=str(ROOT / ".venv-peers/bin/python"),
        help="run the peers too, by this Python (%(const)s)",
    )
    return parser.parse_args()


def start_peers(python: str) -> dict[str, Peer]:
    """The processes that take turns with us."""
    return {
        "readers": Peer(python, "datatrove_readers.py"),
        "signatures": Peer(python, "signatures.py"),
        "encoders": Peer(python, "encoders.py", "--merges", str(build.MERGES)),
        "writers": Peer(python, "shard_writers.py"),
    }


def in_turn(steps: Sequence[Step], pieces: Sequence[Piece]) -> list[Times]:
    """Every step over every piece; what the first one took loads what is loaded once."""
    times = [Times(step.part, step.name, step.side) for step in steps]
    for number, piece in enumerate(pieces):
        for step, mine in zip(steps, times, strict=True):
            spent, made = step.run(piece)
            if number:
                mine.seconds.append(spent / piece.megabytes)
                mine.other += step.made_wrong(piece, made)
        print(f"round {number} of {len(pieces) - 1}: {piece.megabytes:.1f} MB", flush=True)
    return times


def near_duplicates(files: Sequence[Path], folder: Path) -> float:
    """MB of text a CPU-second from band keys to the drop list, the slope over whole builds."""
    enough = build.enough(files, BUILDS[-1], folder)
    runs = [build.ours(enough[:count], "fast") for count in BUILDS]
    return fit([(run.megabytes, run.near_duplicates) for run in runs]).megabytes_per_second


def section(
    times: Sequence[Times], pieces: Sequence[Piece], options: argparse.Namespace, versions: Mapping[str, str]
) -> str:
    """What is written of it."""
    command = "python workflows/benchmarks/kernels.py" + (" --data DIR" if options.data else "")
    command += " --peers" if options.peers else ""
    ours = {each.part: each for each in reversed(times) if each.side == "ours"}
    rows: list[list[object]] = []
    for each in times:
        name = f"{each.name} (of another number in {each.other} of {len(pieces)})" if each.other else each.name
        mine = ours.get(each.part)
        rows.append([each.part, name, figures(each.rate), figures(each.ratio(mine)) if mine else ""])
    low, high = (choose(piece.megabytes for piece in pieces) for choose in (min, max))
    return f"""## Kernels

`{command}`: MB of text per CPU-second, each step by
itself, in memory, on one thread; medians of {len(pieces)} rounds, each over a piece of {low:.1f} to {high:.1f} MB
that no step had met, all in turn. From band keys to the drop list ours is a slope of whole builds, verified pairs,
ledger and all. A peer is given what it takes, and left with what it gives: none proves its input, hashes its
output or bounds its memory. *Of another number*: it made more or fewer ids than ours, which are those of
`tokenizers`.

{table(["step", "who", "MB per CPU-s", "times as long as ours"], rows)}

![The same as a picture, on a logarithmic axis](limits.svg)

{machine()}; {", ".join(f"{name} {versions[name]}" for name in sorted(versions))}.
"""


if __name__ == "__main__":
    sys.exit(main())
