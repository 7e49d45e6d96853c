"""The local engine on real processes: what is tried again, who is blamed for a death, and who outlives whom."""

from __future__ import annotations

import ctypes
import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from troubled_tasks import COUNT, Trouble, troubled_map, troubled_stage

from corpus.errors import EngineError, SourceError, StoreError
from corpus.part import read_part
from corpus.table import Columns, concat
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.progress import Progress
from pipelines.retry import ATTEMPTS
from pipelines.stage import Output, Sealed, Stage, done_tasks

ORPHAN_SECONDS = 10.0  # design: what a worker is given to notice that its parent is gone
EVERYTHING = [list(range(remainder, COUNT, 3)) for remainder in range(3)]


def run(stage: Stage, workers: int) -> Sealed:
    with LocalEngine(workers, lambda size, rows: None) as engine:
        return Driver(engine, Progress(io.StringIO())).run(stage)


def numbers(sealed: Sealed) -> list[list[int]]:
    return [concat(read_part(url))["value"].tolist() for url in sealed.urls("numbers.arrow")]


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that is dead and that nobody has asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_worker_that_dies_in_a_task_is_replaced(tmp_path: Path, workers: int) -> None:
    stage = troubled_stage(tmp_path, deaths={2: 1, 4: ATTEMPTS - 1})
    assert numbers(run(stage, workers)) == EVERYTHING
    assert [stage.job.attempts(number) for number in range(6)] == [1, 1, 2, 1, ATTEMPTS, 1]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_task_that_kills_every_worker_ends_the_build_by_name(tmp_path: Path, workers: int) -> None:
    """With one worker too: the build's own process does not run it. The others are neither blamed nor lost."""
    stage = troubled_stage(tmp_path, deaths={2: 1000})
    with pytest.raises(
        EngineError, match=f"a task ends every worker that runs it, {ATTEMPTS} so far.*SIGKILL"
    ) as e:
        run(stage, workers)
    assert e.value.where == "stage numbers, map-00002, which reads file-2"
    assert done_tasks(stage) == {f"map-{number:05d}" for number in (0, 1, 3, 4, 5)}
    assert stage.job.attempts(2) == ATTEMPTS


def greedy_map(job: Trouble, number: int, output: Output) -> None:
    """Task 0 ends those beside it, as the system does when memory is short; alone the others get on well."""
    if number and not job.attempts(number):
        Path(job.folder, f"{number}.{os.getpid()}.0").touch()
        time.sleep(600)
    while number == 0 and len(neighbours := list(Path(job.folder).glob("[12].*"))) < 2:
        time.sleep(0.02)
    for path in neighbours if number == 0 else ():
        os.kill(int(path.name.split(".")[1]), signal.SIGKILL)
    troubled_map(job, number, output)


def test_a_neighbour_that_a_greedy_task_ends_is_not_blamed(tmp_path: Path) -> None:
    stage = replace(troubled_stage(tmp_path, tasks=3), map=greedy_map)
    assert numbers(run(stage, 3)) == EVERYTHING
    assert [stage.job.attempts(number) for number in range(3)] == [1, 2, 2]


@dataclass(frozen=True)
class Flaky:
    """Raises the same error at the first attempts of every task."""

    folder: str
    error: BaseException
    failures: int


def flaky_map(job: Flaky, number: int, output: Output) -> None:
    with open(Path(job.folder) / str(number), "a+") as file:
        file.write(".")
        if file.tell() <= job.failures:
            raise job.error
    output.emit(np.array([number % 3]), {"value": np.array([number])})


