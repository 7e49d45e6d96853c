"""What launches Dask elsewhere: the manifests against Kubernetes' own schemas, and the commands as they stand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes_validate
import psutil
import pytest
import yaml

pytest.importorskip("distributed", reason="needs workflows/install dask")

ROOT = Path(__file__).resolve().parents[2]
DASK = ROOT / "workflows" / "launch" / "dask"
sys.path.append(str(ROOT / "tests" / "pipelines"))  # its raw files

from raw_data import RECIPE, write_all  # noqa: E402

VERSIONS = ("1.29.0", "1.33.0", "1.37.0")
PODS = ("tokentrail-scheduler", "tokentrail-workers", "tokentrail-build")
Manifest = dict[str, Any]


def manifests() -> dict[tuple[str, str], Manifest]:
    """Each document of the manifests by its kind and name."""
    documents = list(yaml.safe_load_all((DASK / "kubernetes.yaml").read_text()))
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def pod(name: str) -> Manifest:
    (found,) = [each for (kind, own), each in manifests().items() if own == name and kind in ("Deployment", "Job")]
    return found["spec"]["template"]


def container(name: str) -> Manifest:
    (found,) = pod(name)["spec"]["containers"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(version: str) -> None:
    assert len(manifests()) == 6
    for manifest in manifests().values():
        kubernetes_validate.validate(manifest, version, strict=True)


def _pods(change: Callable[[Manifest], object]) -> Callable[[Manifest], object]:
    return lambda manifest: change(manifest["spec"]["template"]["spec"])


@pytest.mark.parametrize(
    "harm",
    [
        _pods(lambda spec: spec["containers"][0].update(comand=["dask"])),
        _pods(lambda spec: spec["containers"][0].update(command="dask worker")),
        _pods(lambda spec: spec["containers"][0]["resources"].update(request={"cpu": "1"})),
        _pods(lambda spec: spec["securityContext"].update(runAsUser="10001")),
        _pods(lambda spec: spec["volumes"][0].pop("name")),
        lambda manifest: manifest["spec"].update(replicas="8"),
        lambda manifest: manifest["spec"].pop("selector"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(harm: Callable[[Manifest], object]) -> None:
    manifest = manifests()["Deployment", "tokentrail-workers"]
    harm(manifest)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_what_is_named_is_there() -> None:
    """Selectors select, claims exist, the name that is called is a service's."""
    found = manifests()
    for name in ("tokentrail-scheduler", "tokentrail-workers"):
        labels = pod(name)["metadata"]["labels"]
        assert found["Deployment", name]["spec"]["selector"]["matchLabels"] == labels
    service = found["Service", "tokentrail-scheduler"]["spec"]
    assert service["selector"] == pod("tokentrail-scheduler")["metadata"]["labels"]
    assert (
        f"tcp://tokentrail-scheduler:{service['ports'][0]['port']}" in container("tokentrail-workers")["command"]
    )
    policy = found["NetworkPolicy", "tokentrail"]["spec"]["podSelector"]["matchLabels"]
    for name in PODS:
        assert policy.items() <= pod(name)["metadata"]["labels"].items()
        volumes = {each["name"]: each for each in pod(name)["spec"]["volumes"]}
        assert {mount["name"] for mount in container(name)["volumeMounts"]} == set(volumes)
        assert volumes["corpus"]["persistentVolumeClaim"]["claimName"] == "tokentrail"
        assert ("PersistentVolumeClaim", "tokentrail") in found


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_nothing_it_need_not(name: str) -> None:
    spec, one = pod(name)["spec"], container(name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    rights = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert one["securityContext"] == rights
    assert {"requests", "limits"} <= set(one["resources"])


def test_a_worker_process_has_a_core() -> None:
    one = container("tokentrail-workers")
    assert "--nthreads=1" in one["command"]
    assert f"--nworkers={one['resources']['requests']['cpu']}" in one["command"]


@contextmanager
def running(lines: list[list[str]], folder: Path) -> Iterator[None]:
    """Processes as a pod starts them, ended with all they started."""
    env = {**os.environ, "DASK_CONFIG": str(DASK / "dask.yaml"), "PYTHONPATH": str(ROOT)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, line in enumerate(lines):
            with open(folder / f"{number}.log", "wb") as log:
                started.append(subprocess.Popen(line, cwd=folder, env=env, stdout=log, stderr=log))
        yield
    finally:
        for process in reversed(started):
            for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                each.kill()
            process.wait()


def test_the_commands_of_the_manifests_build_a_corpus(tmp_path: Path) -> None:
    """The very commands, on loopback: a service's name becomes an address, a volume a folder."""
    write_all(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    here = {
        "tokentrail-scheduler:8786": f"127.0.0.1:{port}",
        "/corpus": str(tmp_path),
        "/tmp/dask": str(tmp_path / "scratch"),
        "workflows/recipes/opt.toml": str(tmp_path / "tiny.toml"),
        "--nworkers=4": "--nworkers=2",
    }

    def command(name: str) -> list[str]:
        program, *words = container(name)["command"]
        for old, new in here.items():
            words = [word.replace(old, new) for word in words]
        words = [port if word == "8786" else word for word in words]
        return [sys.executable, "-m", "dask", *words] if program == "dask" else [sys.executable, *words]

    scheduler = [*command("tokentrail-scheduler"), "--host", "127.0.0.1"]
    with running([scheduler, command("tokentrail-workers")], tmp_path):
        built = subprocess.run(
            command("tokentrail-build"), cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
        )
    assert built.returncode == 0, built.stderr + (tmp_path / "1.log").read_text()
    plain = [sys.executable, "pipelines/build_corpus.py", "--recipe", str(tmp_path / "tiny.toml"), "--workers=1"]
    plain += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "plain")]
    alone = subprocess.run(plain, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    assert built.stdout.splitlines()[-1] == alone.stdout.splitlines()[-1]


def test_a_cluster_is_told_what_ours_is() -> None:
    """A key that Dask does not have would be ignored without a word."""
    import dask.config
    import distributed  # noqa: F401 (brings its defaults)

    from pipelines.engines.dask_futures import CLUSTER

    def settings(tree: dict[str, Any], place: str = "") -> Iterator[tuple[str, object]]:
        for name, below in tree.items():
            if isinstance(below, dict):
                yield from settings(below, f"{place}{name}.")
            else:
                yield f"{place}{name}", below

    told = dict(settings(yaml.safe_load((DASK / "dask.yaml").read_text())))
    assert told == CLUSTER
    missing = object()
    assert [key for key in told if dask.config.get(key, missing) is missing] == []


SBATCH = """#!/bin/sh
# Takes a job's script as Slurm's sbatch does, and runs it on this machine at once.
for script; do :; done
echo $$ >>"$SLURM_STAND_IN/jobs"
cp "$script" "$SLURM_STAND_IN/script-$$"
sh -n "$script" && setsid sh "$SLURM_STAND_IN/script-$$" >"$SLURM_STAND_IN/$$.log" 2>&1 </dev/null &
echo "Submitted batch job $$"
"""


def test_slurm_jobs_become_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an sbatch that runs what it is given on this machine; with Slurm itself it is tried by hand."""
    pytest.importorskip("dask_jobqueue")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", "#!/bin/sh\\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("SLURM_STAND_IN", str(tmp_path))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    write_all(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    line = ["--jobs", "2", "--cores", "1", "--memory", "2GB", "--walltime", "1-00:00:00", "--interface", "lo"]
    line += ["--scratch", str(tmp_path / "scratch"), "--logs", str(tmp_path / "logs"), "--account", "corpora"]
    line += [
        "--recipe",
        str(tmp_path / "tiny.toml"),
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "b"),
    ]
    done = subprocess.run(
        [sys.executable, DASK / "slurm.py", *line], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    logs = "\n".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    assert done.stdout.splitlines()[-1].startswith("sealed tiny@1.0.0 sha256:")
    (script, _) = [path.read_text() for path in sorted(tmp_path.glob("script-*"))]
    assert {"#SBATCH -A corpora", "#SBATCH --cpus-per-task=1", "#SBATCH -t 1-00:00:00"} <= set(script.splitlines())
    assert "--nthreads 1" in script and "--lifetime=86100s" in script
    # Workers whose scheduler is gone leave by themselves.
    for _ in range(300):
        if not any("dask_worker" in " ".join(_command(each)) for each in _started_in(tmp_path)):
            break
        time.sleep(0.1)
    else:
        pytest.fail("a worker outlived its scheduler by half a minute")


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _started_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        if str(folder) in " ".join(_command(process)):
            yield process
