"""The local engine: processes on one machine, exchanges through spill files in the store.

Workers are spawned when there is something to do and serve every stage. All that can kill a worker is a task's to
bear alone: with one worker too the build's own process runs none, so that it lives to say which file it was.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from corpus.errors import EngineError
from pipelines.engines.worker import DeadWorkerError, Ended, Worker, that_speak
from pipelines.retry import ATTEMPTS
from pipelines.stage import Stage, place, task_name
from pipelines.task import undone


class LocalEngine:
    """Runs stages on processes of this machine.

    Args:
        workers: Processes; never part of the result.
        on_tick: Called with (text bytes, documents) as tasks advance.
    """

    def __init__(self, workers: int, on_tick: Callable[[int, int], None]) -> None:
        self._most, self._on_tick = workers, on_tick
        self._workers: list[Worker] = []
        self._stillborn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    def run(self, stage: Stage) -> None:
        """Brings every task of a stage to its marker; those that have one are not run again.

        Raises:
            EngineError: A task ended its worker again and again, or no worker comes to life.
            TokentrailError: A task failed.
        """
        try:
            for kind in ("map", "reduce"):
                attempts: Counter[int] = Counter()
                numbers, at_once = undone(stage, kind), self._most
                while numbers:
                    # Memory that was lacking was taken by all that ran: whoever died of it runs again alone.
                    numbers, at_once = self._run_all(stage, kind, numbers, at_once, attempts), 1
        except BaseException:
            self._dismiss()
            raise

    def _run_all(
        self, stage: Stage, kind: str, numbers: Sequence[int], at_once: int, attempts: Counter[int]
    ) -> list[int]:
        """Runs tasks to their ends, so many at once; gives those whose worker died, or lacked memory."""
        waiting, accused = deque(numbers), list[int]()
        pickled = pickle.dumps(stage, pickle.HIGHEST_PROTOCOL)  # a job of many files is megabytes: once for all
        while waiting or any(worker.task is not None for worker in self._workers):
            self._hand_out(pickled, kind, waiting, at_once)
            for worker in that_speak(self._workers):
                number, said = worker.task, worker.hear()
                if said is None:
                    self._stillborn = 0
                elif not isinstance(said, Ended):
                    self._on_tick(*said)
                else:
                    self._let_go(worker, said)
                    if number is None or said.error is None:
                        continue
                    attempts[number] += 1
                    if attempts[number] == ATTEMPTS or not said.may_pass:
                        raise _explained(said.error, said.trace, place(stage, task_name(kind, number)))
                    alone = isinstance(said.error, DeadWorkerError | MemoryError)
                    (accused if alone else waiting).append(number)
        return accused

    def _hand_out(self, stage: bytes, kind: str, waiting: deque[int], at_once: int) -> None:
        """Gives tasks to workers that are idle, and starts workers for those that are left."""
        busy = sum(worker.task is not None for worker in self._workers)
        for worker in self._workers:
            is_free = worker.is_ready and worker.task is None
            if waiting and busy < at_once and is_free and worker.give(stage, kind, waiting[0]):
                waiting.popleft()
                busy += 1
        while len(self._workers) < min(at_once, busy + len(waiting)):
            self._workers.append(Worker())

    def _let_go(self, worker: Worker, said: Ended) -> None:
        """Takes a worker from its task, or from the list if it died.

        Raises:
            EngineError: One after another died as it started.
        """
        worker.task = None
        if not isinstance(said.error, DeadWorkerError):
            return
        self._workers.remove(worker)
        worker.end()
        self._stillborn += not worker.is_ready
        if self._stillborn == ATTEMPTS:
            raise EngineError(
                f"{ATTEMPTS} worker processes ended as they started, the last by {said.error}",
                where="this machine",
                remedy="see what they say above; free some memory, or give fewer --workers",
            )

    def _dismiss(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []


def _explained(error: BaseException, trace: str, where: str) -> BaseException:
    """A failure in the words of a person who knows files and not processes."""
    if not isinstance(error, DeadWorkerError):
        error.add_note(trace)
        return error
    return EngineError(
        f"a task ends every worker that runs it, {ATTEMPTS} so far, the last by {error}",
        where=where,
        remedy="give it more memory, or take the file away; what is done is kept",
    )
