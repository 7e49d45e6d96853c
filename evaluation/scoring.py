"""A task from its items to its samples: shared out over processes by chunks, and gone on with after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from corpus.errors import RunError
from evaluation.chunks import chunks, score_chunk
from evaluation.item import Example, Item
from evaluation.prompts import Prompt, Prompter
from evaluation.sample import Sample
from evaluation.sample_log import Keyed, SampleLog
from evaluation.scorer import Scorer
from evaluation.shots import Shots
from evaluation.tasks.task import Task
from training.world import World

P = TypeVar("P")
T = TypeVar("T", bound=Keyed)


@dataclass(frozen=True, eq=False)
class Evaluator:
    """What scores, and where what it finds is kept.

    Attributes:
        scorer: The model.
        prompter: Makes prompts for it.
        out: The folder of results.
        world: The processes that share the work.
        progress: Is told after each chunk: (name, done, of how many).
        chunk_tokens: Tokens that are computed in one pass.
    """

    scorer: Scorer
    prompter: Prompter
    out: str
    world: World
    progress: Callable[[str, int, int], None]
    chunk_tokens: int

    def task(
        self, task: Task, items: Sequence[Item], pool: Sequence[Example], shots: Shots
    ) -> tuple[list[Sample], list[str]]:
        """The samples of a task in the items' order, and the keys of items that do not fit into the window.

        All processes must call it; each scores every so many-th chunk, and the first one gets the samples.

        Raises:
            RunError: The folder has a sample of an item that was asked otherwise.
        """
        log = SampleLog(self.out, f"{task.name}-{shots.count}", Sample, self.world.rank)
        known, too_long = log.read(), list[str]()

        def prompts() -> Iterator[Prompt]:
            for item in items:
                prompt = self.prompter.prompt(task, item, shots.draw(task.name, item, pool))
                if prompt is None:
                    too_long.append(item.key)
                    continue
                if item.key in known and known[item.key].prompt != prompt.digest():
                    raise RunError(
                        f"this folder holds samples of other prompts: item {item.key} was asked otherwise",
                        where=str(log.path),
                        remedy="name another folder with --out",
                    )
                yield prompt

        def score(chunk: Sequence[Prompt]) -> list[Sample]:
            return score_chunk(self.scorer, task.name, shots.count, chunk)

        work = chunks(prompts(), self.chunk_tokens)
        found = self.share(log, work, lambda prompt: prompt.item.key, score, len(items))
        return [found[item.key] for item in items if item.key in found], too_long

    def share(
        self,
        log: SampleLog[T],
        work: Iterable[Sequence[P]],
        key: Callable[[P], str],
        score: Callable[[Sequence[P]], list[T]],
        total: int,
    ) -> dict[str, T]:
        """Scores what is not in the log yet, chunk by chunk; gives all of it, by key, to the first process.

        Args:
            log: Of this process.
            work: The chunks, the same in each process and after each start.
            key: Names what is scored.
            score: Scores a chunk.
            total: About how much there is, for who waits.
        """
        done = log.read()
        order: list[str] = []
        for number, chunk in enumerate(work):
            keys = [key(each) for each in chunk]
            order += keys
            if number % self.world.size == self.world.rank and not all(each in done for each in keys):
                log.append(score(chunk))
            self.progress(log.path.stem, len(order), total)
        self.world.gather(None)  # all have written what they have
        return _finish(log, order) if self.world.rank == 0 else {}


def _finish(log: SampleLog[T], order: Sequence[str]) -> dict[str, T]:
    found = log.read()
    log.finish([found[key] for key in order])
    return {key: found[key] for key in order}
