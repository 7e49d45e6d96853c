"""The local engine: a pool of processes on one machine, exchanges through spill files in the store.

Workers are spawned once and serve every stage. A worker whose parent is gone ends within a second, so a killed
build leaves nobody writing.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import Self

from corpus.errors import EngineError
from pipelines.stage import Stage
from pipelines.task import run_map, run_reduce, undone

_Tick = tuple[int, int]

_ticks: SimpleQueue[_Tick] | None = None  # a worker's way to its parent, set once when it starts


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
            self._queue: SimpleQueue[_Tick] = context.SimpleQueue()
            threading.Thread(target=self._drain, daemon=True).start()
            self._pool = ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(), self._queue))

    def run(self, stage: Stage) -> None:
        """Brings every task of a stage to its marker; those that have one are not run again."""
        if self._pool is None:
            for number in undone(stage, "map"):
                run_map(stage, number, self._on_tick)
            for partition in undone(stage, "reduce"):
                run_reduce(stage, partition, self._on_tick)
            return
        self._run_all(self._pool, _map_in_worker, stage, undone(stage, "map"))
        self._run_all(self._pool, _reduce_in_worker, stage, undone(stage, "reduce"))

    def _run_all(
        self, pool: ProcessPoolExecutor, run: Callable[[Stage, int], None], stage: Stage, numbers: Sequence[int]
    ) -> None:
        futures: list[Future[None]] = [pool.submit(run, stage, number) for number in numbers]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()
        except BrokenProcessPool as error:
            raise EngineError(
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


def _start_worker(parent: int, queue: SimpleQueue[_Tick]) -> None:
    """Tells a worker where its progress goes, and ends it when its parent is gone."""
    global _ticks  # set once per process, before any task
    _ticks = queue
    end_with(parent)


def end_with(parent: int) -> None:
    """Ends this process within a second of its parent, whatever it is at."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _map_in_worker(stage: Stage, number: int) -> None:
    run_map(stage, number, _report)


def _reduce_in_worker(stage: Stage, partition: int) -> None:
    run_reduce(stage, partition, _report)


def _report(size: int, documents: int) -> None:
    if _ticks is not None:
        _ticks.put((size, documents))
