"""What is scored of a task: its items, what examples are drawn from, and what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.mapped_corpus import MappedCorpus
from corpus.tokenizer import Vocabulary
from evaluation import continuation
from evaluation.item import Example, Item
from evaluation.options import Questions
from evaluation.shots import Shots
from evaluation.task_files import MissingSet, TaskData, read_task, required
from evaluation.tasks.task import Task


@dataclass(frozen=True, eq=False)
class TaskSet:
    """What is scored of a task.

    Attributes:
        task: Which.
        items: In their order.
        pool: What examples are drawn from.
        shots: How, for each number of them.
        skipped: What is not scored, by reason.
        named: Where each of those stands, and why: for a person, line by line.
        files: sha256 of what was read, by path below `--data`.
        leave_one_out: Whether the pool is the items' own rows.
    """

    task: Task
    items: Sequence[Item]
    pool: Sequence[Example]
    shots: tuple[Shots, ...]
    skipped: Counter[str]
    named: tuple[str, ...]
    files: dict[str, str]
    leave_one_out: bool


def read_sets(asked: Questions) -> tuple[list[TaskSet], dict[str, str]]:
    """The tasks whose files are there, and of the others what they are and where they are had, by name.

    Raises:
        SourceError: A file cannot be read, or a set is missing that is required.
    """
    sets, missing = [], {}
    for task in asked.tasks:
        found = read_task(task, Path(asked.data))
        found = required(found) if asked.required else found
        if isinstance(found, MissingSet):
            missing[task.name] = str(found)
        else:
            sets.append(_of_files(task, found, asked))
    return sets, missing


def _of_files(task: Task, found: TaskData, asked: Questions) -> TaskSet:
    return TaskSet(
        task=task,
        items=_first(found.items, asked.limit),
        pool=found.pool,
        shots=asked.shots,
        skipped=Counter({"malformed": len(found.skipped)}),
        named=tuple(f"{each.where}: {each.why}" for each in found.skipped),
        files=dict(found.digests),
        leave_one_out=found.leave_one_out,
    )


def _first(items: Sequence[Item], limit: int) -> Sequence[Item]:
    """The first items, so many at least that no question is cut."""
    end = limit or len(items)
    while 0 < end < len(items) and items[end].question and items[end].question == items[end - 1].question:
        end += 1
    return items[:end]


def of_corpus(corpus: MappedCorpus, vocabulary: Vocabulary, window: int, asked: Questions) -> TaskSet:
    """The task that a corpus is made into; nothing is shown before its items."""
    items, left_out = continuation.items(corpus, vocabulary, window, asked.limit or continuation.PER_SOURCE)
    return TaskSet(
        task=continuation.TASK,
        items=items,
        pool=(),
        shots=(Shots(0, 0),),
        skipped=Counter({"document not cut": left_out}),
        named=(),
        files={},
        leave_one_out=False,
    )
