"""Processes of this machine that run Beam's harness: started once, they serve every stage of a build.

Beam's own way starts processes anew for every job, and each imports everything again. An environment tells Beam
how workers come to be; this one hands each job's harness to a process that waits for it.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler
from apache_beam.transforms.environments import Environment

from corpus.errors import EngineError
from pipelines.engines.beam_worker import serve
from pipelines.stage import Stage

_URN = "tokentrail:environment:processes:v1"
_READERS = {"beam_control_read", "read_grpc_client_inputs"}  # Beam's threads that listen to a worker


class ProcessEnvironment(Environment):
    """Names the processes to a runner."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        """As Beam's graph names an environment: its kind, and nothing more to say."""
        return _URN, b""


class Processes:
    """Worker processes, while entered.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._workers: list[multiprocessing.process.BaseProcess] = []
        self._turns: Iterator[Connection] = iter(())

    def __enter__(self) -> Self:
        context, lines = multiprocessing.get_context("spawn"), []
        quiet = not logging.getLogger().isEnabledFor(logging.ERROR)
        if quiet:
            _hush_readers()
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            worker = context.Process(target=serve, args=(os.getpid(), theirs, quiet), daemon=True)
            worker.start()
            theirs.close()  # Only the worker holds it: its end is the line's end.
            self._workers.append(worker)
            lines.append(ours)
        self._turns = itertools.cycle(lines)
        WorkerHandler.register_environment(_URN, bytes)(self._handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.kill()  # Idle, or at what no longer counts; what it had written aside is nobody's.
            worker.join()

    def check(self, stage: Stage, seconds: float = 0.0) -> None:
        """Looks whether all are alive, and go on to be for so long: Beam may wait for a dead one for ever.

        Raises:
            EngineError: One is not.
        """
        if wait([worker.sentinel for worker in self._workers], seconds):
            raise EngineError(
                "a worker process died, perhaps for want of memory",
                where=f"stage {stage.name}",
                remedy="start the same command again with fewer --workers: done tasks are kept",
            )

    def _handler(self, payload: bytes, *beam_side: Any) -> GrpcWorkerHandler:
        return _Handler(next(self._turns), *beam_side)


def _hush_readers() -> None:
    """Prints no traceback of a thread whose worker died: `check` says so in fewer words."""
    former = threading.excepthook

    def hook(raised: threading.ExceptHookArgs) -> None:
        if raised.thread is None or raised.thread.name not in _READERS:
            former(raised)

    threading.excepthook = hook


class _Handler(GrpcWorkerHandler):
    """Beam's side of a worker for the time of one job."""

    def __init__(self, line: Connection, *beam_side: Any) -> None:
        super().__init__(*beam_side)
        self._line = line

    def start_worker(self) -> None:
        self._line.send((self.worker_id, self.control_address))

    def stop_worker(self) -> None:
        self._line.recv()
