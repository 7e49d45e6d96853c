"""Kills builds at random times and starts them again, until each is done: nothing may show it.

    python workflows/soak/kills.py --recipe workflows/recipes/sample.toml --data data/sample [--kills 60]

On every engine one build is left alone: all must come to one digest. Then builds into fresh stores lose the
process that drives them, a worker or a scheduler, by SIGKILL, who and when being drawn from the seed. A build that
loses its driver, or gives up, is started again at once on an engine drawn anew, while orphans may still run; until
all kills are spent and every store is sealed. Exits 1 when a digest differs, `audit.py verify` finds fault with a
store, a marker or a seal counts a part that is not there whole, or a worker lives 10 seconds after its parent.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from results import machine, table, write_section
from victims import ORPHAN_SECONDS, ROOT, Attempt, Cluster, seconds_until_gone, workers_of

# An engine's options, and the library without which it is left out.
ENGINES = {
    "local": ("--runner local", "corpus"),
    "dask": ("--runner dask", "distributed"),
    "cluster": ("--runner dask --scheduler {scheduler}", "distributed"),
    "direct": ("--runner direct", "apache_beam"),
}
GIVING_UP = 10  # a build that stops so often after a kill does not go on


@dataclass
class Tally:
    """What came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    stores: int = 0
    slowest_orphan: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """All of it in a line."""
        found = f"{len(self.faults)} faults" if self.faults else "nothing shows it"
        orphans = f"workers gone within {self.slowest_orphan:.1f} s"
        return f"{self.kills.total()} kills over {self.stores} stores, {self.stops} stops, {orphans}: {found}"

    def section(self, kills: int, seed: int) -> str:
        """The section of RESULTS.md."""
        who = sorted({line.partition(": ")[2] for line in self.kills})
        engines = [name for name in ENGINES if any(line.startswith(f"{name}: ") for line in self.kills)]
        rows = [[engine, *(self.kills[f"{engine}: {one}"] for one in who)] for engine in engines]
        return f"""## Kills

`python workflows/soak/kills.py --recipe workflows/recipes/sample.toml --data data/sample --kills {kills}
--seed {seed}` on {machine()}. SIGKILLs at random times, by the engine
that a build ran on and by who died; a build that lost its driver, or gave up (a stop), went on at once on an
engine drawn anew. {self.verdict[0].upper() + self.verdict[1:]}: every store verified, and of the digest of the
builds that were left alone.

{table(["engine", *who], rows)}
"""


