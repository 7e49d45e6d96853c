"""What a person sees while a build runs: stage, text, rows, rate and time left.

On a terminal one live line per stage; elsewhere plain lines: one now and then, and one when a stage ends; where
logs are collected, the same lines as JSON. The one seam to rich.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipelines.log_lines import LOGGER

_PLAIN_SECONDS = 10.0  # a log wants a line now and then, not a stream


def megabytes(size: float) -> str:
    """A size as people read it: `12.3 MB`."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} B"


def progress_line(stage: str, seconds: float, done: tuple[int, int], total_bytes: int) -> str:
    """One line of progress.

    Args:
        stage: Its name.
        seconds: Since it started.
        done: Text bytes and rows so far; stages that move ids alone count no text.
        total_bytes: What is to come in all, 0 where nobody knows.
    """
    size, rows = done
    rate = size / seconds if seconds > 0 else 0.0
    parts = [f"{stage:<12}", f"{megabytes(size) if size else '':>9}", f"{rows:>11,} rows"]
    if rate:
        parts.append(f"{megabytes(rate):>9}/s")
    if total_bytes and rate:
        left = max(0.0, (total_bytes - size) / rate)
        parts.append(f"{left // 60:.0f}:{left % 60:02.0f} left")
    return "  ".join(parts)


class Progress:
    """The lines of one build.

    Args:
        stream: Where they go; live when it is a terminal.
        logged: Whether they go to the log instead.
    """

    def __init__(self, stream: TextIO = sys.stderr, logged: bool = False) -> None:
        self._logged = logged
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._stage, self._total = "", 0
        self._bytes = self._documents = 0
        self._start = self._spoke = 0.0

    def start(self, stage: str, total_bytes: int = 0) -> None:
        """A stage begins; with its text bytes, where they are known, the time left can be said."""
        self._stage, self._total = stage, total_bytes
        self._bytes = self._documents = 0
        self._start = self._spoke = time.monotonic()
        if self._console.is_terminal and not self._logged:
            self._live = Live(
                console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True
            )
            self._live.start()

    def tick(self, size: int, documents: int) -> None:
        """So much more text, so many more documents."""
        with self._lock:
            self._bytes += size
            self._documents += documents
            now = time.monotonic()
            if self._live is None and now - self._spoke > _PLAIN_SECONDS:
                self._spoke = now
                self._say(self._line(), "progress")

    def finish(self) -> None:
        """The stage is sealed."""
        self._stop()
        self._say(f"{self._line()}  in {time.monotonic() - self._start:.1f} s", "sealed")

    def reuse(self, stage: str) -> None:
        """The stage was found sealed."""
        self._stage = stage
        self._say(f"{stage:<12}  sealed before: not run again", "reused")

    def resume(self, done: int, tasks: int) -> None:
        """Of the stage's tasks an earlier build did some."""
        self._say(
            f"{self._stage:<12}  {done:,} of {tasks:,} tasks done before: goes on with the others", "resumed"
        )

    def abandon(self) -> None:
        """The stage ended in an error."""
        self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, line: str, event: str) -> None:
        if self._logged:
            facts: dict[str, object] = {"event": event, "stage": self._stage}
            if event != "reused":
                seconds = round(time.monotonic() - self._start, 1)
                facts |= {"bytes": self._bytes, "rows": self._documents, "seconds": seconds}
            LOGGER.info(" ".join(line.split()), extra={"facts": facts})
        else:
            self._console.print(Text(line))

    def _line(self) -> str:
        elapsed = time.monotonic() - self._start
        return progress_line(self._stage, elapsed, (self._bytes, self._documents), self._total)

    def _render(self) -> Text:
        return Text(self._line())
