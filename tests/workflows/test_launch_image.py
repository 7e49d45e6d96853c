"""The image's Dockerfile, held to what can be known without a builder: what it copies is enough, and is pinned."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "workflows" / "launch"
DOCKERFILE = (LAUNCH / "Dockerfile").read_text()
# Installed beside the interpreter that runs the tests, which need not stand on PATH.
HADOLINT = Path(sys.executable).with_name("hadolint")
RULES = "from pipelines.fleet import versions; print(versions()['rules'])"


def copied() -> Iterator[Path]:
    """What the Dockerfile takes of the tree."""
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        yield from (Path(name) for name in sources.split())


def lint(text: str) -> str:
    line = [HADOLINT, "--no-color", "-"]
    done = subprocess.run(line, input=text, capture_output=True, text=True, timeout=600)
    return done.stdout


def test_the_linter_has_nothing_to_say() -> None:
    assert lint(DOCKERFILE) == ""


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        ("FROM ${PYTHON} AS", "FROM python:latest AS", "DL3007"),
        ('--requirement "workflows/locks/${lock}.txt"', "requests", "DL3013"),
        ('ENTRYPOINT ["/opt/apache/beam/boot"]', "ENTRYPOINT /opt/apache/beam/boot", "DL3025"),
    ],
)
def test_the_linter_sees_what_is_wrong(good: str, bad: str, rule: str) -> None:
    text = DOCKERFILE.replace(good, bad)
    assert text != DOCKERFILE
    assert rule in lint(text)


def test_the_image_holds_these_rules_and_builds(tmp_path: Path) -> None:
    """The digest that the Dockerfile holds an image to is that of the files it copies."""
    ignored = shutil.ignore_patterns("__pycache__")
    for path in copied():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, target, ignore=ignored)
        else:
            shutil.copy(ROOT / path, target)

    def run(*line: str, folder: Path = tmp_path) -> str:
        done = subprocess.run([sys.executable, *line], cwd=folder, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    env = f"import sys; sys.path.insert(0, '.'); {RULES}"
    assert run("-c", env) == run("-c", env, folder=ROOT)
    assert "workflows/recipes" in run("pipelines/build_corpus.py", "--help")
    assert "Dataflow" in run("workflows/launch/dataflow/preflight.py", "--help")
    assert (tmp_path / "workflows/recipes/opt.toml").is_file()


def test_what_the_image_needs_is_sent_to_the_builder() -> None:
    sent = {
        Path(line[1:]) for line in (LAUNCH / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert sent == set(copied())


def test_every_lock_of_the_image_exists() -> None:
    (names,) = re.findall(r'^ARG LOCKS="(.+)"$', DOCKERFILE, re.MULTILINE)
    engines = re.findall(r"\) lock=(\w+) ;;", (LAUNCH / "image").read_text())
    assert {*names.split(), *engines} >= {"core", "fast", "beam", "dask"}
    assert [
        name for name in (*names.split(), *engines) if not (ROOT / f"workflows/locks/{name}.txt").is_file()
    ] == []


def test_beam_is_the_locked_one() -> None:
    (version,) = re.findall(r"^apache-beam==(.+)$", (ROOT / "workflows/locks/beam.txt").read_text(), re.MULTILINE)
    assert f"ARG BEAM=apache/beam_python3.11_sdk:{version}\n" in DOCKERFILE
