"""One build a store: who comes second is told who holds it, who died is succeeded, who was succeeded stops."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corpus import storage
from corpus.errors import StoreError
from pipelines.heartbeat import Rhythm
from pipelines.lease import lease

HOLD = """
import sys
from corpus.errors import TokentrailError
from pipelines.heartbeat import Rhythm
from pipelines.lease import lease
try:
    with lease(sys.argv[1], rhythm=Rhythm(0.1, float(sys.argv[2]))):
        print("held", flush=True)
        sys.stdin.readline()
except TokentrailError as error:
    print(error)
"""
Start = Callable[[str, float], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that takes the lease and holds it until its input ends."""
    started = []

    def begin(store: str, silence: float) -> subprocess.Popen[str]:
        line = [sys.executable, "-c", HOLD, store, str(silence)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(params=["folder", "s3", "gcs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "folder" else str(request.getfixturevalue(request.param)) + "/store"


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_second_is_told_who_holds_it(store: str, start: Start) -> None:
    holder = start(store, 60)
    assert first_line(holder) == "held"
    with pytest.raises(StoreError, match="another build") as refused, lease(store, rhythm=Rhythm(0.1, 60)):
        pass
    assert re.search(rf"process {holder.pid} on \S+, since \d{{4}}-", str(refused.value))
    assert refused.value.where == store
    holder.communicate("done\n")
    with lease(store):
        pass
    with pytest.raises(RuntimeError), lease(store):
        raise RuntimeError
    with lease(store):
        pass


def test_a_dead_holder_is_succeeded(store: str, start: Start) -> None:
    holder = start(store, 60)
    assert first_line(holder) == "held"
    holder.kill()
    holder.wait()
    with lease(store, rhythm=Rhythm(0.1, 0.5)):
        pass


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_holder_that_slept_through_its_death_stops(
    kind: str, start: Start, request: pytest.FixtureRequest
) -> None:
    store = f"{request.getfixturevalue(kind)}/store"
    sleeper = start(store, 60)
    assert first_line(sleeper) == "held"
    sleeper.send_signal(signal.SIGSTOP)
    with lease(store, rhythm=Rhythm(0.1, 3.0)):
        sleeper.send_signal(signal.SIGCONT)
        assert sleeper.stdout is not None
        said = sleeper.stdout.read()
        assert f"another build took this store (process {os.getpid()} on " in said
        assert len(said.splitlines()) == 3
    (name,) = storage.list_files(f"{store}/.lock")
    assert json.loads(storage.read_bytes(f"{store}/.lock/{name}"))["released"]


def test_of_many_that_succeed_a_dead_one_one_does(s3: str, start: Start) -> None:
    holder = start(f"{s3}/store", 60)
    assert first_line(holder) == "held"
    holder.kill()
    holder.wait()
    rivals = [start(f"{s3}/store", 1) for _ in range(4)]
    heirs = [rival for rival in rivals if first_line(rival) == "held"]
    assert len(heirs) == 1


def test_a_lock_without_a_name_holds_all_the_same(tmp_path: Path, start: Start) -> None:
    holder = start(str(tmp_path), 60)
    assert first_line(holder) == "held"
    (tmp_path / ".lock").write_bytes(b"")
    with pytest.raises(StoreError, match="another build holds this store\n"), lease(str(tmp_path)):
        pass
