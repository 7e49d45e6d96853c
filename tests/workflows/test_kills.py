"""The short form of the soak of kills: six of them, on every engine that is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_six_kills_leave_no_trace(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "pipelines"))
    from raw_data import RECIPE, write_all

    sys.path.remove(str(ROOT / "tests" / "pipelines"))
    write_all(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    line = ["--recipe", tmp_path / "tiny.toml", "--data", tmp_path / "data", "--kills", "6", "--seed", "6"]
    soak = [sys.executable, str(ROOT / "workflows/soak/kills.py"), *map(str, line)]
    done = subprocess.run(soak, capture_output=True, text=True, timeout=840)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"6 kills over \d+ stores, .*: nothing shows it", done.stdout.splitlines()[-1])
