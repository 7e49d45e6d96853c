"""The Dask engine on real processes: what joins, what is refused, and what happens when any of them dies."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_corpus import Tiny, command, digest_of

from corpus import storage
from corpus.errors import EngineError, SourceError, StoreError
from corpus.part import read_part
from corpus.table import concat
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.progress import Progress
from pipelines.retry import ATTEMPTS
from pipelines.stage import Sealed, Stage, done_tasks

if not os.environ.get("CI"):  # where CI lacks Dask, that is a failure
    pytest.importorskip("distributed", reason="Dask is not installed: workflows/install dask")

import psutil
from dask_cluster import CODE, ROOT, Cluster, dask_cluster
from distributed import Client
from troubled_tasks import COUNT, troubled_stage

from pipelines.engines import dask_futures
from pipelines.engines.dask_futures import DaskEngine

ORPHAN_SECONDS = 10.0  # design: what a worker is given to notice that its parent is gone


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that no test harms; workers may die, their nannies may not."""
    with dask_cluster(tmp_path_factory.mktemp("dask") / "cluster", workers=2) as running:
        yield running


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that loses patience while a test still has some."""
    monkeypatch.setattr(dask_futures, "PATIENCE_SECONDS", 3.0)
    monkeypatch.setattr(dask_futures, "CONNECT_SECONDS", 2.0)


def run(stage: Stage, workers: int = 2, scheduler: str | None = None) -> Sealed:
    with DaskEngine(workers, lambda size, rows: None, scheduler) as engine:
        return Driver(engine, Progress(io.StringIO())).run(stage)


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Starts work in a thread; what is given waits for its end, and gives or raises what it did."""
    ended: list[Any] = []

    def body() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def join() -> Any:
        thread.join(60)
        assert ended, "it did not end"
        if isinstance(ended[0], BaseException):
            raise ended[0]
        return ended[0]

    return join


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def numbers(sealed: Sealed) -> list[list[int]]:
    return [concat(read_part(url))["value"].tolist() for url in sealed.urls("numbers.arrow")]


def test_a_cluster_that_is_joined_seals_what_a_pool_seals(cluster: Cluster, tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    stage = troubled_stage(tmp_path / "dask", tasks=40)
    with DaskEngine(1, lambda *done: ticks.append(done), cluster.address) as engine:
        sealed = Driver(engine, Progress(io.StringIO())).run(stage)
        until(lambda: sum(rows for _, rows in ticks) == COUNT)
    assert sum(size for size, _ in ticks) == 8 * COUNT
    assert numbers(sealed) == [list(range(remainder, COUNT, 3)) for remainder in range(3)]
    with LocalEngine(1, lambda size, rows: None) as pool:
        same = Driver(pool, Progress(io.StringIO())).run(troubled_stage(tmp_path / "pool", tasks=40))
    assert (same.key, same.parts, same.counts) == (sealed.key, sealed.parts, sealed.counts)
    left = {path.split("/")[0] for path in storage.list_files(sealed.folder)}
    assert left == {"parts", "stage.json"}


def test_a_stage_is_pickled_once_however_many_tasks_it_has(cluster: Cluster, tmp_path: Path) -> None:
    run(troubled_stage(tmp_path, tasks=40), scheduler=cluster.address)
    assert len(list((tmp_path / "attempts").glob("pickled.*"))) == 1


def test_a_worker_that_dies_in_a_task_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, deaths={2: 1, 4: 2})
    sealed = run(stage, scheduler=cluster.address)
    assert numbers(sealed) == [list(range(remainder, COUNT, 3)) for remainder in range(3)]
    assert stage.job.attempts(4) >= 3


@pytest.mark.parametrize("own", [True, False])
def test_a_task_that_kills_every_worker_ends_the_build_by_name(
    cluster: Cluster, tmp_path: Path, own: bool
) -> None:
    """The tasks that were given to the same workers are not blamed."""
    stage = troubled_stage(tmp_path, deaths={2: 1000})
    with pytest.raises(EngineError, match=r"ended \d workers") as caught:
        run(stage, workers=1, scheduler=None if own else cluster.address)
    assert caught.value.where == "stage numbers, map-00002, which reads file-2"
    assert "map-00002" not in done_tasks(stage)
    mended = replace(stage, job=replace(stage.job, deaths={}))
    assert numbers(run(mended, scheduler=cluster.address)) == [list(range(part, COUNT, 3)) for part in range(3)]


def test_where_every_task_kills_its_worker_not_all_are_tried_to_the_end(tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, tasks=12, deaths=dict.fromkeys(range(12), 1000))
    with pytest.raises(EngineError, match=r"ended \d workers"):
        run(stage)
    assert sum(stage.job.attempts(number) for number in range(12)) < 12 * ATTEMPTS