class UnportableError(Exception):
    """What no other process can read back: it wants more than it says."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def unportable_map(job: Trouble, number: int, output: Output) -> None:
    raise UnportableError("said", "unsaid")


PASSING = [
    StoreError("the disk is flaky", where="there", remedy="wait"),
    OSError(5, "Input/output error"),
    MemoryError("too much"),
]
LASTING = [SourceError("a file is broken", where="file 3", remedy="mend it"), ZeroDivisionError("a bug")]


def flaky_stage(folder: Path, error: BaseException, failures: int) -> Stage:
    (folder / "flaky").mkdir()
    return replace(
        troubled_stage(folder),
        job=Flaky(str(folder / "flaky"), error, failures),
        map=flaky_map,
        reduce=write_numbers,
    )


def write_numbers(job: Flaky, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    output.write("numbers.arrow", {"value": np.sort(concat(blocks)["value"])})


def attempts(folder: Path) -> list[int]:
    return [len(path.read_text()) for path in sorted((folder / "flaky").iterdir())]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_may_pass_is_tried_again(tmp_path: Path, error: BaseException) -> None:
    assert numbers(run(flaky_stage(tmp_path, error, ATTEMPTS - 1), 2)) == [[0, 3], [1, 4], [2, 5]]
    assert attempts(tmp_path) == [ATTEMPTS] * 6


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_does_not_pass_after_all_ends_the_build_as_it_is(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        run(flaky_stage(tmp_path, error, 1000), 2)
    assert str(caught.value) == str(error)
    assert max(attempts(tmp_path)) == ATTEMPTS


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
def test_what_cannot_pass_ends_the_build_at_once(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        run(flaky_stage(tmp_path, error, 1), 1)
    assert str(caught.value) == str(error)
    assert "flaky_map" in "".join(caught.value.__notes__)
    assert attempts(tmp_path) == [1]


def test_an_error_that_cannot_be_sent_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="UnportableError: said"):
        run(replace(troubled_stage(tmp_path), map=unportable_map), 1)


def test_a_job_that_no_worker_can_read_is_no_fault_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        run(troubled_stage(tmp_path, error=UnportableError("said", "unsaid")), 1)


def test_workers_killed_at_any_moment_only_cost_time(tmp_path: Path) -> None:
    """Two as they start, six at times drawn from a seed: busy, idle or in the midst of a message."""
    stage = troubled_stage(tmp_path, tasks=40, waits=frozenset(range(3, 40)))
    draws = random.Random(4)

    def kill(engine: LocalEngine) -> None:
        for number in range(8):
            while not (there := [worker for worker in engine._workers if worker.is_ready == (number > 1)]):
                time.sleep(0.01)
            time.sleep(draws.uniform(0, 0.5) if number > 1 else 0)
            with suppress(ProcessLookupError):  # it has died already
                draws.choice(there)._process.kill()
        (tmp_path / "attempts" / "go").touch()

    with LocalEngine(2, lambda size, rows: None) as engine:
        threading.Thread(target=kill, args=(engine,), daemon=True).start()
        assert numbers(Driver(engine, Progress(io.StringIO())).run(stage)) == EVERYTHING


def test_workers_that_end_as_they_start_end_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that kills itself before it reads a line of ours: no task is to blame."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(EngineError, match=f"{ATTEMPTS} worker processes ended as they started.*SIGKILL"):
        run(troubled_stage(tmp_path), 2)


def test_nobody_is_left_after_an_error(tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, error=ZeroDivisionError("a bug"), waits=frozenset(range(1, 6)))
    with pytest.raises(ZeroDivisionError):
        run(stage, 3)
    pids = {int(path.name.split(".")[1]) for path in (tmp_path / "attempts").glob("[0-9].*")}
    assert pids
    assert [pid for pid in pids if is_alive(pid)] == []


def deaf_map(job: Trouble, number: int, output: Output) -> None:
    """Sleeps in a library that keeps the interpreter to itself: no thread of this process runs meanwhile."""
    Path(job.folder, f"{number}.{os.getpid()}.0").touch()
    ctypes.PyDLL(None).sleep(600)


def deaf_build(folder: str) -> None:
    """Two workers that hear nothing; for a process of its own."""
    run(replace(troubled_stage(Path(folder)), map=deaf_map), 2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_workers_end_with_their_parent_whatever_they_are_at(tmp_path: Path) -> None:
    here = Path(__file__)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here.parents[2], here.parent)))}
    line = [sys.executable, "-c", f"import test_local; test_local.deaf_build({str(tmp_path)!r})"]
    with subprocess.Popen(line, env=env) as parent:
        while len(pids := list((tmp_path / "attempts").glob("[0-9].*"))) < 2 and parent.poll() is None:
            time.sleep(0.05)
        parent.kill()
    workers = [int(path.name.split(".")[1]) for path in pids]
    assert len(workers) == 2
    deadline = time.monotonic() + ORPHAN_SECONDS
    while time.monotonic() < deadline and any(map(is_alive, workers)):
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
