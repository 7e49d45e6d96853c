"""Samples on disk while they are made: lines are appended chunk by chunk, so that a run that was killed goes on.

OUT/samples/copa-0.part0.jsonl   what process 0 has scored so far: removed when all is done
OUT/samples/copa-0.jsonl         every sample of the task without an example, in the items' order
OUT/samples/perplexity.jsonl     every window of held-out text
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from corpus.errors import IntegrityError, StoreError

FOLDER: Final = "samples"


class Keyed(Protocol):
    """A msgspec struct that has a name of its own among its kind."""

    @property
    def key(self) -> str:
        """The name."""


T = TypeVar("T", bound=Keyed)


class SampleLog(Generic[T]):
    """The samples of one task and number of examples, or other structs that have a key.

    Args:
        out: Of the results.
        name: Of the task and the number, for instance copa-0.
        kind: Of the lines.
        rank: Of this process.
    """

    def __init__(self, out: str, name: str, kind: type[T], rank: int = 0) -> None:
        self.path = Path(out, FOLDER, f"{name}.jsonl")
        self._kind = kind
        self._own = self.path.with_name(f"{name}.part{rank}.jsonl")
        self._begun = False

    def read(self) -> dict[str, T]:
        """Key -> sample, of all processes; a line that a kill tore is no sample.

        Raises:
            IntegrityError: A line is neither.
        """
        found: dict[str, T] = {}
        for path in (self.path, *self._parts()):
            whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
            for number, line in enumerate(whole.splitlines(), 1):
                try:
                    sample: Any = msgspec.json.decode(line, type=self._kind)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise IntegrityError(
                        f"this is no sample: {error}",
                        where=f"{path}, line {number}",
                        remedy="remove the file: what it holds is scored again",
                    ) from error
                found[sample.key] = sample
        return found

    def append(self, samples: Iterable[T]) -> None:
        """Adds the samples of a chunk to this process's.

        Raises:
            StoreError: They cannot be written.
        """
        body = b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples)
        try:
            self._own.parent.mkdir(parents=True, exist_ok=True)
            if not self._begun and self._own.exists():
                _drop_torn_line(self._own)
            self._begun = True
            with self._own.open("ab") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritten(error, self._own) from error

    def finish(self, samples: Sequence[T]) -> None:
        """Writes all samples, in this order, and removes the parts; by one process, when all are done.

        Raises:
            StoreError: They cannot be written.
        """
        aside = self.path.with_suffix(".partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))
            aside.replace(self.path)
            for part in self._parts():
                part.unlink()
        except OSError as error:
            raise _unwritten(error, self.path) from error

    def _parts(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.stem}.part*.jsonl"))


def _drop_torn_line(path: Path) -> None:
    """A line without its end is what a kill, or a full disk, left."""
    os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


def _unwritten(error: OSError, path: Path) -> StoreError:
    return StoreError(
        f"cannot write samples: {error.strerror}",
        where=str(path),
        remedy="free some space, then give the same command again: it goes on",
    )
