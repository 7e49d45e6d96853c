"""A Dask cluster as a person starts one: `dask scheduler` and `dask worker`, processes on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from distributed import Client

ROOT = Path(__file__).resolve().parents[2]
CODE = (ROOT, Path(__file__).parent)  # ours, and the tests' own tasks


class Cluster:
    """A scheduler and its workers, in a folder of their own.

    Args:
        folder: Where they run and log; no build's working folder.
    """

    def __init__(self, folder: Path, code: Sequence[Path] = CODE) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        said = folder / "scheduler.json"
        self.scheduler = self._start(
            ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", said], code
        )
        while not (said.exists() and said.read_text().endswith("}")):
            assert self.scheduler.poll() is None, (folder / "0.log").read_text()
            time.sleep(0.05)
        self.address: str = json.loads(said.read_text())["address"]

    def add_worker(self, threads: int = 1, code: Sequence[Path] = CODE) -> subprocess.Popen[bytes]:
        """A worker and the nanny that starts it anew when it dies."""
        own = self._folder / f"worker-{len(self._started)}"
        options = ["--nthreads", str(threads), "--no-dashboard", "--local-directory", own]
        return self._start(["worker", self.address, *options], code)

    def grow_to(self, workers: int) -> None:
        """Starts the workers that are lacking, and waits until all that were started have joined."""
        while len(self._started) - 1 < workers:  # The first is the scheduler.
            self.add_worker()
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=600)

    def _start(self, line: Sequence[str | Path], code: Sequence[Path]) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, code))}
        with open(self._folder / f"{len(self._started)}.log", "wb") as log:
            command = [sys.executable, "-m", "dask", *map(str, line)]
            self._started.append(subprocess.Popen(command, cwd=self._folder, env=env, stdout=log, stderr=log))
        return self._started[-1]

    def kill(self) -> None:
        """Ends all that was started, and all that those started."""
        for process in self._started:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(folder: Path, workers: int, code: Sequence[Path] = CODE) -> Iterator[Cluster]:
    """A running cluster; nothing of it is left afterwards."""
    folder.mkdir(parents=True)
    cluster = Cluster(folder, code)
    try:
        if workers:
            cluster.grow_to(workers)
        yield cluster
    finally:
        cluster.kill()
