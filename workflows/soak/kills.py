"""Kills builds at random times and starts them again, until each is done: nothing may show it.

    python workflows/soak/kills.py --recipe workflows/recipes/sample.toml --data data/sample [--kills 20]

One build is left alone. Then builds into fresh stores get SIGKILL, the parent alone, at times drawn from the seed,
and the same command is started again at once, while the workers left behind may still run; until all kills are
spent and every store is sealed. Exits 1 when a digest differs from that of the build left alone, `audit.py verify`
finds fault with a store, or a worker lives 10 seconds after its parent.
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
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKER_SECONDS = 10.0  # what a worker is given to notice that its parent is gone


@dataclass
class Attempt:
    """One start of the build, the leader of a process group of its own."""

    process: subprocess.Popen[str]
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, options: argparse.Namespace, store: Path) -> Attempt:
        command = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), "--recipe", options.recipe]
        command += ["--data", options.data, "--out", str(store), "--workers", str(options.workers)]
        return cls(
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
        )

    def kill_at(self, seconds: float) -> bool:
        """SIGKILL so long after the start, to the parent alone; false where it ended before."""
        try:
            self.process.wait(max(0.0, self.started + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return True
        return False

    def orphans_end(self) -> float:
        """Seconds until no process of the group is left; infinite where one stays."""
        since = time.monotonic()
        while time.monotonic() - since < WORKER_SECONDS:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return time.monotonic() - since
            time.sleep(0.05)
        return float("inf")

    def end(self) -> str:
        """Waits for the end; gives the digest of the seal.

        Raises:
            RuntimeError: The build failed.
        """
        out, err = self.process.communicate()
        if self.process.returncode:
            raise RuntimeError(f"the build ended with {self.process.returncode}:\n{err}")
        return out.split()[-1]


@dataclass
class Tally:
    """What came of it."""

    kills: int = 0
    stores: int = 0
    slowest_orphan: float = 0.0
    faults: list[str] = field(default_factory=list)


def soak(options: argparse.Namespace, work: Path) -> Tally:
    """Kills and resumes builds, store after store."""
    alone = Attempt.start(options, work / "alone")
    expected = alone.end()
    seconds = time.monotonic() - alone.started
    print(f"left alone: {expected} in {seconds:.1f} s", flush=True)
    draws, tally = random.Random(options.seed), Tally()
    while tally.kills < options.kills:
        store = work / f"store-{tally.stores}"
        before = tally.kills
        attempt = Attempt.start(options, store)
        while tally.kills < options.kills and attempt.kill_at(draws.uniform(0, seconds)):
            tally.kills += 1
            killed, attempt = attempt, Attempt.start(options, store)
            ended = killed.orphans_end()
            tally.slowest_orphan = max(tally.slowest_orphan, ended)
            if ended > WORKER_SECONDS:
                tally.faults.append(f"after kill {tally.kills} a worker lived on for {WORKER_SECONDS:g} s")
        _judge(attempt, store, expected, tally)
        print(f"{store.name}: {tally.kills - before} kills, then sealed", flush=True)
    return tally


def _judge(attempt: Attempt, store: Path, expected: str, tally: Tally) -> None:
    """Lets an attempt end and holds its corpus against the one left alone."""
    tally.stores += 1
    try:
        digest = attempt.end()
    except RuntimeError as error:
        tally.faults.append(f"{store.name}: {error}")
        return
    if digest != expected:
        tally.faults.append(f"{store.name}: sealed as {digest}")
    (ref,) = (path for path in (store / "refs").rglob("*") if path.is_file())
    verify = [sys.executable, str(ROOT / "pipelines" / "audit.py"), "verify", str(ref)]
    verified = subprocess.run(verify, capture_output=True, text=True)
    if verified.returncode:
        tally.faults.append(f"{store.name}: verify ended with {verified.returncode}:\n{verified.stderr}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kills", type=int, default=20, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws the times (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of each build (%(default)s)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as work:
        tally = soak(options, Path(work))
    for fault in tally.faults:
        print(fault, file=sys.stderr)
    verdict = f"{len(tally.faults)} faults" if tally.faults else "nothing shows it"
    workers = f"workers gone within {tally.slowest_orphan:.1f} s"
    print(f"{tally.kills} kills over {tally.stores} stores, {workers}: {verdict}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
