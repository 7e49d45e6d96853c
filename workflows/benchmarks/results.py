"""RESULTS.md: a section a script, each rewritten by the script whose name it bears and by nothing else."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
_HEAD = "# Results\n\nEach section is written by the command it names; run it again to write it anew.\n"


def write_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Puts a section in the place of the one of that name, or behind the others."""
    opening, closing = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    section = f"{opening}{text.strip()}\n{closing}"
    whole = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    before, found, rest = whole.partition(opening)
    after = rest.partition(closing)[2]
    whole = before + section + after if found else f"{whole.rstrip()}\n\n{section}"
    path.write_text(whole, encoding="utf-8")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table: the first column to the left, the others to the right; floats with two decimals."""
    lines = [list(heads), ["---", *["--:"] * (len(heads) - 1)]]
    lines += [[f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine() -> str:
    """The processor, how many of its cores are ours, and Python."""
    names = [
        line.partition(":")[2].strip()
        for line in (Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else "").splitlines()
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
