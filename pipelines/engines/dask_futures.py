"""The Dask engine: a future a task, on workers of this machine or of a cluster; exchanges through spill files.

Dask is told which task to run and nothing else: what a stage is lies in the store, and what a task makes goes
there, never through Dask. A task whose worker dies runs again elsewhere; one that ends worker after worker, alone,
ends the build with the name of its file. The one seam to Dask.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, get_worker
from distributed.comm import CommClosedError

from corpus.errors import EngineError
from pipelines.fleet import check_fleet, versions
from pipelines.retry import ATTEMPTS, may_pass
from pipelines.stage import Stage, place, task_name
from pipelines.stage_file import read_stage, write_stage
from pipelines.task import Tick, run_map, run_reduce, undone

PATIENCE_SECONDS = 120.0  # unpublished: our choice; how long a build waits for a first worker, or another one
CONNECT_SECONDS = 30.0  # distributed's own, comm.timeouts.connect: to find a scheduler, or to find it again
_RESTART_SECONDS = 15.0  # unpublished: our choice; what a nanny is given to start a worker anew
_STARTS = 3  # unpublished: our choice; of a cluster of our own, before its workers are given up
_LOOK_SECONDS = 2.0  # unpublished: our choice; how often it looks whether anybody is left
# Of a cluster of our own. What is ours to decide of another one stands in the launch files.
CLUSTER = {
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    "distributed.scheduler.worker-saturation": 1.0,  # to a worker that is free: its death accuses one task
    "distributed.scheduler.worker-ttl": None,  # its nanny knows whether it lives; a busy one may well be silent
    # What each process does beside its tasks: twenty-millisecond ticks and more took 4% of a core, idle or not.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    # Dask sets it to shed memory between tasks; every large array is then mapped anew, at a third of our time.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}


@dataclass(frozen=True)
class Errand:
    """What a worker is sent with every task of a kind.

    Attributes:
        stage: Where the stage is written.
        kind: "map" or "reduce".
        fleet: The versions of the process that drives the build.
        topic: Where progress is reported.
    """

    stage: str
    kind: str
    fleet: Mapping[str, str]
    topic: str


def run_task(number: int, errand: Errand) -> None:
    """Runs one task, in a worker.

    Raises:
        EngineError: The worker is not fit for the build, or does not share its store.
        TokentrailError: The task failed.
    """
    worker = get_worker()
    check_worker(worker.address, worker_facts(worker), errand.fleet)
    run = run_map if errand.kind == "map" else run_reduce
    run(read_stage(errand.stage), number, lambda *done: worker.log_event(errand.topic, done))


def worker_facts(dask_worker: Worker) -> dict[str, str]:
    """What a worker says of itself."""
    return {**versions(), "threads": str(dask_worker.state.nthreads)}


def check_worker(address: str, facts: Mapping[str, str], fleet: Mapping[str, str]) -> None:
    """Refuses a worker that differs from the fleet, or that runs several tasks in one process.

    Raises:
        EngineError: It does; those that join while a build runs are refused with their first task.
    """
    found = dict(facts)
    threads = found.pop("threads")
    check_fleet(fleet, {address: found})
    if threads != "1":
        raise EngineError(
            f"a worker would run {threads} tasks in one process",
            where=address,
            remedy="start workers with `dask worker --nthreads 1`, and as many as there are cores",
        )


class DaskEngine:
    """Runs stages on Dask workers.

    Args:
        workers: Processes of a cluster of our own; never part of the result.
        on_tick: Called with (text bytes, documents) as tasks advance.
        scheduler: The address of a cluster's scheduler, to join that one; its workers share the store with us.
    """

    def __init__(self, workers: int, on_tick: Tick, scheduler: str | None = None) -> None:
        self._workers, self._on_tick, self._scheduler = workers, on_tick, scheduler
        self._name = f"tokentrail-{secrets.token_hex(4)}"  # keys of two builds on one cluster never meet
        self._serial = itertools.count()
        self._stack = ExitStack()
        self._missing_since: float | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._scheduler is None:
                self._cluster = stack.enter_context(_own_cluster(self._workers))
            self._client = stack.enter_context(_connect(self._scheduler or self._cluster.scheduler_address))
            with _in_our_words(self._client):
                self._client.subscribe_topic(self._name, lambda event: self._on_tick(*event[1]))
                _check_cluster(self._client)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, stage: Stage) -> None:
        """Brings every task of a stage to its marker; those that have one are not run again.

        Raises:
            EngineError: No worker is left, a task ended every worker it ran on, or a worker has another store.
            TokentrailError: A task failed.
        """
        url = write_stage(stage)
        for kind in ("map", "reduce"):
            errand = Errand(url, kind, versions(), self._name)
            numbers = undone(stage, kind)
            while numbers:
                # A death accuses all that a worker had been given: each of the accused runs once more, alone.
                with _in_our_words(self._client):
                    for number in self._run_all(stage, errand, numbers):
                        self._run_all(stage, errand, [number])
                left = undone(stage, kind)
                if len(left) == len(numbers):
                    raise EngineError(
                        "tasks ended well and left no marker where this process looks",
                        where=f"{stage.folder}, {task_name(kind, left[0])}",
                        remedy="put --out on storage that every worker shares, under the same name",
                    )
                numbers = left

    def _run_all(self, stage: Stage, errand: Errand, numbers: Sequence[int]) -> list[int]:
        """Runs tasks to their ends, or of several until some are accused of ending worker after worker: those."""
        ended: SimpleQueue[Future] = SimpleQueue()
        running: dict[str, tuple[Future, int, int]] = {}
        accused: list[int] = []

        def submit(some: Sequence[int], attempt: int) -> None:
            keys = [f"{stage.name}-{errand.kind}-{number}-{self._name}-{next(self._serial)}" for number in some]
            futures = self._client.map(run_task, some, key=keys, pure=False, errand=errand) if some else []
            for key, future, number in zip(keys, futures, some, strict=True):
                running[key] = future, number, attempt
                future.add_done_callback(ended.put)

        try:
            submit(numbers, 1)
            while running and len(accused) < ATTEMPTS:
                try:
                    future = ended.get(timeout=_LOOK_SECONDS)
                except Empty:
                    self._look_for_workers()
                    continue
                _, number, attempt = running.pop(future.key)
                error = _error_of(future)
                if isinstance(error, KilledWorker) and len(numbers) > 1:
                    accused.append(number)
                elif error is not None:
                    if attempt == ATTEMPTS or not may_pass(error):
                        raise _explained(error, place(stage, task_name(errand.kind, number)))
                    while not self._look_for_workers():
                        time.sleep(_LOOK_SECONDS)
                    submit([number], attempt + 1)
        finally:
            if running and self._client.status == "running":
                with suppress(OSError, TimeoutError):
                    self._client.cancel([future for future, _, _ in running.values()], force=True)
        return accused

    def _look_for_workers(self) -> bool:
        """Whether there is a worker.

        Raises:
            EngineError: For too long there was none, or the scheduler is gone for good.
        """
        found: Mapping[str, int] = {}
        if self._client.status == "running":
            with suppress(OSError, TimeoutError):
                found = self._client.nthreads(callback_timeout=CONNECT_SECONDS)
        now = time.monotonic()
        self._missing_since = None if found else self._missing_since or now
        waited = now - (self._missing_since or now)
        if self._client.status == "closed" or waited > PATIENCE_SECONDS:
            raise _nobody_left(self._client)
        if self._scheduler is None and waited > _RESTART_SECONDS:
            # A nanny starts no worker anew that died before the nanny had heard from it: others are started.
            self._cluster.scale(0)
            self._cluster.scale(self._workers)
            _await_worker(self._client)
            self._missing_since = None
        return bool(found)


def _error_of(future: Future) -> BaseException | None:
    """What an ended task ended with."""
    if future.status == "finished":
        return None
    if future.status == "error":
        error: BaseException = future.exception()
        return error
    return ConnectionError("the scheduler lost the task")  # it died or was started anew: that may pass


def _explained(error: BaseException, where: str) -> BaseException:
    """A failure in the words of a person who knows files and not Dask."""
    if isinstance(error, KilledWorker):
        return EngineError(
            f"a task ended {error.allowed_failures + 1} workers, one after another",
            where=where,
            remedy="see the workers' logs: give them more memory, or take the file away; what is done is kept",
        )
    if isinstance(error, ConnectionError):
        return EngineError(
            f"the cluster lost a task {ATTEMPTS} times: {error}",
            where=where,
            remedy="start the same command again: done tasks are kept",
        )
    return error


def _check_cluster(client: Client) -> None:
    """Refuses a cluster of which a process cannot run our code, or differs from this one.

    Raises:
        EngineError: So it is, or there is no worker.
    """
    _await_worker(client)
    try:
        scheduler = client.run_on_scheduler(versions)
    except CommClosedError:
        raise
    except Exception as error:  # whatever its import of our code raises
        raise _not_ours(client.scheduler.address, error) from error
    check_fleet(versions(), {client.scheduler.address: scheduler})
    found: dict[str, Any] = client.run(worker_facts, on_error="return")
    for address, facts in found.items():
        if isinstance(facts, OSError):
            continue  # It left meanwhile.
        if isinstance(facts, BaseException):
            raise _not_ours(address, facts) from facts
        check_worker(address, facts, versions())


def _await_worker(client: Client) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
    except TimeoutError as error:
        raise _nobody_left(client) from error


@contextmanager
def _own_cluster(workers: int) -> Iterator[LocalCluster]:
    """A cluster of processes on this machine, with one thread each and no dashboard."""
    with dask.config.set(CLUSTER), _started(workers) as cluster:
        yield cluster


def _started(workers: int) -> LocalCluster:
    """A new cluster. A worker that dies as it starts is not started anew by its nanny: the whole is."""
    for _ in range(_STARTS):
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=None,  # of its own data Dask holds none; the system judges what a task takes
                dashboard_address="127.0.0.1:0",  # of any builds on a machine, none minds the others' ports
                scheduler_kwargs={"dashboard": False},
                silence_logs="CRITICAL",  # a death is ours to report
            )
        except RuntimeError as error:
            reason = error
    raise EngineError(
        f"the workers die as they start: {reason}",
        where=f"--runner dask --workers {workers}",
        remedy="look for what kills them, memory above all; or build with --runner local",
    ) from reason


@contextmanager
def _connect(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no scheduler answers: {error}",
            where=f"--scheduler {address}",
            remedy="start `dask scheduler`, and give the address it prints, tcp://host:port",
        ) from error
    with client:
        yield client


@contextmanager
def _in_our_words(client: Client) -> Iterator[None]:
    """What it means that a scheduler hangs up while it is asked: it died.

    Raises:
        EngineError: It did.
    """
    try:
        yield
    except CommClosedError as error:
        raise _nobody_left(client) from error


def _not_ours(address: str, error: BaseException) -> EngineError:
    return EngineError(
        f"a process of the cluster cannot run our code: {error}",
        where=address,
        remedy="install the same release of tokentrail for the scheduler and every worker",
    )


def _nobody_left(client: Client) -> EngineError:
    return EngineError(
        "there is no scheduler, or none of its workers is left",
        where=client.scheduler.address if client.scheduler else "the cluster",
        remedy="start them again, then the same command: done tasks are kept",
    )
