"""The Beam engine: what goes through Beam, what its runners are told, and what happens when something dies."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_corpus import ROOT, Tiny, command, digest_of

from corpus import storage
from corpus.errors import EngineError, RecipeError, SourceError, StoreError
from corpus.part import read_part
from corpus.table import Columns, concat
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.fleet import versions
from pipelines.packing import BLOCK_BYTES, unpack
from pipelines.progress import Progress
from pipelines.retry import ATTEMPTS
from pipelines.runners import Choice
from pipelines.stage import Output, Sealed, Stage, done_tasks
from pipelines.stage_file import read_stage, write_stage
from pipelines.task import map_blocks, run_map

if not os.environ.get("CI"):  # where CI lacks Beam, that is a failure
    pytest.importorskip("apache_beam", reason="Beam is not installed: workflows/install beam")

import psutil
from troubled_tasks import COUNT, Trouble, troubled_stage

from pipelines.engines import beam_graph
from pipelines.engines.beam_jobs import DIRECT, BeamEngine, check_options

ORPHAN_SECONDS = 10.0  # design: what a worker is given to notice that its parent is gone
NUMBERS = [list(range(remainder, COUNT, 3)) for remainder in range(3)]


@pytest.fixture(scope="module")
def job_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Beam's own portable job service, a process on loopback: the protocol that Flink's and Spark's speak."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("jobs") / "log"
    line = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port", str(port)]
    with open(log, "wb") as file:
        service = subprocess.Popen(line, stdout=file, stderr=file, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert service.poll() is None, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        service.kill()
        service.wait()


def seal(stage: Stage, workers: int = 1) -> Sealed:
    with BeamEngine(DIRECT, workers, lambda size, rows: None) as engine:
        return Driver(engine, Progress(io.StringIO())).run(stage)


def numbers(sealed: Sealed) -> list[list[int]]:
    return [concat(read_part(url))["value"].tolist() for url in sealed.urls("numbers.arrow")]


def count_rows(job: Trouble, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    output.counts[f"rows of {partition}"] = sum(len(block["value"]) for block in blocks)


# What goes through Beam.


@pytest.mark.parametrize("workers", [1, 2])
def test_direct_seals_what_a_pool_seals(workers: int, tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    stage = troubled_stage(tmp_path / "direct", tasks=40)
    with BeamEngine(DIRECT, workers, lambda *done: ticks.append(done)) as engine:
        sealed = Driver(engine, Progress(io.StringIO())).run(stage)
    assert numbers(sealed) == NUMBERS
    assert (sum(size for size, _ in ticks), sum(rows for _, rows in ticks)) == (8 * COUNT, COUNT)
    with LocalEngine(1, lambda size, rows: None) as pool:
        same = Driver(pool, Progress(io.StringIO())).run(troubled_stage(tmp_path / "pool", tasks=40))
    assert (same.key, same.parts, same.counts) == (sealed.key, sealed.parts, sealed.counts)
    left = {path.split("/")[0] for path in storage.list_files(sealed.folder)}
    assert left == {"parts", "stage.json"}


def test_partitions_without_rows_are_made(tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path)
    sealed = seal(replace(stage, job=replace(stage.job, partitions=1), partitions=3, reduce=count_rows))
    assert sealed.counts == {"numbers": COUNT, "rows of 0": COUNT, "rows of 1": 0, "rows of 2": 0}


@pytest.mark.parametrize(("begun_by", "ended_by"), [("local", DIRECT), (DIRECT, "local"), (DIRECT, DIRECT)])
def test_an_exchange_begun_on_one_engine_ends_on_another(begun_by: str, ended_by: str, tmp_path: Path) -> None:
    """The first attempt stops in the midst of the map; the second in the midst of the reduce."""

    def run(engine: str, stage: Stage) -> None:
        made = LocalEngine(1, lambda *_: None) if engine == "local" else BeamEngine(engine, 1, lambda *_: None)
        with made as entered:
            entered.run(stage)

    broken = SourceError("a file is broken", where="file 0", remedy="mend it")
    stage = troubled_stage(tmp_path)
    with pytest.raises(SourceError):
        run(begun_by, replace(stage, job=replace(stage.job, error=broken)))
    run(begun_by, stage)
    for task in ("map-00001", "reduce-00000", "reduce-00002"):
        storage.remove(f"{stage.folder}/done/{task}.json")
    (last,) = (name for name in storage.list_files(f"{stage.folder}/parts") if name.startswith("reduce-00001"))
    part = Path(stage.folder, "parts", last)
    before = part.stat()
    run(ended_by, stage)
    assert len(done_tasks(stage)) == stage.tasks + stage.partitions
    assert part.stat() == before  # what was done was not made again
    with LocalEngine(1, lambda *_: None) as pool:
        assert numbers(Driver(pool, Progress(io.StringIO())).run(stage)) == NUMBERS


def test_blocks_of_a_task_are_those_of_its_spill(tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path)
    found = defaultdict(list)
    for partition, block in map_blocks(stage, 2, lambda *_: None):
        assert len(block) <= BLOCK_BYTES
        found[partition] += unpack(block)["value"].tolist()
    expected = defaultdict(list)
    for value in range(2, COUNT, 6):
        expected[value % 3].append(value)
    assert found == expected
    assert done_tasks(stage) == {"map-00002"}
    run_map(stage, 2, lambda *_: None)  # a second attempt, of another engine, takes nothing away
    assert done_tasks(stage) == {"map-00002"}


def test_a_task_whose_blocks_were_not_all_taken_is_not_done(tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path)
    next(map_blocks(stage, 0, lambda *_: None))
    assert done_tasks(stage) == set()


@given(st.sets(st.integers(0, 200)))
def test_runs_say_the_same_numbers_in_fewer_words(numbers: set[int]) -> None:
    found = beam_graph.runs(sorted(numbers))
    assert [number for run in found for number in range(*run)] == sorted(numbers)
    assert all(first[1] < second[0] for first, second in pairwise(found))


def test_a_graph_stays_small_however_large_its_stage(tmp_path: Path) -> None:
    """Dataflow refuses a job of more than 10 MB; a stage of a large corpus names its files one by one."""
    urls = tuple(f"gs://bucket/stages/documents/{number:032x}/parts/documents.arrow" for number in range(100_000))
    stage = replace(troubled_stage(tmp_path), job=SimpleNamespace(urls=urls), tasks=1_000_000)
    assert len(pickle.dumps(stage)) > 5_000_000
    with BeamEngine(DIRECT, 1, lambda *_: None) as engine:
        assert engine.pipeline(stage).to_runner_api().ByteSize() < 50_000


# What goes wrong.


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_comes_back_in_its_own_words(workers: int, tmp_path: Path) -> None:
    error = SourceError("a file is broken: \u00e4 [x]", where="file 3, 2:7", remedy="mend it [now]")
    with pytest.raises(SourceError) as caught:
        seal(troubled_stage(tmp_path, error=error), workers)
    assert str(caught.value) == str(error)


def test_an_error_of_our_own_making_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Beam ended the job: KeyError: .*lost.*numbers: map") as caught:
        seal(troubled_stage(tmp_path, error=KeyError("lost")))
    assert caught.value.where == "stage numbers"


@pytest.mark.parametrize("error", [StoreError("it is full", where="disk", remedy="wait"), OSError("flaky")])
def test_a_failure_that_may_pass_is_tried_again_where_it_was(error: Exception, tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, error=error)
    with pytest.raises(EngineError if isinstance(error, OSError) else StoreError):
        seal(stage)
    assert stage.job.attempts(0) == ATTEMPTS


# Beam's own threads, one a worker, learn of the death by an exception that nobody there expects.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_dies_ends_the_build_and_nothing_done_is_lost(tmp_path: Path) -> None:
    stage = troubled_stage(tmp_path, deaths={0: 1})
    with pytest.raises(EngineError, match="a worker process died"):
        seal(stage, workers=2)
    assert numbers(seal(stage, workers=2)) == NUMBERS


def test_a_worker_of_another_fleet_is_refused(tmp_path: Path) -> None:
    url = write_stage(troubled_stage(tmp_path))
    task = beam_graph.MapTask(url, {**versions(), "numpy": "1.0"})
    with pytest.raises(EngineError, match=r"numpy \S+ \(here 1\.0\)"):
        task.setup()
    with pytest.raises(EngineError, match="looks at another one"):
        beam_graph.MapTask(url + "x", versions()).setup()
    assert read_stage(url).name == "numbers"


# What is asked of Beam.


@pytest.mark.parametrize(
    ("runner", "flags", "said", "where"),
    [
        (DIRECT, ["--projct", "x"], "neither this program nor Beam knows the option", "--projct x"),
        (
            DIRECT,
            ["--num_workers=many"],
            "argument --num_workers: invalid int value: 'many'",
            "--num_workers=many",
        ),
        ("DataflowRunner", ["--region=europe-west4"], "temp_location", "DataflowRunner"),
    ],
)
def test_options_are_refused_before_anything_runs(
    runner: str, flags: Sequence[str], said: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(RecipeError) as caught:
        check_options(runner, flags)
    assert said in caught.value.what
    assert where in caught.value.where
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice("beam", 1), "there is no such runner"),
        (Choice("local", 1, None, ["--region=x"]), "there is no such option"),
        (Choice("direct", 1, "tcp://127.0.0.1:1"), "only Dask has a scheduler"),
        (Choice("dataflow", 1), "workers run elsewhere"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(choice: Choice, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        choice.check("gs://bucket/store", "data")


# Whole builds.


def line(tiny: Tiny, store: Path, *options: str) -> list[str]:
    options = ("--recipe", str(tiny.recipe), "--data", str(tiny.data), "--out", str(store), *options)
    return [sys.executable, str(ROOT / "pipelines" / "build_corpus.py"), *options]


def test_a_runner_behind_a_job_service_seals_the_same_corpus(tiny: Tiny, job_service: str, tmp_path: Path) -> None:
    portable = ["--runner", "portable", f"--job_endpoint={job_service}", "--environment_type=LOOPBACK"]
    done = subprocess.run(line(tiny, tmp_path, *portable), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert digest_of(done.stdout) == tiny.digest


@pytest.mark.parametrize("runner", ["direct", "portable"])
def test_a_person_sees_the_error_and_not_the_engine(
    runner: str, tiny: Tiny, job_service: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    broken = min((data / "pile/train").iterdir())
    broken.write_bytes(broken.read_bytes()[:-100])
    there = ["--job_endpoint", job_service, "--environment_type", "LOOPBACK"] if runner == "portable" else []
    arguments = ["build_corpus.py", "--recipe", tiny.recipe, "--data", data, "--workers", "1"]
    local, here = (
        command(*arguments, "--out", tmp_path / name, "--runner", name, *options)
        for name, options in (("local", []), (runner, there))
    )
    assert here.returncode == local.returncode == 2
    assert here.stderr.splitlines()[-3:] == local.stderr.splitlines()[-3:]
    if runner == "direct":  # in a loopback, which is for tests, Beam prints a harness's traceback itself
        assert "Traceback" not in here.stderr


@pytest.mark.parametrize(("killed_in", "resumed_on"), [("threads", "direct"), ("signatures", "local")])
def test_a_killed_build_goes_on_and_leaves_nobody_behind(
    killed_in: str, resumed_on: str, tiny: Tiny, tmp_path: Path
) -> None:
    """SIGKILL, the parent alone, in the midst of an exchange."""
    store = tmp_path / "store"
    process = subprocess.Popen(
        line(tiny, store, "--runner", "direct", "--workers", "2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(store.glob(f"stages/{killed_in}/*/done/*")) and process.poll() is None:
        time.sleep(0.002)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert len(workers) >= 2
    assert psutil.wait_procs(workers, ORPHAN_SECONDS)[1] == []
    again = subprocess.run(
        line(tiny, store, "--runner", resumed_on, "--workers", "2"), capture_output=True, text=True, timeout=600
    )
    assert again.returncode == 0, again.stderr
    assert digest_of(again.stdout) == tiny.digest


def test_an_interrupt_ends_the_build_and_its_workers(tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = subprocess.Popen(
        line(tiny, store, "--runner", "direct", "--workers", "2"), stderr=subprocess.PIPE, text=True
    )
    while not list(store.glob("stages/documents/*/done/*")) and process.poll() is None:
        time.sleep(0.002)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: what is done is kept")
    assert psutil.wait_procs(workers, ORPHAN_SECONDS)[1] == []
