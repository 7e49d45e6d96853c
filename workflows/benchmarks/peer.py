"""A peer in a process of its own, which takes turns with us: one step over one file at a time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


class Peer:
    """One of the scripts of `peers/` that serve turns.

    Args:
        python: The interpreter that has its libraries.
        script: Its name.
        more: What it is told at its start.
    """

    def __init__(self, python: str, script: str, *more: str) -> None:
        command = [python, str(Path(__file__).parent / "peers" / script), *more]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.versions: dict[str, str] = self._line()

    def turn(self, step: str, path: Path) -> tuple[float, int]:
        """CPU seconds of one step over one file, and how many things it made."""
        print(step, path, file=self._process.stdin, flush=True)
        line = self._line()
        return float(line["cpu_s"]), int(line["made"])

    def end(self) -> None:
        """Lets it go."""
        self._process.communicate()

    def _line(self) -> Any:
        if self._process.stdout is None:
            raise RuntimeError("Popen gave no pipe")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a peer ended, exit status {self._process.wait()}: {self._process.args!r}")
        return json.loads(line)
