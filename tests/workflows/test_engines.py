"""The keystone: the sample is the golden corpus on every engine, with any number of workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_demo import GOLDEN, ROOT

if TYPE_CHECKING:
    from dask_cluster import Cluster

# An engine's options, and the library that it is not tried without, except where CI lacks it.
ENGINES = {
    "local": ("--runner local", "corpus"),
    "dask": ("--runner dask", "distributed"),
    "dask, a cluster that is joined": ("--runner dask --scheduler {scheduler}", "distributed"),
    "direct": ("--runner direct", "apache_beam"),
}


SAID = r"\w+ .* in \d+\.\d s$"  # a stage, as a person is told of it: no engine's own words


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler on loopback; a test adds the workers that it still lacks."""
    sys.path.insert(0, str(ROOT / "tests" / "pipelines"))
    from dask_cluster import dask_cluster

    sys.path.remove(str(ROOT / "tests" / "pipelines"))
    with dask_cluster(tmp_path_factory.mktemp("dask") / "cluster", workers=0) as running:
        yield running


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_seals_the_golden_corpus(
    engine: str, workers: int, sample_data: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    options, library = ENGINES[engine]
    if not os.environ.get("CI"):
        pytest.importorskip(library, reason=f"{library} is not installed: workflows/install")
    if "{scheduler}" in options:
        cluster: Cluster = request.getfixturevalue("cluster")
        cluster.grow_to(workers)
        options = options.format(scheduler=cluster.address)
    line = ["pipelines/build_corpus.py", "--recipe", "workflows/recipes/sample.toml", "--data", sample_data]
    line += ["--out", tmp_path / "build", "--workers", str(workers), *options.split()]
    command = [sys.executable, *map(str, line)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"sealed sample@1.0.0 {GOLDEN}"
    assert all(re.match(SAID, said) for said in done.stderr.splitlines()), done.stderr
