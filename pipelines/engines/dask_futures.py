"""The Dask engine: a future a task, on workers of this machine or of a cluster; exchanges through spill files.

Dask is told which task to run and nothing else: what a stage is comes to each worker once, as a plugin, and what a
task made goes to the store, never back through Dask. A worker that dies loses what it was at; its tasks run again
elsewhere, and a task that ends worker after worker ends the build with the name of its file. The one seam to Dask.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, get_worker

from corpus.errors import EngineError
from pipelines.fleet import check_fleet, versions
from pipelines.retry import ATTEMPTS, may_pass
from pipelines.stage import Stage, place, task_name
from pipelines.task import Tick, run_map, run_reduce, undone

PATIENCE_SECONDS = 60.0  # unpublished: our choice; how long a build waits for a scheduler, or for any worker
_CONNECT_SECONDS = 15.0
_LOOK_SECONDS = 2.0
_PLUGIN = "tokentrail"
# Of a cluster of our own: a task is given to a worker when it is free, so that a death accuses one task alone.
_CLUSTER = {
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    "distributed.scheduler.worker-saturation": 1.0,
}


class StagePlugin(WorkerPlugin):
    """What every worker is given of a stage, those that join later too.

    Args:
        stage: The stage whose tasks are about to come.
        expected: The versions of the process that drives it.
        topic: Where progress is reported.
    """

    name = _PLUGIN

    def __init__(self, stage: Stage, expected: Mapping[str, str], topic: str) -> None:
        self.stage, self.expected, self.topic = stage, expected, topic


def run_task(key: str, kind: str, number: int) -> None:
    """Runs one task of the stage that the worker was given.

    Raises:
        EngineError: The worker has another stage, or differs from the process that drives it.
        TokentrailError: The task failed.
    """
    worker = get_worker()
    plugin = worker.plugins.get(_PLUGIN)
    if plugin is None or plugin.stage.key != key:
        raise EngineError("the worker was not given the stage", where=worker.address, remedy="start it again")
    check_fleet(plugin.expected, {worker.address: versions()})
    run = run_map if kind == "map" else run_reduce
    run(plugin.stage, number, lambda size, documents: worker.log_event(plugin.topic, (size, documents)))


def worker_facts() -> dict[str, str]:
    """What a worker says of itself before it is given work."""
    return dict(versions())


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
        self._stack = ExitStack()
        self._missing_since: float | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            address = self._scheduler or stack.enter_context(_own_cluster(self._workers))
            self._client = stack.enter_context(_connect(address))
            self._client.subscribe_topic(self._name, lambda event: self._on_tick(*event[1]))
            self._check_workers()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, stage: Stage) -> None:
        """Brings every task of a stage to its marker; those that have one are not run again.

        Raises:
            EngineError: No worker is left, a task ended every worker it ran on, or workers have another store.
            TokentrailError: A task failed.
        """
        self._give(stage)
        for kind in ("map", "reduce"):
            self._run_all(stage, kind, undone(stage, kind))
            if missing := undone(stage, kind):
                raise EngineError(
                    f"{len(missing)} tasks ended well and left no marker where this process looks",
                    where=f"{stage.folder}, {task_name(kind, missing[0])}",
                    remedy="put --out on storage that every worker shares, under the same name",
                )

    def _check_workers(self) -> None:
        """Refuses a fleet that is mixed, or whose workers run several tasks in one process."""
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
        except TimeoutError as error:
            raise _nobody_left(self._client) from error
        found: dict[str, Any] = self._client.run(worker_facts, on_error="return")
        for address, facts in found.items():
            if isinstance(facts, BaseException):
                raise EngineError(
                    f"a worker cannot run our code: {facts}",
                    where=address,
                    remedy="install the same release of tokentrail for the scheduler and every worker",
                ) from facts
        check_fleet(versions(), found)
        for address, threads in self._client.nthreads().items():
            if threads != 1:
                raise EngineError(
                    f"a worker would run {threads} tasks in one process",
                    where=address,
                    remedy="start workers with `dask worker --nthreads 1`, and as many as there are cores",
                )

    def _give(self, stage: Stage) -> None:
        """Tells every worker what the stage is; a worker that dies meanwhile is no reason to stop."""
        plugin = StagePlugin(stage, versions(), self._name)
        for attempt in range(ATTEMPTS):
            try:
                self._client.register_plugin(plugin)
                return
            except OSError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(_LOOK_SECONDS)

    def _run_all(self, stage: Stage, kind: str, numbers: Sequence[int]) -> None:
        ended: SimpleQueue[Future] = SimpleQueue()
        running: dict[str, tuple[Future, int]] = {}

        def submit(some: Sequence[int], attempt: int) -> None:
            keys = [f"{self._name}-{stage.name}-{task_name(kind, number)}-{attempt}" for number in some]
            whole = [stage.key] * len(some), [kind] * len(some), some
            futures = self._client.map(run_task, *whole, key=keys, pure=False) if some else []
            for key, future, number in zip(keys, futures, some, strict=True):
                running[key] = future, number
                future.add_done_callback(ended.put)

        try:
            submit(numbers, 1)
            while running:
                try:
                    future = ended.get(timeout=_LOOK_SECONDS)
                except Empty:
                    self._look_after()
                    continue
                _, number = running.pop(future.key)
                attempt = int(future.key.rpartition("-")[2])
                if _may_run_again(future, place(stage, task_name(kind, number)), attempt):
                    submit([number], attempt + 1)
        finally:
            if running and self._client.status == "running":
                with suppress(OSError, TimeoutError):
                    self._client.cancel([future for future, _ in running.values()], force=True)

    def _look_after(self) -> None:
        """Ends the wait when there is nobody to wait for."""
        alive = False
        if self._client.status == "running":
            with suppress(OSError, TimeoutError):
                alive = bool(self._client.nthreads())
        now = time.monotonic()
        self._missing_since = None if alive else self._missing_since or now
        if self._missing_since is not None and now - self._missing_since > PATIENCE_SECONDS:
            raise _nobody_left(self._client)


def _may_run_again(future: Future, where: str, attempt: int) -> bool:
    """Whether an ended task failed in a way that may pass, and has an attempt left.

    Raises:
        EngineError: It ended every worker that ran it.
        BaseException: What the task raised, where another attempt would raise it too, or none is left.
    """
    if future.status == "finished":
        return False
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        raise EngineError(
            f"a task ended {error.allowed_failures + 1} workers, one after another",
            where=where,
            remedy="see the workers' logs: give them more memory, or take the file away; what is done is kept",
        ) from error
    if error is None:
        error = EngineError(
            "the cluster lost a task", where=where, remedy="start the same command again: done tasks are kept"
        )
    if attempt >= ATTEMPTS or not may_pass(error):
        raise error
    return True


@contextmanager
def _own_cluster(workers: int) -> Iterator[str]:
    """A cluster of processes on this machine, with one thread each and no dashboard; gives its address."""
    with (
        dask.config.set(_CLUSTER),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,  # of its own data Dask holds none; the system judges what a task takes
            dashboard_address=None,
            silence_logs="ERROR",
        ) as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def _connect(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no scheduler answers: {error}",
            where=f"--scheduler {address}",
            remedy="start `dask scheduler`, and give the address it prints, tcp://host:port",
        ) from error
    with client:
        yield client


def _nobody_left(client: Client) -> EngineError:
    return EngineError(
        f"for {PATIENCE_SECONDS:.0f} seconds there was no worker to run a task, or no scheduler to ask for one",
        where=client.scheduler.address if client.scheduler else "the scheduler",
        remedy="start workers again, then the same command: done tasks are kept",
    )
