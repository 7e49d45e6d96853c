"""A stage: a pure `map(task)`, perhaps an exchange by partition and a pure `reduce(partition)`; then a seal.

The one contract between the pipeline and its engines. A task publishes its parts and then its marker; an attempt
that died leaves no marker and counts for nothing; a second attempt publishes the same bytes. A stage whose tasks
all have markers is sealed: one file that lists every part with its digests. Its key is a digest of all that
decides the result, so a sealed stage is found again and not run again.

    <store>/stages/<name>/<key>/stage.json          the seal
                               /parts/<task>-*.arrow
                               /done/<task>.json    markers, gone once sealed
                               /spill/<task>        what an exchange has in flight, gone once sealed
                               /job/<digest>        the stage itself, for workers elsewhere, gone once sealed
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
import rfc8785
from numpy.typing import NDArray

from corpus import storage
from corpus.errors import StoreError
from corpus.part import PartFacts, PartWriter
from corpus.table import Column, Columns, row_count

MapFunction = Callable[[Any, int, "Output"], None]
ReduceFunction = Callable[[Any, int, Iterator[Columns], "Output"], None]


class Sink(Protocol):
    """Where an engine takes what a map emits for the exchange."""

    def emit(self, partition: NDArray[np.int64], columns: Columns) -> None:
        """Takes rows, each for its partition."""


class Output:
    """What a task may do: write parts, emit rows for the exchange, count, and say how far it is."""

    def __init__(self, stage: Stage, task: str, sink: Sink | None, tick: Callable[[int, int], None]) -> None:
        self._folder = storage.join(stage.folder, "parts")
        self._task, self._sink, self._tick = task, sink, tick
        self._start = time.process_time()
        self.parts: list[PartFacts] = []
        self.counts: Counter[str] = Counter()
        self.progress = (0, 0)

    @property
    def cpu_seconds(self) -> float:
        """What this process has spent since the task began; the task's own where it has a process to itself."""
        return time.process_time() - self._start

    def part(self, suffix: str) -> PartWriter:
        """A new part of this task; `add` it once it is closed."""
        return PartWriter(self._folder, f"{self._task}-{suffix}")

    def write(self, suffix: str, columns: Mapping[str, Column]) -> None:
        """Writes a small table whole."""
        with self.part(suffix) as part:
            part.write(columns)
            self.parts.append(part.close())

    def write_all(self, suffix: str, tables: Iterable[Mapping[str, Column]]) -> None:
        """Writes a table that comes piece by piece; no piece at all writes none."""
        with self.part(suffix) as part:
            pieces = 0
            for columns in tables:
                if row_count(columns) or not pieces:
                    part.write(columns)
                pieces += 1
            if pieces:
                self.parts.append(part.close())

    def named_part(self, name: str) -> PartWriter:
        """A new part that bears a name of its own: a shard's placement lies beside its shard."""
        return PartWriter(self._folder, name)

    def url(self, name: str) -> str:
        """Where a file of a raw format goes; its writer publishes it, the task adds its facts to `parts`."""
        return storage.join(self._folder, name)

    def emit(self, partition: NDArray[np.int64], columns: Columns) -> None:
        """Sends every row to its partition."""
        if self._sink is None:
            raise TypeError("a stage without an exchange cannot emit")
        self._sink.emit(partition, columns)

    def tick(self, text_bytes: int, documents: int) -> None:
        """Progress for a person's eyes; decides nothing."""
        self.progress = (self.progress[0] + text_bytes, self.progress[1] + documents)
        self._tick(text_bytes, documents)


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline, ready for any engine.

    Attributes:
        name: A noun; names the folder.
        store: The store's URL.
        rules: All that decides the result beside the inputs: parameters and rule versions, as JSON values.
        inputs: Digests of what it reads.
        job: What the functions are given: frozen, picklable.
        tasks: How many map tasks there are; a function of the inputs, never of the workers.
        map: `map(job, task number, output)`, a module-level function.
        partitions: How many ways the exchange goes; 0 for a stage without one.
        reduce: `reduce(job, partition, blocks in any order, output)`, run also for a partition without blocks.
        reads: The input files of a task, by the task's name, for errors to name; no part of the key.
    """

    name: str
    store: str
    rules: Mapping[str, Any]
    inputs: Sequence[str]
    job: Any
    tasks: int
    map: MapFunction
    partitions: int = 0
    reduce: ReduceFunction | None = None
    reads: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of all that decides the result, 32 hex digits."""
        identity: dict[str, Any] = {
            "name": self.name,
            "rules": dict(self.rules),
            "inputs": list(self.inputs),
            "tasks": self.tasks,
            "partitions": self.partitions,
        }
        return hashlib.sha256(rfc8785.dumps(identity)).hexdigest()[:32]

    @property
    def folder(self) -> str:
        """Where it lies in the store."""
        return storage.join(self.store, "stages", self.name, self.key)


class Marker(msgspec.Struct, frozen=True):
    """A task is done: its parts and its counts.

    What it cost says nothing of the result, and is all that may differ between two markers of one task. Its
    progress, (text bytes, documents), is for engines whose workers have no other way to tell it.
    """

    parts: tuple[PartFacts, ...]
    counts: dict[str, int]
    cpu_seconds: float = 0.0
    progress: tuple[int, int] = (0, 0)


