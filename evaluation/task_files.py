"""Finding a task's files below --data, and reading all of them: what is no item is named, never lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from corpus.errors import SourceError
from evaluation.item import Example, Item, MalformedRowError
from evaluation.records import Record, Row
from evaluation.tasks.task import Task

LABELS: Final = "-labels.lst"
Made = TypeVar("Made", Item, Example)


@dataclass(frozen=True)
class Skipped:
    """A row that became nothing.

    Attributes:
        where: File and place: "val.jsonl, line 12".
        why: In the words of the file.
    """

    where: str
    why: str


@dataclass(frozen=True)
class TaskData:
    """What a task's files held.

    Attributes:
        items: To be scored, in the file's order.
        pool: Examples to draw from.
        skipped: What became neither, of both files.
        file: That of the items, below --data.
        digests: Of every file that was read: its path below --data, and its sha256.
        leave_one_out: Whether the pool is the items' own rows, since there is no other: the example that bears an
            item's key, or its family, must not be shown to it.
    """

    items: tuple[Item, ...]
    pool: tuple[Example, ...]
    skipped: tuple[Skipped, ...]
    file: str
    digests: tuple[tuple[str, str], ...]
    leave_one_out: bool


@dataclass(frozen=True)
class MissingSet:
    """A task whose rows are not below --data.

    Attributes:
        task: It.
        data: Where they were looked for.
    """

    task: Task
    data: Path

    def __str__(self) -> str:
        """One line: what it is, its licence, where it is had."""
        wanted = f"{self.task.folder}/{self.task.files[0]}"
        return f"{self.task.title}: no {wanted}; licence {self.task.licence}; from {self.task.origin}"


def read_task(task: Task, data: Path) -> TaskData | MissingSet:
    """Reads all rows of a task, and all examples.

    Raises:
        SourceError: A file is unreadable; not a row of it could be used: it is of another version, mostly; or it
            has more rows than labels, or fewer.
    """
    path = _first(task, task.files, data)
    if path is None:
        return MissingSet(task, data)
    try:
        return _read(task, path, _first(task, task.pool, data), data)
    except OSError as error:
        raise SourceError(
            f"a file of {task.title} cannot be read: {error.strerror}",
            where=str(error.filename or path),
            remedy="Look to its permissions and its disk.",
        ) from error


def _read(task: Task, path: Path, pool: Path | None, data: Path) -> TaskData:
    apart = pool is not None and pool != path
    examples_of = pool if pool is not None and apart else path
    items, skipped = _made(task, path, data, task.item)
    examples, unshown = _made(task, examples_of, data, task.examples)
    read = [path, examples_of] if apart else [path]
    beside = [labels for one in read if (labels := _labels(task, one)) is not None]
    return TaskData(
        items=tuple(items),
        pool=tuple(examples),
        skipped=tuple(skipped + unshown if apart else skipped),
        file=_below(data, path),
        digests=tuple((_below(data, one), hashlib.sha256(one.read_bytes()).hexdigest()) for one in read + beside),
        leave_one_out=not apart,
    )


def required(found: TaskData | MissingSet) -> TaskData:
    """The same, where a missing set is an error.

    Raises:
        SourceError: It is missing.
    """
    if isinstance(found, TaskData):
        return found
    raise SourceError(
        f"the rows of {found.task.title} are not there (licence: {found.task.licence})",
        where=f"{found.data / found.task.folder}: {', '.join(found.task.files)}",
        remedy=f"Fetch them from {found.task.origin}, or leave out --require.",
    )


def _first(task: Task, names: tuple[str, ...], data: Path) -> Path | None:
    found = (
        path
        for folder in (task.folder, *task.folders)
        for name in names
        for path in sorted((data / folder).glob(name))
        if path.is_file()
    )
    return next(found, None)


def _below(data: Path, path: Path) -> str:
    return path.relative_to(data).as_posix()


def _labels(task: Task, path: Path) -> Path | None:
    """The file of labels beside a file of rows, where the task has such files and one is there."""
    beside = path.with_name(path.stem + LABELS)
    return beside if task.label and beside.is_file() else None


def _made(
    task: Task, path: Path, data: Path, make: Callable[[str, Row], list[Made]]
) -> tuple[list[Made], list[Skipped]]:
    made: list[Made] = []
    skipped: list[Skipped] = []
    seen: dict[str, Record] = {}
    for record in _labelled(task, path):
        try:
            if record.fault:
                raise MalformedRowError(record.fault)
            if (first := seen.setdefault(record.key, record)) is not record:
                same = "the same as" if first.row == record.row else "another row, of the same name as"
                raise MalformedRowError(f"{same} {first.place}")
            made += make(record.key, record.row)
        except MalformedRowError as error:
            skipped.append(Skipped(f"{_below(data, path)}, {record.place}", str(error)))
    if not made:
        raise SourceError(
            f"no row of this file can be read as {task.title}: " + (skipped[0].why if skipped else "it has none"),
            where=skipped[0].where if skipped else _below(data, path),
            remedy=f"Take the publisher's file ({task.origin}), unchanged.",
        )
    return made, skipped


def _labelled(task: Task, path: Path) -> Iterator[Record]:
    """The records of a file, each with its label from the file beside it, where it has none of its own."""
    beside = _labels(task, path)
    if beside is None:
        yield from task.rows(path)
        return
    records = list(task.rows(path))
    labels = beside.read_text(encoding="utf-8", errors="replace").split()
    if len(labels) != len(records):
        raise SourceError(
            f"{len(records)} rows have {len(labels)} labels",
            where=str(beside),
            remedy=f"Take both files from one release ({task.origin}).",
        )
    for record, label in zip(records, labels, strict=True):
        yield record if record.fault else replace(record, row={task.label: label, **record.row})