def test_an_error_of_a_task_comes_back_as_it_is(cluster: Cluster, tmp_path: Path) -> None:
    error = SourceError("a file is broken", where="file 3", remedy="mend it")
    stage = troubled_stage(tmp_path, error=error)
    with pytest.raises(SourceError, match="a file is broken") as caught:
        run(stage, scheduler=cluster.address)
    assert str(caught.value) == str(error)
    assert stage.job.attempts(0) == 1


def test_an_error_that_may_pass_is_given_its_attempts(cluster: Cluster, tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, error=StoreError("the disk is flaky", where="there", remedy="wait"))
    with pytest.raises(StoreError, match="flaky"):
        run(stage, scheduler=cluster.address)
    assert stage.job.attempts(0) == ATTEMPTS


def test_no_scheduler_is_an_error_in_three_lines(tiny: Tiny, tmp_path: Path, soon: None) -> None:
    with (
        pytest.raises(EngineError, match="no scheduler answers") as caught,
        DaskEngine(1, print, "tcp://127.0.0.1:9"),
    ):
        pass
    assert caught.value.where == "--scheduler tcp://127.0.0.1:9"


def test_a_scheduler_without_workers_is_not_waited_for_forever(tmp_path: Path, soon: None) -> None:
    with (
        dask_cluster(tmp_path / "cluster", workers=0) as empty,
        pytest.raises(EngineError, match="no scheduler, or none"),
    ):
        run(troubled_stage(tmp_path), scheduler=empty.address)


def test_a_worker_with_two_threads_is_refused(tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "cluster", workers=0) as mine:
        mine.add_worker(threads=2)
        with pytest.raises(EngineError, match="2 tasks in one process"):
            run(troubled_stage(tmp_path), scheduler=mine.address)


def stillborn(folder: Path, how_many: int) -> Path:
    """What a worker reads first, which kills that many of those that read it."""
    script = folder / "preload.py"
    script.write_text(
        "import os, signal\nfrom pathlib import Path\n"
        f"dead = Path({str(folder)!r}, str(os.getpid()))\n"
        f"if len(list(dead.parent.glob('[0-9]*'))) < {how_many}:\n"
        "    dead.touch()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    return script


@pytest.mark.parametrize("how_many", [1, 99])
def test_workers_that_die_as_they_start(tmp_path: Path, tiny: Tiny, how_many: int) -> None:
    script = stillborn(tmp_path, how_many)
    env = os.environ | {"DASK_DISTRIBUTED__WORKER__PRELOAD": json.dumps([str(script)])}
    line = build_line(tiny, tmp_path / "store")
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=600)
    if how_many == 1:
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].endswith(tiny.digest)
    else:
        assert done.returncode == 2
        assert [said.split()[0] for said in done.stderr.splitlines()] == ["error:", "at:", "do:"], done.stderr
        assert "die as they start" in done.stderr


def other_code(folder: Path) -> tuple[Path, ...]:
    """Our code with one rule changed, though not its version."""
    for package in ("corpus", "pipelines"):
        shutil.copytree(ROOT / package, folder / package)
    with open(folder / "corpus" / "normalise.py", "a") as file:
        file.write("# another rule\n")
    return folder, *CODE[1:]


def test_a_mixed_fleet_is_refused(tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "cluster", workers=1) as mine:
        mine.add_worker(code=other_code(tmp_path / "other"))
        mine.grow_to(2)
        with pytest.raises(EngineError, match="a worker differs from this process: rules "):
            run(troubled_stage(tmp_path), scheduler=mine.address)


def test_a_worker_that_joins_late_and_differs_is_refused(tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, tasks=12, waits=frozenset(range(12)))
    with dask_cluster(tmp_path / "cluster", workers=1) as mine:
        join = in_background(lambda: run(stage, scheduler=mine.address))
        until(lambda: any(stage.job.attempts(number) for number in range(12)))
        mine.add_worker(code=other_code(tmp_path / "other"))
        with pytest.raises(EngineError, match="a worker differs from this process: rules "):
            join()


@pytest.mark.parametrize("who", ["scheduler", "worker"])
def test_a_process_without_our_code_is_refused(tmp_path: Path, who: str) -> None:
    # Where our code is installed it is found whatever the path: what stands before it says that it is not.
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "pipelines.py").write_text("raise ModuleNotFoundError(\"No module named 'pipelines'\")")
    nothing = (tmp_path / "empty",)
    with dask_cluster(tmp_path / "cluster", 0, nothing if who == "scheduler" else CODE) as mine:
        mine.add_worker(code=nothing if who == "worker" else CODE)
        with pytest.raises(EngineError, match=r"cannot run our code: .*No module named"):
            run(troubled_stage(tmp_path), scheduler=mine.address)


