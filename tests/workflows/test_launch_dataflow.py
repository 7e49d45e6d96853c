"""What launches Dataflow: Google's own message types and Beam's own options judge the files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workflows.launch.dataflow.asked import parser

ROOT = Path(__file__).resolve().parents[2]
DATAFLOW = ROOT / "workflows" / "launch" / "dataflow"
OPTIONS = [line for line in (DATAFLOW / "options").read_text().splitlines() if line and not line.startswith("#")]
# A stand-in for `python`: says what it was started with, and fails where it is told to.
PYTHON = '#!/bin/sh\nprintf "%s\\n" "${1##*/}" "$@"\ncase $1 in *"${FAILING:-nothing}") exit 1 ;; esac\n'


def launched(tmp_path: Path, *line: str, failing: str = "") -> tuple[int, list[str]]:
    """The exit code of `launch`, and what it started with what arguments."""
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    tree = tmp_path / "tree"  # without a .venv, whose python would stand first
    (tree / "workflows").mkdir(parents=True)
    (tree / "workflows" / "launch").symlink_to(ROOT / "workflows" / "launch")
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"} | ({"FAILING": failing} if failing else {})
    program = tree / "workflows/launch/dataflow/launch"
    done = subprocess.run([program, *line], capture_output=True, text=True, timeout=600, env=env, cwd=tmp_path)
    return done.returncode, done.stdout.splitlines()


def test_the_preflight_comes_first_and_both_are_told_the_same(tmp_path: Path) -> None:
    given = ["--recipe", "a recipe.toml", "--max_num_workers=7", "--set", "text.language.keep=['en']"]
    code, said = launched(tmp_path, *given)
    assert code == 0
    at = said.index("build_corpus.py")
    preflight, build = said[2:at], said[at + 2 :]
    assert (said[0], preflight) == ("preflight.py", [*OPTIONS, *given])
    assert build == ["--runner", "dataflow", *OPTIONS, *given]


def test_what_the_preflight_refuses_is_not_launched(tmp_path: Path) -> None:
    code, said = launched(tmp_path, "--recipe", "a.toml", failing="preflight.py")
    assert code == 1
    assert "build_corpus.py" not in said


def test_beam_and_the_preflight_understand_the_options() -> None:
    options = pytest.importorskip("apache_beam.options.pipeline_options", reason="needs workflows/install beam")
    known = options.PipelineOptions(OPTIONS, project="p").get_all_options(drop_default=True)
    assert known == {
        "autoscaling_algorithm": "THROUGHPUT_BASED",
        "disk_size_gb": 50,
        "experiments": ["use_runner_v2"],
        "labels": ["application=tokentrail"],
        "machine_type": "n2-highmem-8",
        "max_num_workers": 100,
        "number_of_worker_harness_threads": 1,
        "project": "p",
        "save_main_session": False,
        "sdk_location": "container",
        "use_public_ips": False,
    }
    site = ["--project=p", "--region=r", "--data=gs://d", "--out=gs://o", "--temp_location=gs://t"]
    site += ["--sdk_container_image=i", "--service_account_email=e", "--max_num_workers=7"]
    asked, others = parser().parse_known_args([*OPTIONS, *site])
    assert (asked.max_num_workers, asked.public_ips, asked.disk_size_gb) == (7, False, 50)
    assert {word.partition("=")[0] for word in others} == {
        "--autoscaling_algorithm",
        "--experiments",
        "--labels",
        "--no_save_main_session",
        "--number_of_worker_harness_threads",
        "--sdk_location",
    }


def test_dataflow_knows_every_field_of_the_template() -> None:
    types = pytest.importorskip("google.cloud.dataflow_v1beta3.types", reason="needs workflows/install beam")
    template = types.TemplateMetadata.from_json((DATAFLOW / "metadata.json").read_text())
    assert all(each.name and each.label and each.help_text and each.regexes for each in template.parameters)
    with pytest.raises(Exception, match="no field named"):
        types.TemplateMetadata.from_json('{"name": "a", "parameter": []}')


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("stage", ["documents", "vocabulary"], ["", "Documents", "documents exact"]),
        (
            "recipe",
            ["workflows/recipes/opt-lawful.toml"],
            ["gs://bucket/opt.toml", "workflows/recipes/../../a.toml"],
        ),
        ("data", ["gs://bucket", "gs://bucket/data"], ["data", "s3://bucket", "gs://b"]),
        ("out", ["gs://my-bucket.example/build"], ["/tmp/build"]),
        ("set", ["version=1.1.0", "source.reddit.licence=CC0-1.0"], ["version", "=1"]),
    ],
)
def test_a_parameter_takes_what_a_build_takes(name: str, good: list[str], bad: list[str]) -> None:
    parameters = json.loads((DATAFLOW / "metadata.json").read_text())["parameters"]
    (regexes,) = [each["regexes"] for each in parameters if each["name"] == name]
    for text, fits in [*((text, True) for text in good), *((text, False) for text in bad)]:
        assert all(re.fullmatch(regex, text) for regex in regexes) is fits, text


def test_batch_knows_every_field_of_the_driver() -> None:
    from google.cloud.batch_v1.types import Job

    text = (DATAFLOW / "batch.json").read_text()
    (group,) = Job.from_json(text).task_groups
    (runnable,) = group.task_spec.runnables
    assert runnable.container.entrypoint == "/opt/tokentrail/workflows/launch/dataflow/launch"
    (site, _) = parser().parse_known_args([*OPTIONS, *runnable.container.commands])
    assert site.sdk_container_image == runnable.container.image_uri  # driver and workers are one release
    with pytest.raises(Exception, match="no field named"):
        Job.from_json(text.replace("maxRetryCount", "maxRetries"))


def test_the_launcher_of_templates_is_told_what_we_are_told() -> None:
    """The launcher names Beam's runner; the build refuses it under that name, and takes ours."""
    line = ["--runner=DataflowRunner", "--stage=documents", "--recipe=workflows/recipes/none.toml"]
    line += ["--data=gs://bucket/data", "--out=gs://bucket/build", "--template_location=gs://bucket/job"]
    done = subprocess.run(
        [sys.executable, DATAFLOW / "stage_job.py", *line], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 2
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["severity"] == "ERROR"
    assert "DataflowRunner" not in said["where"]


def test_a_template_is_one_stage_and_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Flex Templates run it: the job is written down, the process ends well, nothing is sealed."""
    apiclient = pytest.importorskip("apache_beam.runners.dataflow.internal.apiclient", reason="needs Beam")
    import google.auth
    from apache_beam.options.pipeline_options import GoogleCloudOptions

    from pipelines.engines.beam_jobs import DATAFLOW, BeamEngine
    from pipelines.one_stage import StopHere
    from pipelines.stage import Output, Stage, find_sealed

    staged: dict[str, bytes] = {}

    def stage_file(client: object, folder: str, name: str, stream: object, *more: object, **named: object) -> None:
        staged[name] = Path(stream).read_bytes() if isinstance(stream, str | Path) else stream.read()

    # No way to Google from here: its library signs in as nobody, and its uploads stay in this process.
    nobody = google.auth.credentials.AnonymousCredentials()
    monkeypatch.setattr(google.auth, "default", lambda **named: (nobody, "corpora"))
    monkeypatch.setattr(apiclient.DataflowApplicationClient, "stage_file_with_retry", stage_file)
    monkeypatch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda *all: None)
    site = ["--project=corpora", "--region=europe-west1", "--temp_location=gs://bucket/temp"]
    site += ["--staging_location=gs://bucket/stage", "--template_location=gs://bucket/job.json"]
    site += ["--sdk_container_image=europe-west1-docker.pkg.dev/corpora/tokentrail/tokentrail:1"]
    stage = Stage("documents", str(tmp_path), {}, [], None, 3, Output.tick)
    engine = BeamEngine(DATAFLOW, 1, lambda size, documents: None, [*OPTIONS, *site], {"corpus": "tiny"})
    with engine, pytest.raises(StopHere, match="stage documents is handed over"):
        engine.run(stage)
    assert find_sealed(stage) is None
    job = json.loads(staged["job.json"])
    assert job["labels"]["application"] == "tokentrail"
    pool = job["environment"]["workerPools"][0]
    assert (pool["machineType"], pool["diskSizeGb"]) == ("n2-highmem-8", 50)
    assert pool["ipConfiguration"] == "WORKER_IP_PRIVATE"
    assert "pipeline.pb" in staged
    assert "pickled_main_session" not in staged
