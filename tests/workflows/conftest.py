"""The demo's raw files, generated once for all tests that build from them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROSE = ROOT / "data" / "prose"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's raw files, which are read and never written."""
    if not PROSE.is_dir() and not os.environ.get("CI"):
        pytest.skip("the sample's prose is not installed: workflows/prose")
    data = tmp_path_factory.mktemp("sample") / "data"
    line = [sys.executable, "workflows/sample/generate.py", "--out", str(data), "--packages", str(PROSE)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return data
