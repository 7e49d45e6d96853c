"""What a person sees while a model trains: loss, rate, speed, where in the data, and the time left."""

from __future__ import annotations

import time
from typing import TextIO

from training.metrics import StepRecord

_PLAIN_SECONDS = 10.0  # a log wants a line now and then, not a stream
_SMOOTHING = 0.1  # weight of the latest update's seconds in the estimate of the time left


def live_line(record: StepRecord, steps: int, epochs: float, seconds: float) -> str:
    """One line.

    Args:
        record: Of the latest update.
        steps: Of the run.
        epochs: Windows drawn so far over those of the union.
        seconds: Of an update, smoothed.
    """
    parts = [
        f"step {record.step:,}/{steps:,}",
        f"loss {record.loss:.4f}",
        f"lr {record.learning_rate:.2e}",
        f"norm {record.gradient_norm:.2f}",
        f"{record.tokens_per_second:,.0f} tokens/s",
    ]
    if record.mfu is not None:
        parts.append(f"MFU {100 * record.mfu:.1f}%")
    left = round((steps - record.step) * seconds)
    hours, minutes = divmod(left // 60, 60)
    clock = f"{hours}:{minutes:02d}:{left % 60:02d}" if hours else f"{minutes}:{left % 60:02d}"
    return "  ".join([*parts, f"data {record.data_step:,} ({epochs:.2f} epochs)", f"{clock} left"])


class LiveLine:
    """The line of one run: on a terminal it is rewritten, elsewhere a new one comes now and then.

    Args:
        steps: Of the run.
        windows: Of the union.
        batch: Windows of an update.
        stream: Where it goes.
    """

    def __init__(self, steps: int, windows: int, batch: int, stream: TextIO) -> None:
        self._steps, self._windows, self._batch, self._stream = steps, windows, batch, stream
        self._seconds: float | None = None
        self._spoke = time.monotonic()

    def show(self, record: StepRecord) -> None:
        """An update is done."""
        last = record.seconds if self._seconds is None else self._seconds
        self._seconds = last + _SMOOTHING * (record.seconds - last)
        epochs = (record.data_step + 1) * self._batch / self._windows
        line = live_line(record, self._steps, epochs, self._seconds)
        now = time.monotonic()
        if self._stream.isatty():
            self._stream.write(f"\r{line}\x1b[K")
        elif now - self._spoke > _PLAIN_SECONDS or record.step == self._steps:
            self._stream.write(f"{line}\n")
            self._spoke = now
        self._stream.flush()

    def close(self) -> None:
        """What comes next begins on a line of its own."""
        if self._stream.isatty():
            self._stream.write("\n")
