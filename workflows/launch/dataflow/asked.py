"""What a launch asks for: the options of build_corpus.py and of Beam that a preflight has to know."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """What a launch asks for; the names are the options'.

    Attributes:
        workers: The most there may be at once, `--max_num_workers`.
        disk_gb: Of each worker, in GB.
        requester: The project that pays for reading buckets that ask for it, or "".
        rules: The digest of this release's rules; an image with other ones is refused.
    """

    project: str
    region: str
    data: str
    out: str
    temp: str
    image: str
    service_account: str
    machine_type: str
    workers: int
    disk_gb: int
    disk_type: str
    subnetwork: str
    public_ips: bool
    key: str
    requester: str
    rules: str

    def buckets(self) -> list[tuple[str, str]]:
        """The options that name buckets, with the bucket, the store first."""
        urls = (("--out", self.out), ("--temp_location", self.temp), ("--data", self.data))
        return [(option, url.removeprefix("gs://").partition("/")[0]) for option, url in urls]


def parser() -> argparse.ArgumentParser:
    """Beam's names and its aliases; whatever else a launch has is none of a preflight's business."""
    top = argparse.ArgumentParser(
        prog="preflight.py",
        description="Checks what a launch on Dataflow needs, before it spends; takes the launch's own arguments.",
        allow_abbrev=False,
    )
    for name, what in (
        ("project", "the project that pays"),
        ("region", "where the workers run"),
        ("data", "the raw files, gs://..."),
        ("out", "the store, gs://..."),
        ("temp_location", "where Beam stages, gs://..."),
        ("sdk_container_image", "the workers' image"),
        ("service_account_email", "the workers' account"),
    ):
        top.add_argument(f"--{name}", required=True, help=what)
    top.add_argument("--machine_type", "--worker_machine_type", default="n2-highmem-8")
    top.add_argument("--max_num_workers", type=int, required=True, help="the most workers at once")
    top.add_argument("--disk_size_gb", type=int, default=50)
    top.add_argument("--worker_disk_type", "--disk_type", default="pd-standard")
    top.add_argument("--subnetwork", default="default")
    top.add_argument("--dataflow_kms_key", default="", help="the key that all is encrypted with")
    top.add_argument("--use_public_ips", dest="public_ips", action="store_true", default=True)
    top.add_argument("--no_use_public_ips", dest="public_ips", action="store_false")
    top.add_argument("--endpoint", default="", help=argparse.SUPPRESS)  # a stand-in for Google, for tests
    return top


def asked(options: argparse.Namespace, rules: str) -> Asked:
    return Asked(
        project=options.project,
        region=options.region,
        data=options.data,
        out=options.out,
        temp=options.temp_location,
        image=options.sdk_container_image,
        service_account=options.service_account_email,
        machine_type=options.machine_type,
        workers=options.max_num_workers,
        disk_gb=options.disk_size_gb,
        disk_type=options.worker_disk_type.rpartition("/")[2],
        subnetwork=options.subnetwork,
        public_ips=options.public_ips,
        key=options.dataflow_kms_key,
        requester=os.environ.get("FSSPEC_GCS_REQUESTER_PAYS", ""),
        rules=rules,
    )
