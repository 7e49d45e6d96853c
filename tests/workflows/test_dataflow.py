"""Every stage of a real build, translated for Dataflow without a network, and for Flink and Spark.

Replaced is what Google would answer, and nothing of ours or of Beam's.
"""

from __future__ import annotations

import io
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_demo import GOLDEN, ROOT

from corpus.errors import EngineError
from corpus.source import find_blobs
from pipelines import seal, stages
from pipelines.build import Build
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.log_lines import LOGGER
from pipelines.progress import Progress
from pipelines.stage import Output, Stage
from pipelines.stage_file import read_stage

if not os.environ.get("CI"):  # where CI lacks Beam, that is a failure
    pytest.importorskip("apache_beam", reason="Beam is not installed: workflows/install beam")

import google.auth
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.portability.api import beam_runner_api_pb2 as portable
from apache_beam.runners.dataflow.internal import apiclient
from apache_beam.transforms.environments import DockerEnvironment
from google.auth.credentials import AnonymousCredentials

from corpus.recipe import load_recipe
from pipelines.engines import beam_graph
from pipelines.engines.beam_jobs import BeamEngine
from pipelines.engines.dataflow import label

IMAGE = "europe-docker.pkg.dev/a-project/images/tokentrail:1"
OPTIONS = f"""
    --project=a-project --region=europe-west4 --temp_location=gs://bucket/tmp --labels=team=corpora
    --sdk_container_image={IMAGE} --sdk_location=container
    --worker_machine_type=n2-highmem-8 --disk_size_gb=200 --max_num_workers=100
    --service_account_email=worker@a-project.iam.gserviceaccount.com --no_use_public_ips
    --subnetwork=regions/europe-west4/subnetworks/private
    --dataflow_kms_key=projects/p/locations/l/keyRings/r/cryptoKeys/k
""".split()


@dataclass
class Google:
    """What Google was sent, and how its jobs are.

    Attributes:
        state: Of every job from its start.
        interrupts: Whether the person interrupts when the job is first looked at.
    """

    state: str = "JOB_STATE_DONE"
    interrupts: bool = False
    staged: dict[str, bytes] = field(default_factory=dict)
    jobs: list[Any] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def pipeline(self) -> portable.Pipeline:
        return portable.Pipeline.FromString(self.staged["pipeline.pb"])


@pytest.fixture
def google_cloud(monkeypatch: pytest.MonkeyPatch) -> Google:
    """Google's side of the wire."""
    found = Google()

    def stage_file(client: Any, folder: str, name: str, stream: Any, **_: Any) -> None:
        found.staged[name] = stream.read()

    def submit(client: Any, job: Any) -> Any:
        job.proto.id, job.proto.current_state = f"job-{len(found.jobs)}", found.state
        found.jobs.append(job.proto)
        return job.proto

    def get_job(client: Any, job_id: str) -> Any:
        if found.interrupts:
            found.interrupts = False
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait()  # the thread that polls: it would go on to ask Google itself
        return found.jobs[-1]

    def modify(client: Any, job_id: str, state: str) -> bool:
        found.asked.append((job_id, state))
        return True

    client = apiclient.DataflowApplicationClient
    monkeypatch.setattr(google.auth, "default", lambda *a, **k: (AnonymousCredentials(), "a-project"))
    monkeypatch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda *a: None)
    monkeypatch.setattr(client, "stage_file_with_retry", stage_file)
    monkeypatch.setattr(client, "submit_job_description", submit)
    monkeypatch.setattr(client, "get_job", get_job)
    monkeypatch.setattr(client, "list_messages", lambda *a, **k: ([], None))
    monkeypatch.setattr(client, "modify_job_state", modify)
    return found


def dataflow(**labels: str) -> BeamEngine:
    return BeamEngine("DataflowRunner", 1, lambda *_: None, OPTIONS, labels)


class Translator:
    """An engine that has each stage translated, then run in this process."""

    def __init__(self, cloud: Google) -> None:
        self._cloud, self._local = cloud, LocalEngine(1, lambda *_: None)
        self._dataflow = dataflow(corpus="sample", version="1.0.0")
        self._others = [BeamEngine(runner, 1, lambda *_: None) for runner in ("FlinkRunner", "SparkRunner")]
        self.seen: list[str] = []

    def run(self, stage: Stage) -> None:
        """Holds what each runner would be told against the stage."""
        self.seen.append(stage.name)
        self._dataflow.run(stage)
        assert set(self._cloud.staged) == {"pipeline.pb"}  # no main session, no list of what is installed here
        sent = self._cloud.pipeline()
        check_graph(sent, stage)
        check_job(self._cloud.jobs[-1], stage)
        image = DockerEnvironment.from_container_image(IMAGE)
        for engine in self._others:
            check_graph(engine.pipeline(stage).to_runner_api(default_environment=image), stage)
        self._local.run(stage)