class Soak:
    """Builds that are killed and resumed, store after store.

    Args:
        options: The command line.
        work: A folder for all of it.
        cluster: What the engine `cluster` joins.
    """

    def __init__(self, options: argparse.Namespace, work: Path, cluster: Cluster | None) -> None:
        self._options, self._work, self._cluster = options, work, cluster
        self._draws = random.Random(options.seed)
        self._seconds: dict[str, float] = {}
        self._digest = ""
        self._orphans: list[psutil.Process] = []
        self._attempt: Attempt | None = None
        self.tally = Tally()

    def leave_alone(self) -> None:
        """Builds once on every engine: what to expect, and how long each takes.

        Raises:
            RuntimeError: A build failed, or two engines differ.
        """
        for engine in self._options.engines:
            attempt = self._start(engine, self._work / f"alone-{engine}")
            attempt.process.wait()
            self._seconds[engine] = time.monotonic() - attempt.started
            digest = "" if attempt.process.returncode else attempt.sealed
            if not digest or digest != (self._digest or digest):
                raise RuntimeError(f"left alone, {engine} comes to:\n{attempt.said}")
            self._digest = digest
            print(f"left alone: {digest} in {self._seconds[engine]:.1f} s on {engine}", flush=True)

    def run(self) -> None:
        """Kills until all kills are spent."""
        while self.tally.kills.total() < self._options.kills:
            store, before = self._work / f"store-{self.tally.stores}", self.tally.kills.total()
            self._build(store)
            self.tally.stores += 1
            self._judge(store)
            print(f"{store.name}: {self.tally.kills.total() - before} kills, then sealed", flush=True)

    def end(self) -> None:
        """Ends the build that still runs, if this ends before it."""
        if self._attempt is not None:
            seconds_until_gone(self._attempt.kill())

    def _build(self, store: Path) -> None:
        """Brings one store to its seal, by as many attempts as it takes."""
        stops, attempt = 0, None
        while attempt is None or attempt.process.returncode:
            engine = self._draws.choice(self._options.engines)
            attempt = self._start(engine, store)
            while self.tally.kills.total() < self._options.kills:
                if attempt.ends_within(self._draws.uniform(0, self._seconds[engine])):
                    break
                self._kill(engine, attempt)
                if attempt.process.returncode is not None:
                    self.tally.faults += half_parts(store)
                    break
            code = attempt.process.wait()
            if code not in (0, -signal.SIGKILL):
                stops += 1
                said_why = re.search(r"^error: .*\n   at: .*\n   do: .*\n\Z", attempt.said, re.MULTILINE)
                if code != 2 or not said_why or stops > GIVING_UP:
                    raise RuntimeError(f"a build on {engine} ended with {code}:\n{attempt.said}")
                self.tally.stops += 1
        if attempt.sealed != self._digest:
            self.tally.faults.append(f"{store.name}: sealed as {attempt.sealed}; it said\n{attempt.said}")

    def _start(self, engine: str, store: Path) -> Attempt:
        """Starts a build, and then waits for those that the one before has left."""
        if self._cluster is not None:
            self._cluster.heal()
        options = ENGINES[engine][0].format(scheduler=self._cluster.address if self._cluster else "")
        line = ["--recipe", self._options.recipe, "--data", self._options.data, "--out", str(store)]
        attempt = Attempt([*line, "--workers", str(self._options.workers), *options.split()], self._work / "log")
        self._attempt = attempt
        ended = seconds_until_gone(self._orphans)
        self.tally.slowest_orphan = max(self.tally.slowest_orphan, ended)
        if ended > ORPHAN_SECONDS:
            self.tally.faults.append(f"before {engine} a worker lived on for {ORPHAN_SECONDS:g} s")
        self._orphans = []
        return attempt

    def _kill(self, engine: str, attempt: Attempt) -> None:
        """Kills one of those at work on a build."""
        workers, schedulers = workers_of(attempt.process.pid), list[psutil.Process]()
        if engine == "cluster" and self._cluster is not None:
            workers, schedulers = self._cluster.workers, self._cluster.scheduler
        who = self._draws.choice(
            ["parent", *(["worker"] if workers else []), *(["scheduler"] if schedulers else [])]
        )
        self.tally.kills[f"{engine}: {who}"] += 1
        if who == "parent":
            self._orphans = attempt.kill()
            return
        with suppress(psutil.NoSuchProcess):
            self._draws.choice(workers if who == "worker" else schedulers).kill()
        if self._cluster is not None:
            time.sleep(0.2)  # until the system has told of the death
            self._cluster.heal()

    def _judge(self, store: Path) -> None:
        """Holds a sealed store against its own word."""
        (ref,) = (path for path in (store / "refs").rglob("*") if path.is_file())
        if ref.read_text() != f"{self._digest}\n":
            self.tally.faults.append(f"{store.name}: {ref.name} names {ref.read_text()}")
        verify = [sys.executable, str(ROOT / "pipelines" / "audit.py"), "verify", str(ref)]
        verified = subprocess.run(verify, capture_output=True, text=True)
        if verified.returncode:
            self.tally.faults.append(f"{store.name}: verify ended with {verified.returncode}:\n{verified.stderr}")
        self.tally.faults += half_parts(store)


def half_parts(store: Path) -> Iterator[str]:
    """Parts that a marker or a seal counts, and that do not have the bytes it counts them by."""
    for counting in [*store.glob("stages/*/*/done/*.json"), *store.glob("stages/*/*/stage.json")]:
        if counting.name.startswith("."):
            continue  # left aside: it counts nothing
        folder = counting.parent if counting.name == "stage.json" else counting.parents[1]
        for part in json.loads(counting.read_bytes())["parts"]:
            path = folder / "parts" / part["name"]
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != part["blob"]:
                yield f"{counting.relative_to(store)} counts {part['name']}, which is not there whole"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    there = [name for name, (_, library) in ENGINES.items() if importlib.util.find_spec(library)]
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kills", type=int, default=60, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws who and when (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of each build (%(default)s)")
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), default=there, help="(all that is installed)"
    )
    parser.add_argument("--results", action="store_true", help="write the section `kills` of RESULTS.md")
    options = parser.parse_args()
    options.recipe, options.data = (str(Path(path).absolute()) for path in (options.recipe, options.data))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        cluster = Cluster(work / "cluster", options.workers) if "cluster" in options.engines else None
        soak = Soak(options, work, cluster)
        try:
            soak.leave_alone()
            soak.run()
        except RuntimeError as error:  # what was killed before it is told all the same
            soak.tally.faults.append(str(error))
        finally:
            soak.end()
            if cluster is not None:
                cluster.end()
    tally = soak.tally
    for fault in tally.faults:
        print(fault, file=sys.stderr)
    for who, count in sorted(tally.kills.items()):
        print(f"{count:>4}  {who}")
    print(tally.verdict)
    if options.results:
        write_section("kills", tally.section(options.kills, options.seed))
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
