"""Kills a training at random and starts it again, until it is done: nothing may show it.

    python workflows/soak/train_kills.py --corpus build/refs/sample/1.0.0 [--kills 30] [--seed 1] [--ranks 1]
                                         [--config workflows/runs/tiny.toml] [--set KEY=VALUE ...] [--results]

One run is left alone. Others of the same config are killed with SIGKILL, when being drawn from the seed: after
some update, or while a checkpoint is being written, by then in another thread. By turns it meets one of the ranks,
which torchrun starts again, and all processes at once, which are started again with the same command.
Exits 1 where a loss, a norm, a window, a weight or a moment is not that of the run left alone, to the last bit.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from results import machine, write_section

from training.commit import FILE, list_folders, read_commit
from training.metrics import StepRecord, read_metrics

ROOT = Path(__file__).resolve().parents[2]
# Small, with dropout, and a checkpoint every few updates that takes about as long to write as they do.
SETS = ("steps=24", "batch=4", "sequence=64", "model.dropout=0.1", "validation.every=12", "checkpoint.every=3")
SECONDS = 300  # what no start of such a run takes; then it hangs
STARTS = 20  # a run that is begun so often and never done does not go on


@dataclass
class Tally:
    """What came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    faults: list[str] = field(default_factory=list)


class Start:
    """One start of a run.

    Args:
        options: The command line.
        run_dir: Of the run.
    """

    def __init__(self, options: argparse.Namespace, run_dir: Path) -> None:
        self._run_dir, self._log = run_dir, run_dir.with_suffix(".log")
        sets = [word for each in (*SETS, *options.set) for word in ("--set", each)]
        where = ["--config", options.config, "--corpus", options.corpus, "--run-dir", str(run_dir)]
        line = [str(ROOT / "training" / "run.py"), *where, "--verify", "off", "--device", "cpu", *sets]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={options.ranks}"]
        launcher = [*launcher, "--max-restarts=3"] if options.ranks > 1 else []
        # Without the last, torchrun's second attempt meets the keys of its first and dies.
        own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *launcher, *line], stdout=log, stderr=log, env={**os.environ, **own}
            )

    def kill(self, moment: str, whom: str, draw: random.Random, steps: int) -> str:
        """Waits for the moment and kills; gives whom, or "" where the run ended before.

        Args:
            moment: "save": a checkpoint is half written; "update": some update is done.
            whom: "a rank" or "all".
            draw: Draws which.
            steps: Of the run.
        """
        done = _updates(self._run_dir)
        past = done + draw.randrange(1, max(2, (steps - done) // 3))
        until = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < until:
            if _updates(self._run_dir) >= past and (moment == "update" or _half_written(self._run_dir)):
                if whom == "all":
                    self.end()
                    return whom
                if ranks := psutil.Process(self.process.pid).children():
                    draw.choice(ranks).kill()
                    return whom
            time.sleep(0.001)
        if self.process.poll() is None:
            self.end()
            raise RuntimeError(f"{self._run_dir.name} did nothing for {SECONDS} s:\n{self.said}")
        return ""

    def end(self) -> None:
        """SIGKILL, to all of its processes."""
        family = [psutil.Process(self.process.pid)] if self.process.poll() is None else []
        for process in [*(each for head in family for each in head.children(recursive=True)), *family]:
            process.kill()
        self.process.wait()

    @property
    def said(self) -> str:
        """What all starts of this run have written."""
        return self._log.read_text(errors="replace")


def _updates(run_dir: Path) -> int:
    """Updates done, by the metrics; asked a thousand times a second."""
    path = run_dir / "metrics.jsonl"
    if not path.exists():
        return 0
    lines = path.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines[-2:] if line.endswith(b"\n")]
    return int(whole[-1].partition(b'"step":')[2].partition(b",")[0]) if whole else 0


def _half_written(run_dir: Path) -> bool:
    folders = list_folders(str(run_dir))
    return bool(folders) and not (folders[0] / FILE).exists() and any(folders[0].glob("*.distcp"))


def told(records: list[StepRecord]) -> list[tuple[object, ...]]:
    """What records say of the training, and not of the clock."""
    return [
        (r.step, r.data_step, r.loss, r.learning_rate, r.gradient_norm, r.parameter_norm, r.windows, r.validation)
        for r in records
    ]


def tensors(run_dir: Path) -> dict[str, str]:
    """The sha256 of each file of weights and moments of the last checkpoint."""
    commit = read_commit(list_folders(str(run_dir))[0]).commit
    return {name: entry.sha256 for name, entry in commit.files.items() if name.endswith(".distcp")}


class Soak:
    """Runs that are killed and gone on with, one after another.

    Args:
        options: The command line.
        work: A folder for all of it.
    """

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self._options, self._work, self._draw = options, work, random.Random(options.seed)
        self._alone = work / "alone"
        self.tally = Tally()

    def leave_alone(self) -> None:
        """Trains once, for what to expect."""
        self._finish(Start(self._options, self._alone))
        self._steps = _updates(self._alone)

    def run(self) -> None:
        """Spends all kills."""
        while self.tally.kills.total() < self._options.kills:
            self.tally.runs += 1
            self._one(self._work / f"run-{self.tally.runs}")

    def _one(self, run_dir: Path) -> None:
        """A run that is killed until the kills are spent, or it is done."""
        for _ in range(STARTS):
            start = Start(self._options, run_dir)
            while self.tally.kills.total() < self._options.kills:
                hit = any("in a save" in each for each in self.tally.kills)
                moment = "update" if hit and self._draw.random() < 0.5 else "save"
                turn = "all" if self._options.ranks == 1 or self.tally.kills.total() % 2 else "a rank"
                whom = start.kill(moment, turn, self._draw, self._steps)
                if not whom:
                    break
                half = "in a save" if _half_written(run_dir) else "between saves"
                self.tally.kills[f"{whom}, {half}"] += 1
                if whom == "all":
                    break
            else:
                whom = ""
            if not whom:
                self._finish(start)
                return self._compare(run_dir)
        raise RuntimeError(f"{run_dir.name} was started {STARTS} times and is not done")

    def _finish(self, start: Start) -> None:
        try:
            code = start.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            start.end()
            code = -signal.SIGKILL
        if code:
            raise RuntimeError(f"a run ended with {code}:\n{start.said}")

    def _compare(self, run_dir: Path) -> None:
        expected, found = (told(read_metrics(str(each))) for each in (self._alone, run_dir))
        if len(found) != len(expected):
            self.tally.faults.append(f"{run_dir.name}: {len(found)} updates are told of, not {len(expected)}")
        for one, other in zip(expected, found, strict=False):
            if one != other:
                self.tally.faults.append(f"{run_dir.name}: update {one[0]} is {other}, not {one}")
                break
        if tensors(run_dir) != tensors(self._alone):
            self.tally.faults.append(f"{run_dir.name}: weights or moments are others")
        half = [folder.name for folder in list_folders(str(run_dir)) if not (folder / FILE).exists()]
        if half:
            self.tally.faults.append(f"{run_dir.name}: {half} were left half written")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="a sealed corpus, for instance build/refs/sample/1.0.0")
    parser.add_argument("--config", default=str(ROOT / "workflows" / "runs" / "tiny.toml"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the run")
    parser.add_argument("--kills", type=int, default=30, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws who and when (%(default)s)")
    parser.add_argument("--ranks", type=int, default=1, help="processes of a run (%(default)s)")
    parser.add_argument(
        "--results", action="store_true", help="write the section `training, killed` of RESULTS.md"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options, Path(folder))
        try:
            soak.leave_alone()
            soak.run()
        except RuntimeError as error:  # what was killed before it is told all the same
            soak.tally.faults.append(str(error))
    tally = soak.tally
    for fault in tally.faults:
        print(fault, file=sys.stderr)
    whom = ", ".join(f"{count} {who}" for who, count in sorted(tally.kills.items()))
    verdict = f"{len(tally.faults)} faults" if tally.faults else "nothing shows it"
    line = f"{tally.kills.total()} kills over {tally.runs} runs ({whom}): {verdict}"
    print(line)
    if options.results:
        command = f"`python workflows/soak/train_kills.py --kills {options.kills} --ranks {options.ranks}`"
        write_section("training, killed", f"## Training, killed\n\n{command} on {machine()}.\n\n{line}\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
