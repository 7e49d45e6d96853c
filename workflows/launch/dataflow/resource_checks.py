"""Machines, disks, addresses, the key, the image: whether there is as much as a launch asks for."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from workflows.launch.dataflow.asked import Asked
from workflows.launch.dataflow.google_rest import FailedError, Google, RefusedError

COMPUTE, KMS, BILLING = "compute.googleapis.com", "cloudkms.googleapis.com", "cloudbilling.googleapis.com"
RULES_LABEL = "org.tokentrail.rules"


def quota(google: Google, asked: Asked) -> str:
    """Cores, instances, disks and addresses of the region, and the cores of all regions, against what is asked."""
    project = f"compute/v1/projects/{asked.project}"
    region = google.get(COMPUTE, f"{project}/regions/{asked.region}")
    zone = region["zones"][0].rpartition("/")[2]
    try:
        machine = google.get(COMPUTE, f"{project}/zones/{zone}/machineTypes/{asked.machine_type}")
    except RefusedError as error:
        raise FailedError(
            f"there is no such machine: {error}",
            f"{asked.machine_type} in {zone}",
            "choose another --machine_type",
        ) from error
    there = {entry["metric"]: entry for entry in region["quotas"]}
    cores, family = asked.workers * machine["guestCpus"], f"{asked.machine_type.partition('-')[0].upper()}_CPUS"
    wanted = {
        family if family in there else "CPUS": cores,
        "INSTANCES": asked.workers,
        "DISKS_TOTAL_GB" if asked.disk_type == "pd-standard" else "SSD_TOTAL_GB": asked.workers * asked.disk_gb,
    }
    if asked.public_ips:
        wanted["IN_USE_ADDRESSES"] = asked.workers
    _check_quota(there, wanted, asked.region)
    everywhere = {entry["metric"]: entry for entry in google.get(COMPUTE, project)["quotas"]}
    if "CPUS_ALL_REGIONS" in everywhere:
        _check_quota(everywhere, {"CPUS_ALL_REGIONS": cores}, asked.project)
    said = ", ".join(f"{count:,} of {_left(there, name):,.0f} {name}" for name, count in wanted.items())
    return f"{asked.workers} x {asked.machine_type}: {said}"


def _left(there: Mapping[str, Any], metric: str) -> float:
    entry = there.get(metric, {"limit": 0, "usage": 0})
    return float(entry["limit"] - entry["usage"])


def _check_quota(there: Mapping[str, Any], wanted: Mapping[str, int], where: str) -> None:
    short = [
        f"{count:,} {name}, {_left(there, name):,.0f} left"
        for name, count in wanted.items()
        if count > _left(there, name)
    ]
    if short:
        raise FailedError(
            f"the quota is too small: {'; '.join(short)}", where, "ask for more, or give fewer --max_num_workers"
        )


def subnetwork(google: Google, asked: Asked) -> str:
    """Workers without a public address reach Google by Private Google Access alone, and each takes an address."""
    if asked.public_ips:
        return "workers have public addresses: --no_use_public_ips costs less and shows less"
    words = asked.subnetwork.split("/")
    project = words[words.index("projects") + 1] if "projects" in words else asked.project
    path = f"compute/v1/projects/{project}/regions/{asked.region}/subnetworks/{words[-1]}"
    try:
        found = google.get(COMPUTE, path)
    except RefusedError as error:
        raise FailedError(
            f"there is no such subnetwork: {error}", f"{words[-1]} in {asked.region}", "name one with --subnetwork"
        ) from error
    if not found.get("privateIpGoogleAccess"):
        raise FailedError(
            "workers without public addresses could not reach Cloud Storage",
            f"subnetwork {words[-1]}",
            f"gcloud compute networks subnets update {words[-1]} --enable-private-ip-google-access",
        )
    # Four addresses of each range are Google's own.
    addresses = ipaddress.ip_network(found["ipCidrRange"]).num_addresses - 4
    if addresses < asked.workers:
        raise FailedError(
            f"{asked.workers} workers in a range of {addresses} addresses",
            f"subnetwork {words[-1]}, {found['ipCidrRange']}",
            "name a wider one with --subnetwork, or give fewer --max_num_workers",
        )
    return f"{words[-1]}, {found['ipCidrRange']}, reaches Google privately"


def key(google: Google, asked: Asked, number: str) -> str:
    """The key encrypts, lies where the workers are, and those who hold the disks may use it."""
    if not asked.key:
        return "no --dataflow_kms_key: Google's own keys encrypt"
    try:
        found = google.get(KMS, f"v1/{asked.key}")
        bindings = google.get(KMS, f"v1/{asked.key}:getIamPolicy").get("bindings", [])
    except RefusedError as error:
        raise FailedError(f"the key does not answer: {error}", asked.key, "check --dataflow_kms_key") from error
    if found.get("purpose") != "ENCRYPT_DECRYPT" or found.get("primary", {}).get("state") != "ENABLED":
        raise FailedError("the key has no enabled version that encrypts", asked.key, "enable one: gcloud kms keys")
    if f"/locations/{asked.region}/" not in f"/{asked.key}/":
        raise FailedError(
            f"the key is not in {asked.region}", asked.key, "Dataflow wants a key of the region its workers run in"
        )
    role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    may = {member for entry in bindings if entry["role"] == role for member in entry["members"]}
    agents = ("dataflow-service-producer-prod", "compute-system")
    wanted = [f"serviceAccount:service-{number}@{agent}.iam.gserviceaccount.com" for agent in agents]
    if lacking := [member for member in wanted if member not in may]:
        raise FailedError(
            f"these may not use the key: {', '.join(lacking)}", asked.key, f"grant {role} on the key itself"
        )
    return "the key is enabled, and Dataflow and Compute Engine may use it"


def image(worker: Google, asked: Asked) -> str:
    """The workers can pull the image, and it holds the rules of this release."""
    host, _, rest = asked.image.partition("/")
    name, sign, reference = rest.rpartition("@") if "@" in rest else rest.rpartition(":")
    if not sign:
        name, reference = rest, "latest"
    try:
        manifest = worker.manifest(host, f"v2/{name}/manifests/{reference}")
        if "manifests" in manifest:
            fitting = [each for each in manifest["manifests"] if each["platform"]["architecture"] == "amd64"]
            if not fitting:
                raise FailedError("the image is not for these machines", asked.image, "build it for linux/amd64")
            manifest = worker.manifest(host, f"v2/{name}/manifests/{fitting[0]['digest']}")
        config = worker.get(host, f"v2/{name}/blobs/{manifest['config']['digest']}")
    except RefusedError as error:
        raise FailedError(
            f"workers cannot pull the image: {error}",
            asked.image,
            "build and push it: workflows/launch/image; grant the workers roles/artifactregistry.reader",
        ) from error
    found = (config.get("config", {}).get("Labels") or {}).get(RULES_LABEL, "none")
    if found != asked.rules:
        raise FailedError(
            f"the image holds other rules than this release: {found}, here {asked.rules}",
            asked.image,
            "build it from this very tree: workflows/launch/image dataflow REPOSITORY",
        )
    return f"the image holds this release's rules, {asked.rules}"


def shuffle_price(google: Google, asked: Asked) -> str:
    """What Google lists for a GiB of shuffle in the region: for a person, beside the estimate of --dry-run."""
    pages = google.get(BILLING, "v1/services", pageSize=5000)["services"]
    ids = [entry["name"] for entry in pages if "dataflow" in entry["displayName"].lower()]
    for service in ids:
        for sku in google.get(BILLING, f"v1/{service}/skus", pageSize=5000).get("skus", []):
            if "shuffle" in sku["description"].lower() and asked.region in sku["serviceRegions"]:
                expression = sku["pricingInfo"][-1]["pricingExpression"]
                price = expression["tieredRates"][-1]["unitPrice"]
                amount = int(price.get("units", 0)) + price.get("nanos", 0) / 1e9
                said = f"{amount:.4f} {price['currencyCode']} a {expression['usageUnit']}, {sku['description']}"
                return f"{said}: compare --dry-run's price table"
    raise FailedError(
        f"no price of shuffle is listed for {asked.region}",
        "Cloud Billing's catalogue",
        "see whether Dataflow serves the region, or choose another --region",
    )
