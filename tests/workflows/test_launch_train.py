"""What launches trainings: the command and environment that torchrun is started with, and torchrun, started so."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "workflows" / "launch" / "train"
SAYS = """#!/bin/sh
for word in "$@"; do echo "word $word"; done
env | sed 's/^/env /'
"""
SLURM = {
    "SLURM_JOB_NODELIST": "node[07-09]",
    "SLURM_JOB_NUM_NODES": "3",
    "SLURM_JOB_ID": "1234567",
    "SLURM_GPUS_ON_NODE": "4",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The launchers in a repository of their own, and programs that only say how they were called."""
    shutil.copytree(TRAIN, tmp_path / "workflows/launch/train")
    program(tmp_path, "torchrun", SAYS)
    program(tmp_path, "srun", SAYS)
    program(
        tmp_path,
        "scontrol",
        '#!/bin/sh\n[ "$*" = "show hostnames $SLURM_JOB_NODELIST" ] && echo node07 && echo node08\n',
    )
    program(tmp_path, "nvidia-smi", "#!/bin/sh\necho GPU 0\necho GPU 1\n")
    program(tmp_path, "getconf", "#!/bin/sh\necho 48\n")
    return tmp_path


def program(tree: Path, name: str, text: str) -> None:
    path = tree / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def called(tree: Path, name: str, *words: str, **said: str) -> tuple[list[str], dict[str, str]]:
    """The words and the environment of what a launcher starts last."""
    clean = {
        key: value for key, value in os.environ.items() if not re.match("OMP|TORCH|PYTORCH|SLURM|PYTHON", key)
    }
    env = {**clean, "PATH": f"{tree / 'bin'}:{os.environ['PATH']}", **said}
    line = [str(tree / "workflows/launch/train" / name), *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600, env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    pairs = (each[4:].partition("=") for each in lines if each.startswith("env "))
    return [each[5:] for each in lines if each.startswith("word ")], {key: value for key, _, value in pairs}


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_one_host_starts_a_process_a_gpu(tree: Path) -> None:
    words, env = called(tree, "one-host", "--config", "a b.toml", "--run-dir", "runs/x")
    assert words == [
        *("--standalone", "--nproc-per-node", "2", "--max-restarts", "3", str(tree / "training/run.py")),
        *("--config", "a b.toml", "--run-dir", "runs/x"),
    ]
    assert env["OMP_NUM_THREADS"] == "24"  # 48 cores among 2
    assert env["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"
    assert env["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"


def test_what_a_person_says_holds(tree: Path) -> None:
    words, env = called(tree, "one-host", PROCESSES="64", RESTARTS="0", OMP_NUM_THREADS="3")
    assert (option(words, "--nproc-per-node"), option(words, "--max-restarts")) == ("64", "0")
    assert env["OMP_NUM_THREADS"] == "3"
    assert called(tree, "one-host", PROCESSES="64")[1]["OMP_NUM_THREADS"] == "1"


def test_a_host_without_gpus_has_one_process(tree: Path) -> None:
    program(tree, "nvidia-smi", "#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    words, env = called(tree, "one-host")
    assert (option(words, "--nproc-per-node"), env["OMP_NUM_THREADS"]) == ("1", "48")


def test_the_nodes_of_a_job_meet_at_the_first(tree: Path) -> None:
    words, env = called(tree, "slurm", "--run-dir", "r", SLURM_SUBMIT_DIR=str(tree), **SLURM)
    assert words[:2] == ["--kill-on-bad-exit=1", "torchrun"] and words[-2:] == ["--run-dir", "r"]
    assert (option(words, "--nnodes"), option(words, "--nproc-per-node")) == ("3", "4")
    assert option(words, "--rdzv-backend") == "c10d"
    assert option(words, "--rdzv-endpoint") == "node07:24567"
    assert option(words, "--rdzv-id") == "1234567"
    assert env["OMP_NUM_THREADS"] == "12" and env["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"
    again, _ = called(tree, "slurm", SLURM_SUBMIT_DIR=str(tree), SLURM_RESTART_COUNT="2", **SLURM)
    assert option(again, "--rdzv-id") == "1234567-2"  # the nodes of another try are others


def test_sbatch_is_told_what_a_training_needs() -> None:
    told = re.findall(r"^#SBATCH (--[\w-]+)(?:=(\S+))?$", (TRAIN / "slurm").read_text(), re.MULTILINE)
    assert dict(told) == {
        "--job-name": "tokentrail",
        "--ntasks-per-node": "1",
        "--exclusive": "",
        "--requeue": "",
        "--open-mode": "append",
        "--output": "slurm-%j.log",
    }


def test_torchrun_takes_it(tree: Path) -> None:
    """The real one: two processes that each say the plan of a run, under an srun that runs what it is given."""
    pytest.importorskip("torch", reason="needs workflows/install train")
    (tree / "bin" / "torchrun").unlink()
    program(tree, "scontrol", "#!/bin/sh\necho localhost\n")
    program(tree, "srun", '#!/bin/sh\nshift\nexec "$@"\n')
    slurm = {**SLURM, "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_ID": str(os.getpid()), "SLURM_SUBMIT_DIR": str(ROOT)}
    env = {
        **os.environ,
        **slurm,
        "PATH": f"{tree / 'bin'}:{os.environ['PATH']}",
        "PROCESSES": "2",
        "RESTARTS": "0",
    }
    config = str(ROOT / "workflows/runs/tiny.toml")
    done = subprocess.run(
        [str(TRAIN / "slurm"), "--config", config, "--plan", "cpu-core", "--devices", "1"],
        capture_output=True,
        text=True,
        timeout=600,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run           tiny") == 2