def check_graph(sent: portable.Pipeline, stage: Stage) -> None:
    """A map is spread and run; an exchange is one GroupByKey of packed blocks, and there is no other."""
    parts, exchange = sent.components, stage.reduce is not None
    named = {transform.unique_name: transform for transform in parts.transforms.values()}
    groupings = {name for name, one in named.items() if one.spec.urn == "beam:transform:group_by_key:v1"}
    assert {name for name in groupings if "/ReshufflePerKey/" not in name} == (
        {f"{stage.name}: exchange"} if exchange else set()
    )
    (root,) = (parts.transforms[name] for name in sent.root_transform_ids)
    steps = ["tasks", "numbers", "spread", "map"]
    if exchange:
        steps += ["partitions", "no rows", "all partitions", "exchange", "reduce"]
    assert {parts.transforms[name].unique_name for name in root.subtransforms} == {
        f"{stage.name}: {step}" for step in steps
    }
    assert coders(sent, named[f"{stage.name}: map"].inputs) == ["varint"]
    if exchange:
        grouping = named[f"{stage.name}: exchange"]
        assert coders(sent, grouping.inputs) == ["kv(varint, bytes)"]
        assert coders(sent, grouping.outputs) == ["kv(varint, iterable(bytes))"]
    (environment,) = parts.environments.values()
    assert environment.urn == "beam:env:docker:v1"
    assert portable.DockerPayload.FromString(environment.payload).container_image == IMAGE
    assert not environment.dependencies
    assert sent.ByteSize() < 100_000
    check_task(named[f"{stage.name}: map"], stage, beam_graph.MapBlocks if exchange else beam_graph.MapTask)
    if exchange:
        check_task(named[f"{stage.name}: reduce"], stage, beam_graph.ReduceTask)


def coders(sent: portable.Pipeline, collections: Any) -> list[str]:
    """The coders of some collections, as `kv(varint, bytes)`."""

    def say(coder_id: str) -> str:
        coder = sent.components.coders[coder_id]
        inner = ", ".join(say(component) for component in coder.component_coder_ids)
        return coder.spec.urn.removeprefix("beam:coder:").removesuffix(":v1") + (f"({inner})" if inner else "")

    return [say(sent.components.pcollections[name].coder_id) for name in collections.values()]


def check_task(transform: Any, stage: Stage, kind: type) -> None:
    """What a worker unpickles is a class it imports, and leads it to the stage in the store."""
    payload = portable.ParDoPayload.FromString(transform.spec.payload)
    task = pickler.loads(payload.do_fn.payload)[0]
    assert type(task) is kind
    assert read_stage(task._url).key == stage.key


def check_job(job: Any, stage: Stage) -> None:
    """The worker pool and what a person finds the job by."""
    assert job.name == f"tokentrail-{stage.name}-{stage.key}"
    assert len(job.name) <= 63
    assert dict(job.labels) == {"team": "corpora", "corpus": "sample", "version": "1-0-0", "stage": stage.name}
    environment = job.environment
    assert environment.service_account_email == "worker@a-project.iam.gserviceaccount.com"
    assert environment.service_kms_key_name.endswith("cryptoKeys/k")
    assert "use_runner_v2" in list(environment.experiments)
    (pool,) = environment.worker_pools
    assert pool.machine_type == "n2-highmem-8"
    assert pool.disk_size_gb == 200
    assert pool.autoscaling_settings.max_num_workers == 100
    assert pool.subnetwork == "regions/europe-west4/subnetworks/private"
    assert pool.ip_configuration.name == "WORKER_IP_PRIVATE"
    assert [image.container_image for image in pool.sdk_harness_container_images] == [IMAGE]
    assert not pool.packages


def test_every_stage_of_a_build_is_ready_for_dataflow(
    sample_data: Path, tmp_path: Path, google_cloud: Google, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", LOGGER.name)
    recipe, store = load_recipe(str(ROOT / "workflows/recipes/sample.toml"), ()), str(tmp_path / "store")
    translator = Translator(google_cloud)
    driver = Driver(translator, Progress(io.StringIO()))
    recipe = recipe.naming("gpt2")
    build = Build(recipe, str(sample_data), store, "gpt2", "tokenizers", driver)
    blobs = stages.pin_blobs(build, find_blobs(recipe, str(sample_data)).blobs)
    vocabulary = stages.run(build, blobs)
    manifest = seal.manifest_of(recipe, blobs, driver.sealed, vocabulary)
    assert f"sha256:{seal.publish(store, manifest, driver.sealed, {})}" == GOLDEN
    assert len(translator.seen) == len(set(translator.seen)) == len(driver.sealed) >= 17
    watched = "job: https://console.cloud.google.com/dataflow/jobs/europe-west4/job-0?project=a-project"
    assert watched in caplog.text


def nothing(job: None, number: int, output: Output) -> None:
    output.counts["tasks"] += 1


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage("nothing", str(tmp_path), {"version": 1}, [], None, 3, nothing)


def test_an_interrupt_cancels_the_job(stage: Stage, google_cloud: Google) -> None:
    google_cloud.state, google_cloud.interrupts = "JOB_STATE_RUNNING", True
    with pytest.raises(KeyboardInterrupt):
        dataflow().run(stage)
    assert google_cloud.asked == [("job-0", "JOB_STATE_CANCELLED")]


def test_a_stage_is_ever_translated_alike(stage: Stage, google_cloud: Google) -> None:
    dataflow().run(stage)
    once = google_cloud.pipeline()
    dataflow().run(stage)
    assert google_cloud.pipeline() == once


def test_a_job_that_failed_is_said_to_have(stage: Stage, google_cloud: Google) -> None:
    google_cloud.state = "JOB_STATE_FAILED"
    with pytest.raises(EngineError, match=r"Dataflow pipeline failed. State: FAILED") as caught:
        dataflow().run(stage)
    assert caught.value.where == "stage nothing"


@pytest.mark.parametrize("text", ["Opt-Lawful", "1.0.0+without.books", "ä" * 100, "", "a b"])
def test_labels_are_what_google_allows(text: str) -> None:
    found = label(text)
    assert len(found) <= 63
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert np.all([a == b for a, b in zip(text.lower(), found, strict=False) if a.isascii() and a.isalnum()])
