"""What each stage of a build takes of memory and disk, seen from outside while it runs (Linux).

A stage is at work from the moment its folder is in the store until the next one's is. When it changes, the peak of
every process of the build is read from /proc and set back, so that a stage is charged with its own peak alone.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PAUSE_SECONDS = 0.01
_SPILL_SECONDS = 0.1
BEFORE = "before the stages"


@dataclass
class Usage:
    """Of one stage, bytes.

    Attributes:
        parent: Peak memory of the process that was started.
        worker: Peak memory of the largest of its workers; 0 where it does the work itself.
        spilled: The most its spill files took, as seen ten times a second.
    """

    parent: int = 0
    worker: int = 0
    spilled: int = 0


@dataclass
class Watched:
    """One build, from start to end."""

    output: str
    stages: dict[str, Usage] = field(default_factory=dict)

    @property
    def peak_bytes(self) -> int:
        """Of the largest process in any stage."""
        return max(max(usage.parent, usage.worker) for usage in self.stages.values())


def watch(command: Sequence[str], store: Path, env: Mapping[str, str] | None = None) -> Watched:
    """Runs a build and watches it.

    Raises:
        RuntimeError: It failed.
    """
    usage: dict[str, Usage] = defaultdict(Usage)
    stage, looked = BEFORE, 0.0
    seen: set[int] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, text=True) as process:
        while process.poll() is None:
            now = _stage_at_work(store) or stage
            if now != stage:
                _charge(process.pid, usage[stage], seen)
                stage = now
            if time.monotonic() - looked > _SPILL_SECONDS:
                looked = time.monotonic()
                # Read, not set back: a process that ends between two looks has been seen before.
                _charge(process.pid, usage[stage], seen, set_back=False)
                usage[stage].spilled = max(usage[stage].spilled, _bytes_below(store / "stages" / stage))
            time.sleep(_PAUSE_SECONDS)
        out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the build ended with {process.returncode}:\n{err}")
    return Watched(out, dict(usage))


def _stage_at_work(store: Path) -> str:
    """The stage whose folder is the youngest, or ""."""
    try:
        folders = list(os.scandir(store / "stages"))
        return max(folders, key=lambda entry: entry.stat().st_ctime_ns).name if folders else ""
    except FileNotFoundError:
        return ""


def _charge(parent: int, usage: Usage, seen: set[int], set_back: bool = True) -> None:
    """Reads the peaks of a process and of those it started, and sets them back.

    What is met for the first time is not counted: a fork that is about to become another program still has the
    memory of its parent.
    """
    usage.parent = max(usage.parent, _peak(parent, set_back))
    for process in _started_by(parent):
        if process in seen:
            usage.worker = max(usage.worker, _peak(process, set_back))
        seen.add(process)


def _started_by(process: int) -> Iterator[int]:
    """The children of a process, whichever of its threads started them, and theirs."""
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found = [int(child) for child in children.read_text().split()]
        except OSError:  # the thread ended
            continue
        for child in found:
            yield child
            yield from _started_by(child)


def _peak(pid: int, set_back: bool) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        if set_back:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:  # it ended
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else 0


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.glob("*/spill/*"):
        try:
            total += path.stat().st_size
        except OSError:  # the stage was sealed meanwhile
            continue
    return total
