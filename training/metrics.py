"""`metrics.jsonl`: an object for each update, appended when it is done.

A run that is started again appends under a new attempt, from the update after its checkpoint on. What earlier
attempts say of that update and later ones is void: the model that they tell of is no ancestor of this one.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from corpus.errors import IntegrityError, StoreError

FILE: Final = "metrics.jsonl"

_LONGEST_LINE: Final = 1 << 20  # a thousand sources' losses are a twentieth of it


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one update.

    Attributes:
        step: Updates done, this one included.
        data_step: The batch it trained on (corpus/window_order.py).
        attempt: Which start of the run did it.
        loss: Mean cross-entropy of its tokens before it, nats.
        learning_rate: Of this update.
        gradient_norm: Global L2 norm, before clipping.
        parameter_norm: Global L2 norm, after it.
        tokens: Trained on so far, in all.
        seconds: Of wall clock, from the end of the last update to that of this one.
        tokens_per_second: Of the whole run, all devices.
        model_flops: Of this update; see training/flops.py for the three.
        hardware_flops: Of this update.
        flops_6nd: Of this update.
        mfu: model_flops over seconds and peak of all devices; None where the peak is not known.
        hfu: hardware_flops over the same.
        memory_bytes: The most that was allocated on this device, or the most this process held.
        windows: sha256 of the batch's window ids, in order.
        validation: Source -> mean cross-entropy on what was held out, nats; empty where none was due.
    """

    step: int
    data_step: int
    attempt: int
    loss: float
    learning_rate: float
    gradient_norm: float
    parameter_norm: float
    tokens: int
    seconds: float
    tokens_per_second: float
    model_flops: int
    hardware_flops: int
    flops_6nd: int
    mfu: float | None
    hfu: float | None
    memory_bytes: int
    windows: str
    validation: dict[str, float] = {}


class MetricsFile:
    """The file of a run, open for appending; a line that a kill cut short is removed: it was never a record."""

    def __init__(self, run_dir: str) -> None:
        self._path = Path(run_dir) / FILE
        try:
            self._file = open(self._path, "ab+", buffering=0)  # noqa: SIM115 (closed by `__exit__`)
            start = max(0, self._file.seek(0, os.SEEK_END) - _LONGEST_LINE)
            self._file.seek(start)
            self._file.truncate(start + self._file.read(_LONGEST_LINE).rfind(b"\n") + 1)
        except OSError as error:
            raise self._unwritable(error) from error

    def append(self, record: StepRecord) -> None:
        """Writes a line, at once.

        Raises:
            StoreError: The disk is full or the file cannot be written.
        """
        left = memoryview(msgspec.json.encode(record) + b"\n")
        try:
            while left:  # a disk that fills takes a part first
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"cannot write the metrics: {os.strerror(error.errno or 0)}",
            where=str(self._path),
            remedy="free some space, or name a folder you may write to with --run-dir; then start again",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_metrics(run_dir: str) -> list[StepRecord]:
    """What the last attempt says of each update, in order; a line cut short at the end is not there yet.

    Raises:
        IntegrityError: Another line is no record.
    """
    path = Path(run_dir) / FILE
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    records: list[StepRecord] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = msgspec.json.decode(line, type=StepRecord)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(
                f"this is no record of an update: {error}",
                where=f"{path}, line {number}",
                remedy="remove the line",
            ) from error
        while records and records[-1].step >= record.step:
            records.pop()
        records.append(record)
    return records
