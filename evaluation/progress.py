"""What a person sees while tasks are scored: a line now and then, on stderr."""

from __future__ import annotations

import sys
import time

EVERY_SECONDS = 10.0


class Progress:
    """Says how far a task is: when it begins to take long, then every ten seconds.

    Args:
        speaks: Whether this process is the one that does.
    """

    def __init__(self, speaks: bool) -> None:
        self._speaks = speaks
        self._name, self._began, self._said, self._first = "", 0.0, 0.0, 0

    def __call__(self, name: str, done: int, total: int) -> None:
        """To be told after each chunk; what was found done already counts as done."""
        now = time.monotonic()
        if name != self._name:
            self._name, self._began, self._said, self._first = name, now, now, done
        if not self._speaks or now - self._said < EVERY_SECONDS:
            return
        self._said = now
        rate = (done - self._first) / (now - self._began)
        left = f", {_duration((total - done) / rate)} left" if rate > 0 else ""
        print(f"{name}  {done:,} of {total:,}{left}", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