class Sealed(msgspec.Struct, frozen=True):
    """A finished stage: what its file says, and beside it where it lies and what its tasks cost in this build."""

    name: str
    key: str
    rules: dict[str, Any]
    inputs: tuple[str, ...]
    parts: tuple[PartFacts, ...]
    counts: dict[str, int]
    folder: str = ""
    cpu_seconds: float = 0.0

    @property
    def digest(self) -> str:
        """Digest of what the parts say, whatever the containers: what the next stage's key is made of."""
        stream = "".join(f"{part.name} {part.rows} {part.logical}\n" for part in self.parts)
        return hashlib.sha256(stream.encode()).hexdigest()

    @property
    def is_forecast(self) -> bool:
        """Whether a plan foresees it: its parts have names and sizes, and were never written."""
        return not self.key

    def urls(self, ending: str) -> list[str]:
        """The parts whose names end so, in the order of their names."""
        return [storage.join(self.folder, "parts", part.name) for part in self.parts if part.name.endswith(ending)]

    def facts(self, ending: str) -> list[PartFacts]:
        """The facts of the same parts, in the same order."""
        return [part for part in self.parts if part.name.endswith(ending)]


def task_name(kind: str, number: int) -> str:
    """`map-00012` or `reduce-00003`."""
    return f"{kind}-{number:05d}"


def place(stage: Stage, task: str) -> str:
    """A task as an error's `where` names it: its stage, its name and, if it reads any, its input files."""
    files = stage.reads.get(task)
    return f"stage {stage.name}, {task}" + (f", which reads {files}" if files else "")


def marker_url(stage: Stage, task: str) -> str:
    """Where a task's marker lies."""
    return storage.join(stage.folder, "done", f"{task}.json")


def read_marker(stage: Stage, task: str) -> Marker | None:
    """The marker of a task, or None when it is not done."""
    try:
        return msgspec.json.decode(storage.read_bytes(marker_url(stage, task)), type=Marker)
    except FileNotFoundError:
        return None


def done_tasks(stage: Stage) -> set[str]:
    """The names of the tasks that have a marker."""
    folder = storage.join(stage.folder, "done")
    return {name.removesuffix(".json") for name in storage.list_files(folder) if name.endswith(".json")}


def publish_marker(stage: Stage, task: str, output: Output) -> None:
    """Counts a task as done; of two attempts the first marker stands."""
    counts = dict(sorted(output.counts.items()))
    marker = Marker(tuple(output.parts), counts, output.cpu_seconds, output.progress)
    storage.publish(marker_url(stage, task), msgspec.json.encode(marker))


def find_sealed(stage: Stage) -> Sealed | None:
    """The stage's seal when an earlier build left one whose parts are all there, else None."""
    try:
        sealed = load_sealed(stage.folder)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a disk has lost a piece of it
        return None
    if sealed is None:
        return None
    there = storage.list_sizes(storage.join(stage.folder, "parts"))
    return sealed if all(there.get(part.name) == part.bytes for part in sealed.parts) else None


def load_sealed(folder: str) -> Sealed | None:
    """The seal in a stage's folder, or None."""
    try:
        data = storage.read_bytes(storage.join(folder, "stage.json"))
    except FileNotFoundError:
        return None
    return msgspec.structs.replace(msgspec.json.decode(data, type=Sealed), folder=folder)


def seal(stage: Stage) -> Sealed:
    """Seals a stage whose tasks are all done, and clears what was in flight.

    Raises:
        StoreError: A task has no marker, or its parts are not there; the next build runs it again.
    """
    names = [task_name("map", number) for number in range(stage.tasks)]
    names += [task_name("reduce", number) for number in range(stage.partitions)]
    there = storage.list_sizes(storage.join(stage.folder, "parts"))
    parts: list[PartFacts] = []
    counts: Counter[str] = Counter()
    cpu_seconds = 0.0
    for name in names:
        marker = read_marker(stage, name)
        if marker is None:
            raise _undone("a task ended without its marker", stage, name)
        if any(there.get(part.name) != part.bytes for part in marker.parts):
            storage.remove(marker_url(stage, name))
            raise _undone("a part of a task that was done is gone, or was cut", stage, name)
        parts += marker.parts
        counts.update(marker.counts)
        cpu_seconds += marker.cpu_seconds
    sealed = Sealed(
        name=stage.name,
        key=stage.key,
        rules=dict(stage.rules),
        inputs=tuple(stage.inputs),
        parts=tuple(sorted(parts, key=lambda part: part.name)),
        counts=dict(sorted(counts.items())),
    )
    body = {k: v for k, v in msgspec.to_builtins(sealed).items() if k not in ("folder", "cpu_seconds")}
    _drop_strays(stage, sealed)
    storage.remove(storage.join(stage.folder, "stage.json"))
    storage.publish(storage.join(stage.folder, "stage.json"), rfc8785.dumps(body))
    for passing in ("done", "spill", "job"):
        storage.remove(storage.join(stage.folder, passing))
    return msgspec.structs.replace(sealed, folder=stage.folder, cpu_seconds=cpu_seconds)


def _undone(what: str, stage: Stage, task: str) -> StoreError:
    remedy = "start the same command again: done tasks are kept"
    return StoreError(what, where=f"{stage.folder}, {task}", remedy=remedy)


def _drop_strays(stage: Stage, sealed: Sealed) -> None:
    """Removes files in `parts` that no marker counts: what an attempt that died had written aside."""
    folder = storage.join(stage.folder, "parts")
    known = {part.name for part in sealed.parts}
    for name in storage.list_files(folder):
        if name not in known:
            storage.remove(storage.join(folder, name))
