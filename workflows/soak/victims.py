"""What the soak kills: a build with the workers it starts, and a Dask cluster of separate processes it joins."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
ORPHAN_SECONDS = 10.0  # design: what a worker is given to notice that its parent is gone
_SPAWNED = "multiprocessing.spawn"  # on the command line of a worker, and of no other child


def workers_of(pid: int) -> list[psutil.Process]:
    """The worker processes below a process, at this moment."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if any(_SPAWNED in word for word in child.cmdline()):
                    found.append(child)
    return found


class Attempt:
    """One start of the build, the leader of a session of its own.

    Args:
        line: Its arguments.
        log: Where it writes.
    """

    def __init__(self, line: Sequence[str], log: Path) -> None:
        self._log = log
        self.started = time.monotonic()
        command = [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), *line]
        with open(log, "wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)

    def ends_within(self, seconds: float) -> bool:
        """Waits so long; whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            return True
        return False

    def kill(self) -> list[psutil.Process]:
        """SIGKILL, to it alone; gives all that it had started."""
        family: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        return family

    @property
    def sealed(self) -> str:
        """The digest it says it sealed; engines may speak after it, on their way out."""
        found = re.findall(r"^sealed \S+ (sha256:[0-9a-f]{64})$", self.said, re.MULTILINE)
        return found[-1] if found else ""

    @property
    def said(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace")


def seconds_until_gone(processes: Sequence[psutil.Process]) -> float:
    """How long it takes until none of them runs; infinite where one is still there when its time is up."""
    since = time.monotonic()
    _, alive = psutil.wait_procs(processes, timeout=ORPHAN_SECONDS)
    return float("inf") if any(map(_runs, alive)) else time.monotonic() - since


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


class Cluster:
    """A Dask scheduler and workers under their nannies, on loopback; whoever ends is started anew by `heal`.

    Args:
        folder: Where they run and log.
        workers: How many.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        folder.mkdir()
        self._folder, self._count = folder, workers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self._port}"
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._nannies: list[subprocess.Popen[bytes]] = []
        self.heal()

    def heal(self) -> None:
        """Starts the scheduler and the workers that are not there."""
        if self._scheduler is None or self._scheduler.poll() is not None:
            where = ["--host", "127.0.0.1", "--port", str(self._port)]
            self._scheduler = self._start(["scheduler", *where, "--no-dashboard"])
        self._nannies = [nanny for nanny in self._nannies if nanny.poll() is None]
        while len(self._nannies) < self._count:
            own = self._folder / "scratch"
            line = ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(own)]
            self._nannies.append(self._start(line))

    def _start(self, line: Sequence[str]) -> subprocess.Popen[bytes]:
        with open(self._folder / "log", "ab") as log:
            command = [sys.executable, "-m", "dask", *line]
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    @property
    def scheduler(self) -> list[psutil.Process]:
        """The scheduler, if it runs."""
        with suppress(psutil.NoSuchProcess):
            return [psutil.Process(self._scheduler.pid)] if self._scheduler else []
        return []

    @property
    def workers(self) -> list[psutil.Process]:
        """The workers that run, without their nannies."""
        return [worker for nanny in self._nannies for worker in workers_of(nanny.pid)]

    def end(self) -> None:
        """Ends all of it."""
        for process in [*self._nannies, *([self._scheduler] if self._scheduler else [])]:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()
