"""Builds a corpus on a Slurm cluster: a Dask scheduler and the driver here, the workers as jobs.

    python workflows/launch/dask/slurm.py --jobs 8 --cores 32 --memory 96GB --walltime 12:00:00 \\
        --recipe workflows/recipes/opt.toml --data /shared/data --out /shared/build

Every argument but its own goes to build_corpus.py. Run it where jobs can reach it: on a login node, or as a job of
one core itself. A job that ends, by its walltime or with its node, is replaced while the build runs; when this
process itself has ended, the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parents[3])
os.environ.setdefault("DASK_CONFIG", str(Path(__file__).with_name("dask.yaml")))  # before Dask is imported

from dask_jobqueue import SLURMCluster

from pipelines.build_corpus import main as build_corpus

ROOT = Path(__file__).resolve().parents[3]
# Workers leave so long before their job's end, of their own accord and not all at once: a task that is at work is
# then given to another worker, and not accused of having ended this one.
LEAVE_SECONDS, STAGGER_SECONDS = 300, 120  # unpublished: our choice


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="slurm.py",
        description="Builds a corpus with Dask workers as Slurm jobs; other arguments go to build_corpus.py.",
        allow_abbrev=False,
    )
    top.add_argument("--jobs", type=int, default=1, help="jobs of workers at a time (default: 1)")
    top.add_argument(
        "--cores", type=int, default=1, help="cores of a job, each a worker of one thread (default: 1)"
    )
    top.add_argument("--memory", default="3GB", help="memory of a job, all its workers together (default: 3GB)")
    top.add_argument("--walltime", default="01:00:00", help="time limit of a job (default: 01:00:00)")
    top.add_argument("--partition", help="the partition to run in (default: the cluster's)")
    top.add_argument("--account", help="the account to charge")
    top.add_argument("--interface", help="the network interface of nodes and this host, for instance ib0")
    top.add_argument("--scratch", default="/tmp", help="a folder on each node's own disk (default: /tmp)")
    top.add_argument("--logs", default="slurm-logs", help="where jobs write what they say (default: slurm-logs)")
    return top


def start(options: argparse.Namespace) -> SLURMCluster:
    """A scheduler in this process, and the promise of as many jobs of workers as were asked for."""
    worker = ["--no-dashboard"]
    seconds = _seconds(options.walltime)
    if seconds > 4 * LEAVE_SECONDS:
        worker += [f"--lifetime={seconds - LEAVE_SECONDS}s", f"--lifetime-stagger={STAGGER_SECONDS}s"]
    cluster = SLURMCluster(
        job_name="tokentrail",
        queue=options.partition,
        account=options.account,
        cores=options.cores,
        processes=options.cores,  # a thread each: a task has its process to itself
        memory=options.memory,
        walltime=options.walltime,
        interface=options.interface,
        local_directory=options.scratch,
        log_directory=options.logs,
        death_timeout=120,
        python=sys.executable,
        worker_extra_args=worker,
        job_script_prologue=[
            f"export PYTHONPATH={ROOT}",
            f"export DASK_CONFIG={os.environ['DASK_CONFIG']}",
        ],
        scheduler_options={"dashboard": False},
    )
    cluster.adapt(minimum_jobs=options.jobs, maximum_jobs=options.jobs)  # so many, whatever becomes of them
    return cluster


def _seconds(walltime: str) -> int:
    """Slurm's [days-]hours:minutes:seconds, or minutes."""
    days, _, clock = walltime.rpartition("-")
    fields = [int(field) for field in clock.split(":")]
    hours, minutes, seconds = [0, *fields, 0] if len(fields) == 1 else [0] * (3 - len(fields)) + fields
    return int(days or 0) * 86_400 + hours * 3600 + minutes * 60 + seconds


def main(argv: Sequence[str] | None = None) -> int:
    options, others = parser().parse_known_args(argv)
    with start(options) as cluster:
        return build_corpus([*others, "--runner", "dask", "--scheduler", cluster.scheduler_address])


if __name__ == "__main__":
    sys.exit(main())
