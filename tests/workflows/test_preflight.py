"""The preflight, run as a person does, against a server that answers as Google's interfaces do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("google.auth", reason="needs workflows/install beam")

from google_stand_in import KEY, PROJECT, REGION, WORKER, WORKER_TOKEN, Cloud, serve, write_key

from pipelines.fleet import versions
from workflows.launch.dataflow.preflight import main

ROOT = Path(__file__).resolve().parents[2]
IMAGE = f"{REGION}-docker.pkg.dev/{PROJECT}/tokentrail/tokentrail:1"
CHECKS = ["sign-in", "services", "driver", "workers", "bucket", "bucket", "bucket"]
CHECKS += ["create", "quota", "network", "key", "image", "shuffle"]


class Preflight:
    """Runs it for a launch that is well, changed by a few arguments.

    Attributes:
        printed: What the last run printed.
    """

    def __init__(self, endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self.printed = capsys, ""
        self.line = [f"--project={PROJECT}", f"--region={REGION}", "--data=gs://raw/opt", "--out=gs://store/build"]
        self.line += ["--temp_location=gs://temp/t", f"--sdk_container_image={IMAGE}", f"--endpoint={endpoint}"]
        self.line += [f"--service_account_email={WORKER}", "--max_num_workers=100", "--disk_size_gb=50"]
        self.line += ["--no_use_public_ips", "--recipe=a.toml", "--experiments=use_runner_v2"]

    def failed(self, *changed: str) -> list[str]:
        """The names of the checks that fail."""
        code = main([*self.line, *changed])
        self.printed = self._capsys.readouterr().out
        names = [line.split()[1] for line in self.printed.splitlines() if line.startswith("FAILED")]
        assert code == (1 if names else 0)
        return names


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(versions()["rules"])


@pytest.fixture
def preflight(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Preflight]:
    with serve(cloud) as endpoint:
        write_key(tmp_path / "key.json", endpoint)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        monkeypatch.delenv("FSSPEC_GCS_REQUESTER_PAYS", raising=False)
        yield Preflight(endpoint, capsys)


def test_a_launch_that_has_all_it_needs_may_go(preflight: Preflight, cloud: Cloud) -> None:
    line = [*preflight.line, f"--dataflow_kms_key={KEY}"]
    program = ROOT / "workflows/launch/dataflow/preflight.py"
    done = subprocess.run([sys.executable, program, *line], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1] == "all is well"
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", name] for name in CHECKS]
    asked = "100 x n2-highmem-8: 800 of 900 N2_CPUS, 100 of 720 INSTANCES, 5,000 of 40,960 DISKS_TOTAL_GB"
    assert asked in done.stdout
    assert "0.0110 USD a GiBy, Shuffle chargeable data processed for Belgium" in done.stdout
    assert cloud.objects == {}  # what it tried with is gone


def _change(cloud: Cloud, name: str, value: object) -> None:
    assert hasattr(cloud, name)
    setattr(cloud, name, value)


@pytest.mark.parametrize(
    ("harm", "name", "said"),
    [
        (lambda c: _change(c, "state", "DELETE_REQUESTED"), "sign-in", "the project is DELETE_REQUESTED"),
        (lambda c: _change(c, "billed", False), "sign-in", "no billing account"),
        (lambda c: _change(c, "disabled", True), "sign-in", "the account is disabled"),
        (lambda c: _change(c, "act_as", False), "sign-in", "roles/iam.serviceAccountUser"),
        (lambda c: _change(c, "impersonate", False), "sign-in", "roles/iam.serviceAccountTokenCreator"),
        (lambda c: c.services.discard("dataflow.googleapis.com"), "services", "enable dataflow.googleapis.com"),
        (
            lambda c: c.may["ya29.driver"].remove("dataflow.jobs.create"),
            "driver",
            "you may not: dataflow.jobs.create",
        ),
        (lambda c: c.may[WORKER_TOKEN].remove("dataflow.shuffle.write"), "workers", "dataflow.shuffle.write"),
        (lambda c: c.buckets.pop("temp"), "bucket", "does not exist"),
        (lambda c: c.buckets["store"].update(location="US"), "bucket", "the bucket is in US, the workers in"),
        (lambda c: c.buckets["raw"].update(billing={"requesterPays": True}), "bucket", "requesters pay"),
        (lambda c: c.bucket_may["temp"].remove("storage.objects.delete"), "bucket", "storage.objects.delete"),
        (lambda c: c.bucket_may["raw"].remove("storage.objects.list"), "bucket", "roles/storage.objectViewer"),
        (lambda c: _change(c, "overwrites", True), "create", "a name that was taken was given again"),
        (lambda c: c.quotas[1].update(usage=201.0), "quota", "800 N2_CPUS, 799 left"),
        (lambda c: c.quotas[3].update(limit=4999.0), "quota", "5,000 DISKS_TOTAL_GB, 4,999 left"),
        (lambda c: _change(c, "all_cores", 72), "quota", "800 CPUS_ALL_REGIONS, 72 left"),
        (lambda c: c.subnetwork.update(privateIpGoogleAccess=False), "network", "private-ip-google-access"),
        (lambda c: c.subnetwork.update(ipCidrRange="10.0.0.0/26"), "network", "a range of 60 addresses"),
        (lambda c: c.key["primary"].update(state="DISABLED"), "key", "no enabled version"),
        (lambda c: c.key_users.pop(), "key", "compute-system"),
        (lambda c: _change(c, "label", "0123456789abcdef"), "image", "0123456789abcdef, here "),
        (lambda c: _change(c, "label", ""), "image", "other rules than this release: none"),
        (lambda c: _change(c, "shuffle_regions", ["us-east1"]), "shuffle", "no price of shuffle"),
    ],
)
def test_what_is_lacking_is_named(
    preflight: Preflight, cloud: Cloud, harm: Callable[[Cloud], None], name: str, said: str
) -> None:
    harm(cloud)
    assert preflight.failed(f"--dataflow_kms_key={KEY}") == [name], preflight.printed
    assert said in preflight.printed
    assert "at:" in preflight.printed and "do:" in preflight.printed
    assert cloud.objects == {}


def test_everything_that_is_wrong_is_said_at_once(preflight: Preflight, cloud: Cloud) -> None:
    cloud.quotas[2].update(limit=10)
    cloud.label = "another"
    assert preflight.failed("--worker_machine_type=n2-highmem-8") == ["quota", "image"]
    assert preflight.printed.splitlines()[-1] == "2 of the checks failed: nothing was launched"


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ("--project=another", ["sign-in"]),
        (f"--service_account_email=nobody@{PROJECT}.iam.gserviceaccount.com", ["sign-in"]),
        ("--out=gs://nowhere/build", ["bucket", "create"]),
        ("--machine_type=n2-highmem-7", ["quota"]),
        ("--use_public_ips", ["quota"]),
        ("--subnetwork=regions/europe-west1/subnetworks/other", ["network"]),
        (f"--dataflow_kms_key={KEY}s", ["key"]),
        (f"--sdk_container_image={IMAGE}2", ["image"]),
    ],
)
def test_what_is_asked_wrongly_is_named(preflight: Preflight, changed: str, names: list[str]) -> None:
    assert preflight.failed(changed) == names, preflight.printed


def test_a_project_that_pays_may_read_what_requesters_pay_for(
    preflight: Preflight, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.buckets["raw"] |= {"billing": {"requesterPays": True}, "location": "US"}
    monkeypatch.setenv("FSSPEC_GCS_REQUESTER_PAYS", PROJECT)
    assert preflight.failed() == [], preflight.printed
    assert "to read it costs transfer between regions" in preflight.printed


def test_a_pair_of_regions_is_near_and_an_image_may_be_of_many_machines(
    preflight: Preflight, cloud: Cloud
) -> None:
    pair = {"dataLocations": [REGION.upper(), "EUROPE-NORTH1"]}
    cloud.buckets["store"] |= {"location": "EU", "customPlacementConfig": pair}
    cloud.many_machines = True
    assert preflight.failed() == [], preflight.printed


def test_without_credentials_nothing_is_asked(
    preflight: Preflight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.json").write_text('{"type": "service_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "broken.json"))
    assert preflight.failed() == ["sign-in"]
    assert "gcloud auth application-default login" in preflight.printed


def test_a_network_that_is_down_is_no_traceback(preflight: Preflight) -> None:
    assert preflight.failed("--endpoint=http://127.0.0.1:1") == ["sign-in"]
    assert "no answer from cloudresourcemanager.googleapis.com" in preflight.printed
