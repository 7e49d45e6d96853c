"""What every peer reads and prints: texts out of jsonl.zst files, and one JSON line of what they cost.

The cost is that of the process since it started, interpreter and imports included, and of the children it has
waited for: what `measure.measure` sees from outside.
"""

from __future__ import annotations

import io
import json
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import orjson
import zstandard


def read_texts(files: Sequence[Path]) -> Iterator[str]:
    """The `text` of every line."""
    for path in files:
        with (
            path.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream,
        ):
            yield from (orjson.loads(line)["text"] for line in io.BufferedReader(stream, 1 << 20))


def cpu_seconds() -> float:
    """User and system seconds of this process and of the children it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def print_line(peer: str, files: Sequence[Path], spent: float, packages: Sequence[str], **found: object) -> None:
    """Prints the line.

    Args:
        peer: What was run, with the settings that matter.
        files: What it was run on.
        spent: CPU seconds of the work; the texts are counted here, after it.
        packages: The distributions whose versions decide the figure.
        found: What it found, by name, so that a run that did nothing is seen.
    """
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    lengths = [len(text.encode(errors="surrogatepass")) for text in read_texts(files)]
    line = {
        "peer": peer,
        "files": len(files),
        "documents": len(lengths),
        "text_mb": round(sum(lengths) / 1e6, 3),
        "cpu_s": round(spent, 2),
        "mb_per_cpu_s": round(sum(lengths) / 1e6 / spent, 3),
        "peak_rss_mb": round(peak * 1024 / 1e6),
        **found,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "date": time.strftime("%Y-%m-%d"),
    }
    print(json.dumps(line), flush=True)
