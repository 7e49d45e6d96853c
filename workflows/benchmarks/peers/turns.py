"""Turns: a line on standard input names a step and a file, a line of JSON says what the step cost.

The process stays alive, so that we and the peers can be measured in turn; what a step needs ready is made before
its clock starts. The first line printed has the versions.
"""

from __future__ import annotations

import functools
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from line import read_texts

Step = Callable[[Path], Callable[[], int]]


def serve(steps: Mapping[str, Step], packages: Sequence[str]) -> None:
    """Answers until the input ends.

    Args:
        steps: By name: makes ready for a file, and gives the work, which tells how many things it made.
        packages: The distributions whose versions decide the figures.
    """
    print(
        json.dumps({"python": platform.python_version(), **{name: version(name) for name in packages}}), flush=True
    )
    for line in sys.stdin:
        name, _, path = line.strip().partition(" ")
        work = steps[name](Path(path))
        start = time.process_time()
        made = work()
        print(json.dumps({"cpu_s": time.process_time() - start, "made": made}), flush=True)


@functools.lru_cache(maxsize=1)
def texts_of(path: Path) -> list[str]:
    """The texts of a file, held until another is asked for."""
    return list(read_texts([path]))
