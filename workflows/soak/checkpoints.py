"""Corrupts a run's last checkpoint, one way at a time, and starts from it: none may be loaded without a word.

    python workflows/soak/checkpoints.py --corpus build/refs/sample/1.0.0 [--corruptions 400] [--seed 1]
                                         [--results]

Two small models are trained for four updates and saved after two and four. Then of the first one's last checkpoint
a bit is flipped, the end cut off, bytes zeroed or appended, a file removed, added, or taken from another file,
another step or the other model; or the whole of it is another step's, the other model's, or says something else of
itself. A start must pass over it aloud and have the checkpoint before, bit for bit, or refuse. Beside it stands
how many of them torch's own loader, given the same folder, loads without a word; where its pickle is hit it is not
asked. Exits 1 where one was loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import torch
import torch.distributed.checkpoint as dcp
from results import machine, table, write_section
from torch import Tensor

from corpus.errors import TokentrailError
from corpus.mapped_corpus import MappedCorpus
from training import run
from training.canonical_state import canonical_state
from training.checkpoint import load
from training.commit import FILE, list_folders
from training.config import RunConfig, load_run
from training.loop import build_trainer
from training.resumption import check_same_run, last_checkpoint
from training.token_stream import TokenStream

TINY = Path(__file__).resolve().parents[1] / "runs" / "tiny.toml"
SETS = ("steps=4", "batch=2", "sequence=32", "model.width=16", "model.feed_forward=32", "model.heads=2")
SAVES = ("validation.every=0", "checkpoint.every=2")
METADATA = ".metadata"


@dataclass(frozen=True)
class Folders:
    """The checkpoint to corrupt, the one before it, and the other model's of the same step."""

    last: Path
    before: Path
    other: Path

    def draw(self, draw: random.Random) -> Path:
        """A file of the one to corrupt."""
        return draw.choice(sorted(self.last.iterdir()))


def flip(draw: random.Random, folders: Folders) -> None:
    path = folders.draw(draw)
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def cut(draw: random.Random, folders: Folders) -> None:
    path = folders.draw(draw)
    data = path.read_bytes()
    path.write_bytes(data[: draw.randrange(len(data))])


def zero(draw: random.Random, folders: Folders) -> None:
    path = folders.draw(draw)
    data = bytearray(path.read_bytes())
    start = draw.randrange(len(data))
    length = min(4096, len(data) - start)
    data[start : start + length] = bytes(length)
    path.write_bytes(data)


def append(draw: random.Random, folders: Folders) -> None:
    with open(folders.draw(draw), "ab") as file:
        file.write(draw.randbytes(draw.randrange(1, 100)))


def drop(draw: random.Random, folders: Folders) -> None:
    folders.draw(draw).unlink()


def add(draw: random.Random, folders: Folders) -> None:
    (folders.last / f"__{draw.randrange(1, 9)}_0.distcp").write_bytes(draw.randbytes(100))


