"""What a command costs as a whole process: CPU seconds of its process tree, wall seconds, peak memory.

CPU seconds, not wall, are what we compare by: they do not move with what else a machine is doing. Start-up and
rate are told apart by running the same command over 1, 2, 4 ... files and fitting a line.

Kept small on purpose, importing nothing but the standard library: on Linux a child's peak memory starts from
its parent's, so a large measuring process would be reported in the place of a small measured one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# ru_maxrss is in bytes on macOS and in KiB elsewhere: getrusage(2).
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Figures:
    """The cost of one command.

    Attributes:
        cpu_seconds: User and system time of the process and of all descendants that were waited for.
        wall_seconds: From start to exit.
        peak_bytes: Resident memory of the largest single process among them, at its peak.
        output: What it printed on standard output.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    output: bytes


@dataclass(frozen=True)
class Line:
    """CPU seconds over megabytes of text: `start_seconds + megabytes / megabytes_per_second`."""

    start_seconds: float
    megabytes_per_second: float


def measure(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Figures:
    """Runs a command to its end and returns what it cost; its standard error passes through.

    Args:
        argv: The command; its first word is looked up on the path.
        env: Its environment; None for this process's own.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    start = time.perf_counter()
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("Popen gave no pipe")
        output = process.stdout.read()
        # wait4 counts the tree below this one process; getrusage(RUSAGE_CHILDREN) would add up all we ever ran.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)
    wall = time.perf_counter() - start
    return Figures(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * RSS_UNIT, output)


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """The least-squares line through (megabytes of text, CPU seconds), at least two sizes of them."""
    megabytes, seconds = zip(*points, strict=True)
    slope, intercept = statistics.linear_regression(megabytes, seconds)
    return Line(intercept, 1 / slope)
