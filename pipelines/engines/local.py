"""The local engine: a pool of processes on one machine, exchanges through spill files in the store.

Workers are spawned once and serve every stage. A worker whose parent is gone ends within a second, so a killed
build leaves nobody writing.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import Self

from corpus.errors import StoreError
from pipelines.spill import SpillWriter, read_spills
from pipelines.stage import Output, Stage, publish_marker, read_marker, task_name

Tick = tuple[int, int]
_TICK_SECONDS = 0.25

_ticks: SimpleQueue[Tick] | None = None  # a worker's way to its parent, set once when it starts


class LocalEngine:
    """Runs stages on a pool of processes; with one worker, within this process.

    Args:
        workers: Processes; never part of the result.
        on_tick: Called with (text bytes, documents) as tasks advance.
    """

    def __init__(self, workers: int, on_tick: Callable[[int, int], None]) -> None:
        self.workers, self._on_tick = workers, on_tick
        self._pool: ProcessPoolExecutor | None = None
        if workers > 1:
            context = multiprocessing.get_context("spawn")
            self._queue: SimpleQueue[Tick] = context.SimpleQueue()
            threading.Thread(target=self._drain, daemon=True).start()
            self._pool = ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(), self._queue))

    def run(self, stage: Stage) -> None:
        """Brings every task of a stage to its marker; those that have one are not run again."""
        self._run_all(run_map, stage, "map", stage.tasks)
        if stage.reduce is not None:
            self._run_all(run_reduce, stage, "reduce", stage.partitions)

    def _run_all(self, run: Callable[[Stage, int, Callable[[int, int], None] | None], None],
                 stage: Stage, kind: str, count: int) -> None:  # fmt: skip
        todo = [number for number in range(count) if read_marker(stage, task_name(kind, number)) is None]
        if self._pool is None:
            for number in todo:
                run(stage, number, self._on_tick)
            return
        futures: list[Future[None]] = [self._pool.submit(run, stage, number, None) for number in todo]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()
        except BrokenProcessPool as error:
            raise StoreError(
                "a worker process died, perhaps for want of memory",
                where=f"stage {stage.name}",
                remedy="start the same command again with fewer --workers: done tasks are kept",
            ) from error
        finally:
            for future in futures:
                future.cancel()

    def _drain(self) -> None:
        while True:
            try:
                self._on_tick(*self._queue.get())
            except (EOFError, OSError):
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            self._pool.shutdown(wait=error is None, cancel_futures=True)
            if error is not None:
                for process in processes:
                    process.terminate()


def _start_worker(parent: int, queue: SimpleQueue[Tick]) -> None:
    """Tells a worker where its progress goes, and ends it when its parent is gone."""
    global _ticks  # set once per process, before any task
    _ticks = queue

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Ticker:
    """Passes progress on at most a few times a second."""

    def __init__(self, pass_on: Callable[[int, int], None] | None) -> None:
        self._pass_on = pass_on or (lambda size, documents: _ticks.put((size, documents)) if _ticks else None)
        self._size = self._documents = 0
        self._last = time.monotonic()

    def __call__(self, size: int, documents: int) -> None:
        self._size, self._documents = self._size + size, self._documents + documents
        if time.monotonic() - self._last > _TICK_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._size or self._documents:
            self._pass_on(self._size, self._documents)
        self._size = self._documents = 0
        self._last = time.monotonic()


def run_map(stage: Stage, number: int, on_tick: Callable[[int, int], None] | None) -> None:
    """One map task, from its input to its marker."""
    task, ticker = task_name("map", number), _Ticker(on_tick)
    spill = SpillWriter(stage, task) if stage.reduce is not None else None
    try:
        output = Output(stage, task, spill, ticker)
        stage.map(stage.job, number, output)
        if spill is not None:
            spill.publish()
        publish_marker(stage, task, output, spill.index if spill is not None else None)
    finally:
        ticker.flush()
        if spill is not None:
            spill.discard()


def run_reduce(stage: Stage, partition: int, on_tick: Callable[[int, int], None] | None) -> None:
    """One reduce task, from the spills of every map task to its marker."""
    if stage.reduce is None:
        raise TypeError(f"stage {stage.name} has no reduce")
    task, ticker = task_name("reduce", partition), _Ticker(on_tick)
    output = Output(stage, task, None, ticker)
    stage.reduce(stage.job, partition, read_spills(stage, partition), output)
    publish_marker(stage, task, output)
    ticker.flush()