def test_workers_that_do_not_share_the_store_are_recognised(cluster: Cluster, tmp_path: Path) -> None:
    """Memory is a store that no other process shares."""
    stage = replace(troubled_stage(tmp_path), store=f"memory://{tmp_path.name}")
    with pytest.raises(EngineError, match="it looks at another one"):
        run(stage, scheduler=cluster.address)


def test_a_scheduler_that_dies_ends_the_build_and_a_pool_goes_on(tmp_path: Path, soon: None) -> None:
    stage = troubled_stage(tmp_path, tasks=8, waits=frozenset(range(4, 8)))
    with dask_cluster(tmp_path / "cluster", workers=2) as mine:
        join = in_background(lambda: run(stage, scheduler=mine.address))
        until(lambda: len(done_tasks(stage)) == 4)
        mine.scheduler.kill()
        with pytest.raises(EngineError, match="no scheduler, or none of its workers is left"):
            join()
    (tmp_path / "attempts" / "go").touch()
    with LocalEngine(2, lambda size, rows: None) as local:
        sealed = Driver(local, Progress(io.StringIO())).run(stage)
    assert numbers(sealed) == [list(range(remainder, COUNT, 3)) for remainder in range(3)]
    assert [stage.job.attempts(number) for number in range(4)] == [1, 1, 1, 1]


def test_workers_that_die_for_good_end_the_build(tmp_path: Path, soon: None) -> None:
    stage = troubled_stage(tmp_path, waits=frozenset(range(6)))
    with dask_cluster(tmp_path / "cluster", workers=0) as mine:
        worker = mine.add_worker()
        mine.grow_to(1)
        join = in_background(lambda: run(stage, scheduler=mine.address))
        until(lambda: stage.job.attempts(0))
        for process in [*psutil.Process(worker.pid).children(recursive=True), worker]:
            process.kill()
        with pytest.raises(EngineError, match="no scheduler, or none of its workers is left"):
            join()


def build_line(tiny: Tiny, store: Path, *more: str) -> list[str]:
    options = ["--recipe", tiny.recipe, "--data", tiny.data, "--out", store, "--runner", "dask", "--workers", "2"]
    return [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), *map(str, options), *more]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_build_that_is_ended_leaves_no_process(tiny: Tiny, tmp_path: Path, how: signal.Signals) -> None:
    store = tmp_path / "store"
    with open(tmp_path / "log", "w") as log:
        build = subprocess.Popen(build_line(tiny, store), stdout=log, stderr=log)
        until(lambda: list(store.glob("stages/*/*/job")) or build.poll() is not None)
        family = psutil.Process(build.pid).children(recursive=True)
        build.send_signal(how)
        code = build.wait(60)
    assert len(family) >= 2
    assert code == (-signal.SIGKILL if how == signal.SIGKILL else 130), (tmp_path / "log").read_text()
    assert psutil.wait_procs(family, timeout=ORPHAN_SECONDS)[1] == []
    again = command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", tiny.data, "--out", store, "--workers", "1"
    )
    assert digest_of(again.stdout) == tiny.digest


def test_a_build_that_is_killed_leaves_a_cluster_to_the_next(cluster: Cluster, tiny: Tiny, tmp_path: Path) -> None:
    line = build_line(tiny, tmp_path / "store", "--scheduler", cluster.address)
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:
        until(lambda: list((tmp_path / "store").glob("stages/documents/*/job")) or build.poll() is not None)
        build.kill()
    again = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert again.returncode == 0, again.stderr
    assert digest_of(again.stdout) == tiny.digest


ABANDONED = """
import sys
from pathlib import Path
from troubled_tasks import troubled_stage
from pipelines.engines.dask_futures import DaskEngine

with DaskEngine(1, print, sys.argv[2]) as engine:
    engine.run(troubled_stage(Path(sys.argv[1]), tasks=20, waits=frozenset(range(20))))
"""


def test_what_a_dead_build_had_queued_is_not_begun(cluster: Cluster, tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, tasks=20, waits=frozenset(range(20)))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, CODE))}
    with subprocess.Popen([sys.executable, "-c", ABANDONED, tmp_path, cluster.address], env=env) as build:
        until(lambda: any(stage.job.attempts(number) for number in range(20)) or build.poll() is not None)
        build.kill()
    with Client(cluster.address, set_as_default=False) as client:
        until(lambda: client.run_on_scheduler(lambda dask_scheduler: not dask_scheduler.tasks))
    (tmp_path / "attempts" / "go").touch()
    begun = [number for number in range(20) if stage.job.attempts(number)]
    assert 1 <= len(begun) < 20
    sealed = run(stage, scheduler=cluster.address)
    assert numbers(sealed) == [list(range(remainder, COUNT, 3)) for remainder in range(3)]