def swap(draw: random.Random, folders: Folders) -> None:
    one, other = draw.sample(sorted(folders.last.iterdir()), 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def of_another_step(draw: random.Random, folders: Folders) -> None:
    path = folders.draw(draw)
    shutil.copyfile(folders.before / path.name, path)


def of_another_model(draw: random.Random, folders: Folders) -> None:
    path = folders.draw(draw)
    shutil.copyfile(folders.other / path.name, path)


def tensors_of_another_model(draw: random.Random, folders: Folders) -> None:
    """All but the commit."""
    for path in folders.last.iterdir():
        if path.name != FILE:
            shutil.copyfile(folders.other / path.name, path)


def all_of_another_step(draw: random.Random, folders: Folders) -> None:
    shutil.copytree(folders.before, folders.last, dirs_exist_ok=True)


def all_of_another_model(draw: random.Random, folders: Folders) -> None:
    shutil.copytree(folders.other, folders.last, dirs_exist_ok=True)


def other_words(draw: random.Random, folders: Folders) -> None:
    """A digit of the commit becomes another."""
    path = folders.last / FILE
    data = bytearray(path.read_bytes())
    place = draw.choice([at for at, byte in enumerate(data) if 48 <= byte < 58])
    data[place] = draw.choice([digit for digit in range(48, 58) if digit != data[place]])
    path.write_bytes(data)


CORRUPTIONS: tuple[Callable[[random.Random, Folders], None], ...] = (
    *(flip, cut, zero, append, drop, add, swap, of_another_step, of_another_model),
    *(tensors_of_another_model, all_of_another_step, all_of_another_model, other_words),
)


class Soak:
    """Two trained models, and copies of the first one's run that are harmed.

    Args:
        corpus: A ref.
        work: A folder for all of it.
    """

    def __init__(self, corpus: str, work: Path) -> None:
        self._corpus, self._work = MappedCorpus.open(corpus), work
        self.config = self._train("run", "seed=1")
        self._train("other", "seed=2")
        stream = TokenStream(self._corpus, "train", self.config.sequence)
        self._tensors = canonical_state(build_trainer(self.config, stream, torch.device("cpu")))
        folders = list_folders(str(work / "run"))
        self._names = [folder.name for folder in folders]
        self._before = self._load(folders[1])
        self.silent: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()

    def _train(self, name: str, seed: str) -> RunConfig:
        sets = (*SETS, *SAVES, seed)
        where = ["--config", str(TINY), "--corpus", self._corpus.ref, "--run-dir", str(self._work / name)]
        options = ["--verify", "off", "--device", "cpu", *(word for each in sets for word in ("--set", each))]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            if run.main([*where, *options]):
                raise SystemExit(said.getvalue())
        return load_run(str(TINY), sets)

    def _load(self, folder: Path) -> dict[str, Tensor]:
        """What torch's own loader makes of a folder."""
        dcp.load(dict(self._tensors), storage_reader=dcp.FileSystemReader(folder))
        return {name: tensor.clone() for name, tensor in self._tensors.items()}

    def corrupt(self, kind: Callable[[random.Random, Folders], None], draw: random.Random) -> str:
        """One corruption; what was wrong with how it was met, or ""."""
        shutil.rmtree(self._work / "harmed", ignore_errors=True)
        shutil.copytree(self._work / "run", self._work / "harmed")
        last, before = (self._work / "harmed" / "checkpoints" / name for name in self._names)
        intact = _bytes_of(last)
        while _bytes_of(last) == intact:  # what was zeroed may have been zero
            kind(draw, Folders(last, before, self._work / "other" / "checkpoints" / last.name))
        if (last / METADATA).exists() and (last / METADATA).read_bytes() == intact[METADATA]:
            self.asked[kind.__name__] += 1
            self.silent[kind.__name__] += self._torch_is_silent(last)
        return self._judge(last.name)

    def _torch_is_silent(self, folder: Path) -> bool:
        try:
            self._load(folder)
        except (Exception, dcp.CheckpointException):
            return False
        return True

    def _judge(self, name: str) -> str:
        said: list[str] = []
        digest = self._corpus.digest
        try:
            found = last_checkpoint(
                str(self._work / "harmed"), said.append, lambda each: check_same_run(each, self.config, digest)
            )
        except TokentrailError:
            return ""
        if found is None or found.folder.name == name:
            return "it was loaded" if found else "nothing was found"
        if not any(name in line for line in said):
            return "it was passed over without a word"
        for tensor in self._tensors.values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else 0)
        load(found, self._tensors)
        same = all(torch.equal(tensor, self._before[name]) for name, tensor in self._tensors.items())
        return "" if same else "what came instead is not it"


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="a sealed corpus, for instance build/refs/sample/1.0.0")
    parser.add_argument("--corruptions", type=int, default=400, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws them all (%(default)s)")
    parser.add_argument("--results", action="store_true", help="write the section `checkpoints` of RESULTS.md")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="torch.distributed is disabled")
    draw = random.Random(options.seed)
    planted: Counter[str] = Counter()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options.corpus, Path(folder))
        for number in range(options.corruptions):
            kind = CORRUPTIONS[number % len(CORRUPTIONS)]
            planted[kind.__name__] += 1
            if fault := soak.corrupt(kind, draw):
                faults.append(f"{number} {kind.__name__}: {fault}")
                print(faults[-1], file=sys.stderr)
    rows = [
        [name.replace("_", " "), planted[name], f"{soak.silent[name]} of {soak.asked[name]}"] for name in planted
    ]
    verdict = f"{planted.total()} corruptions, {len(faults)} loaded, or met without a word"
    text = f"""## Checkpoints

`python workflows/soak/checkpoints.py --corruptions {options.corruptions} --seed {options.seed}` on {machine()}.

Torch's column counts what does it no harm too: a change to the commit alone, or bytes it never looks at.

{table(["corruption", "planted", "torch's loader says nothing"], rows)}

{verdict}
"""
    print(text)
    if options.results:
        write_section("checkpoints", text)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
