"""A worker process of the local engine: it is told one task at a time, so that its death accuses that task alone.

Each worker has a pipe of its own and shares no lock with another: one that is killed anywhere, in the midst of a
message too, holds nobody up.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection

from pipelines.orphans import end_with
from pipelines.retry import may_pass
from pipelines.stage import Stage
from pipelines.task import Tick, run_map, run_reduce

_READY = "ready"


class DeadWorkerError(Exception):
    """A worker is gone; says how it went."""


@dataclass(frozen=True)
class Ended:
    """What became of a task.

    Attributes:
        error: What it raised, or `DeadWorkerError`; None where it ended well.
        may_pass: Whether another attempt may end otherwise.
        trace: Where it was raised: a traceback does not cross the border of a process.
    """

    error: BaseException | None = None
    may_pass: bool = False
    trace: str = ""


class Worker:
    """One process and the pipe to it.

    Attributes:
        connection: Where it is heard.
        is_ready: Whether it has started well.
        task: The number of the task it is at; None while it starts and while it is idle.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(os.getpid(), theirs), daemon=True)
        self._process.start()
        theirs.close()  # with the worker's own end the last one is gone: that is how its death is heard
        self.is_ready = False
        self.task: int | None = None
        self._stage = b""

    def give(self, stage: bytes, kind: str, number: int) -> bool:
        """Tells an idle worker a task of a pickled stage; false where it has died meanwhile."""
        try:
            if self._stage is not stage:
                self.connection.send(stage)
                self._stage = stage
            self.connection.send((kind, number))
        except OSError:
            return False
        self.task = number
        return True

    def hear(self) -> tuple[int, int] | Ended | None:
        """What it says next: how far it is, or what became of its task; None where it starts well."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            return Ended(DeadWorkerError(self._how_it_ended()), may_pass=True)
        if said == _READY:
            self.is_ready = True
            return None
        heard: tuple[int, int] | Ended = said
        return heard

    def _how_it_ended(self) -> str:
        self._process.join()
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Ends it at once; what it has not published whole is not there."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def that_speak(workers: Sequence[Worker]) -> list[Worker]:
    """Waits until some of the workers are to be heard, and gives those."""
    speaking = connection.wait([worker.connection for worker in workers])
    return [worker for worker in workers if worker.connection in speaking]


def _serve(parent: int, pipe: Connection) -> None:
    """What the process does: tasks of the stage it was told last, until nobody is there to tell it more."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of us; it is the parent's to end its workers
    pipe.send(_READY)
    stage = b""
    while True:
        try:
            told = pipe.recv()
        except EOFError:
            return
        if isinstance(told, bytes):
            stage = told
        else:
            kind, number = told
            pipe.send(_attempt(stage, kind, number, lambda *done: pipe.send(done)))


def _attempt(stage: bytes, kind: str, number: int, tick: Tick) -> Ended:
    run = run_map if kind == "map" else run_reduce
    try:
        run(_read(stage), number, tick)
    except BaseException as error:
        return Ended(_portable(error), may_pass(error), traceback.format_exc())
    return Ended()


@functools.lru_cache(maxsize=1)  # a worker serves one stage at a time
def _read(stage: bytes) -> Stage:
    read: Stage = pickle.loads(stage)
    return read


def _portable(error: BaseException) -> BaseException:
    """The error, or what it says where another process could not read it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever another library's own pickling raises
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
