"""The soak of lopsided inputs in its short form, and that what watches it sees what there is to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "workflows" / "soak"

sys.path.insert(0, str(SOAK))
from lopsided import CASES, Case  # noqa: E402
from watch import watch  # noqa: E402

sys.path.remove(str(SOAK))

# Every cap and cut of what a task may hold, made so small that each is passed many times over.
SMALL = """
import sys
from pipelines import external_sort
from pipelines.steps import candidates, duplicates, threads, tokens
external_sort.BUDGET_BYTES, external_sort._TABLE_BYTES, external_sort._FAN_IN = 2000, 300, 3
candidates._RECORDS_AT_ONCE, candidates._PAIRS_AT_ONCE = 10, 50
duplicates.EVIDENCE_BYTES, duplicates.PAIRS_BYTES, duplicates._PAIRS_AT_ONCE = 2000, 500, 7
threads._NODES_BYTES = tokens._SORTED_BYTES = tokens._PLACED_BYTES = 500
from pipelines.build_corpus import main
sys.exit(main(sys.argv[1:]))
"""
BUILD = [sys.executable, str(SOAK.parents[1] / "pipelines" / "build_corpus.py")]


@pytest.mark.parametrize("name", ["tree", "one text", "one set", "one source"])
def test_a_lopsided_input_has_one_digest_and_bounded_memory(name: str) -> None:
    line = [sys.executable, str(SOAK / "skew.py"), "--most", "1500", "--parts", "1", "--workers", "3,1"]
    done = subprocess.run([*line, "--cases", name], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row.split(" | ") for row in done.stdout.splitlines() if row.startswith("| ")]
    assert rows[2][0].startswith(f"| {name}: ") and rows[2][1] == "1,500"


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in ("tree", "drift", "template")], ids=lambda case: case.name
)
def test_what_a_task_may_hold_moves_no_byte(case: Case, tmp_path: Path) -> None:
    recipe = case.write(tmp_path / "data", 400, seed=3)
    digests = []
    for name, program in (("large", BUILD), ("small", [sys.executable, "-c", SMALL])):
        line = [
            *program,
            "--recipe",
            recipe,
            "--data",
            tmp_path / "data",
            "--out",
            tmp_path / name,
            "--workers",
            "1",
        ]
        done = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout.split()[-1])
    assert digests[0] == digests[1]


def test_an_input_is_a_function_of_its_seed(tmp_path: Path) -> None:
    for case in CASES:
        files = []
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            case.write(tmp_path / case.name / name, 20, seed)
            files.append((tmp_path / case.name / name / "many" / "one.jsonl.zst").read_bytes())
        assert files[0] == files[1] != files[2], case.name


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stage_is_charged_with_its_own_peak(tmp_path: Path) -> None:
    program = f"""
import pathlib, time
def peak():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) << 10
for stage, size in (("wide", 300 << 20), ("narrow", 1)):
    spill = pathlib.Path({str(tmp_path)!r}, "stages", stage, "key", "spill")
    spill.mkdir(parents=True)
    (spill / "map-00000").write_bytes(bytes(len(stage)))
    while stage == "narrow" and peak() > 300 << 20:
        time.sleep(0.01)  # until it is set back
    held = b"x" * size
    time.sleep(1.0)
    del held
print("done")
"""
    watched = watch([sys.executable, "-c", program], tmp_path)
    assert watched.output == "done\n"
    wide, narrow = watched.stages["wide"], watched.stages["narrow"]
    assert wide.parent > 300 << 20 > 4 * narrow.parent > 0
    assert (wide.spilled, narrow.spilled) == (4, 6)
    with pytest.raises(RuntimeError, match="ended with 3"):
        watch([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
