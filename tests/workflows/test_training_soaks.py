"""The short forms of the soaks of training: forty corruptions of a checkpoint, three kills of two processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from small_corpus import small_corpus

ROOT = Path(__file__).resolve().parents[2]


def soak(program: str, *words: str) -> str:
    """What it says when nothing is wrong."""
    line = [sys.executable, str(ROOT / "workflows" / "soak" / program), "--corpus", small_corpus(), *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_of_forty_corruptions_none_loads_without_a_word() -> None:
    said = soak("checkpoints.py", "--corruptions", "40", "--seed", "3")
    assert said.rstrip().endswith("40 corruptions, 0 loaded, or met without a word")
    # Torch's own loader takes most of them: what is found, the commit finds.
    silent = [*map(int, re.findall(r"\| (\d+) of \d+ \|", said))]
    assert len(silent) == 13 and sum(silent) > 10


def test_three_kills_leave_no_trace() -> None:
    sets = ("steps=12", "batch=2", "sequence=32", "validation.every=6")
    kills = ("--kills", "3", "--seed", "2", "--ranks", "2")
    said = soak("train_kills.py", *kills, *(word for each in sets for word in ("--set", each)))
    whom = re.fullmatch(r"3 kills over \d runs \((.*)\): nothing shows it\n", said)
    assert whom and all(each in whom[1] for each in ("a rank", "all", "in a save"))
