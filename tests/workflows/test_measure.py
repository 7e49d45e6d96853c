import subprocess
import sys

import pytest

from workflows.benchmarks.measure import fit, measure

IMPORT = "from workflows.benchmarks.measure import measure\n"
SPIN = "import time\nwhile time.process_time() < {seconds}: pass\n"
SPAWN = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}], check=True)\n"


def test_a_grandchild_s_work_is_counted() -> None:
    spinning = SPIN.format(seconds=0.4)
    figures = measure([sys.executable, "-c", SPAWN.format(code=SPAWN.format(code=spinning))])
    assert figures.cpu_seconds >= 0.4


def test_a_run_is_not_charged_for_the_one_before() -> None:
    before = measure([sys.executable, "-c", SPIN.format(seconds=1.0)])
    after = measure([sys.executable, "-c", ""])
    assert before.cpu_seconds >= 1.0 > after.cpu_seconds


def test_the_peak_is_the_largest_process_s() -> None:
    # From a process of its own: a peak starts from its parent's, and pytest is no small parent.
    fill = "held = bytearray(300_000_000); held[::4096] = bytes(len(held[::4096]))"
    asked = f"print(measure({[sys.executable, '-c', fill]}).peak_bytes)"
    assert 300_000_000 <= int(measure([sys.executable, "-c", IMPORT + asked]).output) < 400_000_000


def test_output_and_environment_pass() -> None:
    figures = measure([sys.executable, "-c", "import os; print(os.environ['WORD'])"], {"WORD": "kept"})
    assert figures.output == b"kept\n"


def test_a_failure_is_no_figure() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure([sys.executable, "-c", "raise SystemExit(3)"])


def test_start_and_rate_are_told_apart() -> None:
    line = fit([(36.0, 2.0 + 36 / 15), (72.0, 2.0 + 72 / 15), (144.0, 2.0 + 144 / 15)])
    assert line.start_seconds == pytest.approx(2.0)
    assert line.megabytes_per_second == pytest.approx(15.0)
