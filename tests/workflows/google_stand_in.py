"""A server on loopback that answers as Google's REST interfaces are documented to.

What it says follows from a state that a test may change; what it is sent changes it too, as uploads do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PROJECT, NUMBER, REGION = "corpora", "415104041262", "europe-west1"
WORKER = f"tokentrail-worker@{PROJECT}.iam.gserviceaccount.com"
KEY = f"projects/{PROJECT}/locations/{REGION}/keyRings/ring/cryptoKeys/corpus"
DRIVER_TOKEN, WORKER_TOKEN = "ya29.driver", "ya29.worker"
DRIVER_MAY = ["compute.machineTypes.get", "compute.regions.get"] + [
    f"dataflow.{name}" for name in ("jobs.cancel", "jobs.create", "jobs.get", "jobs.list", "messages.list")
]
WORKER_MAY = ["logging.logEntries.create", "dataflow.shuffle.read", "dataflow.shuffle.write"] + [
    f"dataflow.workItems.{name}" for name in ("lease", "sendMessage", "update")
]
OBJECTS = [f"storage.objects.{name}" for name in ("get", "list", "create", "delete")]


def _bucket() -> dict[str, Any]:
    return {"location": REGION.upper(), "locationType": "region"}


def _quota(metric: str, limit: float, usage: float = 0.0) -> dict[str, Any]:
    return {"metric": metric, "limit": limit, "usage": usage, "owner": ""}


@dataclass
class Cloud:
    """What there is, and who may do what; all is as a launch needs it until a test says otherwise."""

    rules: str
    state: str = "ACTIVE"
    billed: bool = True
    services: set[str] = field(
        default_factory=lambda: {
            f"{name}.googleapis.com"
            for name in ["artifactregistry", "compute", "dataflow", "logging", "monitoring", "storage", "cloudkms"]
        }
    )
    may: dict[str, list[str]] = field(
        default_factory=lambda: {DRIVER_TOKEN: [*DRIVER_MAY], WORKER_TOKEN: [*WORKER_MAY]}
    )
    act_as: bool = True
    impersonate: bool = True
    disabled: bool = False
    buckets: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"store": _bucket(), "temp": _bucket(), "raw": _bucket()}
    )
    bucket_may: dict[str, list[str]] = field(
        default_factory=lambda: {"store": [*OBJECTS], "temp": [*OBJECTS], "raw": [*OBJECTS]}
    )
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    overwrites: bool = False
    quotas: list[dict[str, Any]] = field(
        default_factory=lambda: [
            _quota("CPUS", 72),
            _quota("N2_CPUS", 1000, 100),
            _quota("INSTANCES", 720),
            _quota("DISKS_TOTAL_GB", 40960),
            _quota("IN_USE_ADDRESSES", 8),
        ]
    )
    all_cores: float = 2000
    subnetwork: dict[str, Any] = field(
        default_factory=lambda: {"ipCidrRange": "10.132.0.0/20", "privateIpGoogleAccess": True}
    )
    key: dict[str, Any] = field(
        default_factory=lambda: {
            "name": KEY,
            "purpose": "ENCRYPT_DECRYPT",
            "primary": {"name": f"{KEY}/cryptoKeyVersions/1", "state": "ENABLED"},
        }
    )
    key_users: list[str] = field(
        default_factory=lambda: [
            f"serviceAccount:service-{NUMBER}@{agent}.iam.gserviceaccount.com"
            for agent in ("dataflow-service-producer-prod", "compute-system")
        ]
    )
    label: str | None = None
    many_machines: bool = False
    shuffle_regions: list[str] = field(default_factory=lambda: [REGION])


class NoSuchThingError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def answer(cloud: Cloud, method: str, url: str, token: str, body: bytes) -> dict[str, Any] | None:
    """What Google says; None for 204."""
    split = urlsplit(url)
    _, host, path = split.path.split("/", 2)
    query = parse_qs(split.query)
    if host.endswith("-docker.pkg.dev"):
        return _registry(cloud, path, token)
    speaks = {
        "cloudresourcemanager.googleapis.com": _resources,
        "cloudbilling.googleapis.com": _billing,
        "serviceusage.googleapis.com": _services,
        "iam.googleapis.com": _accounts,
        "iamcredentials.googleapis.com": _accounts,
        "compute.googleapis.com": _compute,
        "cloudkms.googleapis.com": _keys,
    }
    if host == "storage.googleapis.com":
        return _storage(cloud, method, path, query, body)
    return speaks[host](cloud, path, query, token, json.loads(body) if body else {})


Query = dict[str, list[str]]


def _resources(cloud: Cloud, path: str, query: Query, token: str, body: dict[str, Any]) -> dict[str, Any]:
    project, _, verb = path.removeprefix("v3/projects/").partition(":")
    if project != PROJECT:
        raise NoSuchThingError(403, "The caller does not have permission")
    if verb == "testIamPermissions":
        return {"permissions": [name for name in body["permissions"] if name in cloud.may[token]]}
    return {"name": f"projects/{NUMBER}", "projectId": PROJECT, "state": cloud.state}


def _billing(cloud: Cloud, path: str, query: Query, token: str, body: dict[str, Any]) -> dict[str, Any]:
    if path.endswith("/billingInfo"):
        return {"projectId": PROJECT, "billingEnabled": True} if cloud.billed else {"projectId": PROJECT}
    if path == "v1/services":
        names = {"A-1": "Cloud Storage", "D-1": "Cloud Dataflow"}
        return {"services": [{"name": f"services/{key}", "displayName": name} for key, name in names.items()]}
    assert path == "v1/services/D-1/skus"
    rate = {"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": 11000000}}
    price = {"pricingExpression": {"usageUnit": "GiBy", "tieredRates": [rate]}}
    said = ("vCPU Time Batch Belgium", "Shuffle chargeable data processed for Belgium")
    return {
        "skus": [
            {"description": each, "serviceRegions": cloud.shuffle_regions, "pricingInfo": [price]} for each in said
        ]
    }


def _services(cloud: Cloud, path: str, query: Query, token: str, body: dict[str, Any]) -> dict[str, Any]:
    assert path == f"v1/projects/{NUMBER}/services:batchGet"
    states = {
        name: "ENABLED" if name.rpartition("/")[2] in cloud.services else "DISABLED" for name in query["names"]
    }
    return {"services": [{"name": name, "state": state} for name, state in states.items()]}


def _accounts(cloud: Cloud, path: str, query: Query, token: str, body: dict[str, Any]) -> dict[str, Any]:
    account, _, verb = path.removeprefix("v1/projects/-/serviceAccounts/").partition(":")
    if account != WORKER:
        raise NoSuchThingError(404, "Unknown service account")
    if verb == "testIamPermissions":
        return {"permissions": body["permissions"]} if cloud.act_as else {}
    if verb == "generateAccessToken":
        if not cloud.impersonate:
            raise NoSuchThingError(403, "Permission 'iam.serviceAccounts.getAccessToken' denied on resource")
        return {"accessToken": WORKER_TOKEN, "expireTime": "2026-01-01T00:10:00Z"}
    return {"email": WORKER, "projectId": PROJECT, **({"disabled": True} if cloud.disabled else {})}


def _compute(cloud: Cloud, path: str, query: Query, token: str, body: dict[str, Any]) -> dict[str, Any]:
    project, _, rest = path.removeprefix("compute/v1/projects/").partition("/")
    assert project == PROJECT
    if rest == "":
        return {"quotas": [_quota("CPUS_ALL_REGIONS", cloud.all_cores), _quota("NETWORKS", 5, 1)]}
    if rest == f"regions/{REGION}":
        zone = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones/{REGION}-b"
        return {"name": REGION, "status": "UP", "quotas": cloud.quotas, "zones": [zone]}
    if rest == f"zones/{REGION}-b/machineTypes/n2-highmem-8":
        return {"name": "n2-highmem-8", "guestCpus": 8, "memoryMb": 65536}
    if rest == f"regions/{REGION}/subnetworks/default":
        return {"name": "default", **cloud.subnetwork}
    raise NoSuchThingError(404, f"The resource 'projects/{PROJECT}/{rest}' was not found")


def _keys(cloud: Cloud, path: str, query: Query, token: str, body: dict[str, Any]) -> dict[str, Any]:
    if path == f"v1/{KEY}":
        return cloud.key
    if path == f"v1/{KEY}:getIamPolicy":
        role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
        return {"version": 1, "bindings": [{"role": role, "members": cloud.key_users}]}
    raise NoSuchThingError(404, f"CryptoKey {path} not found.")


def _storage(cloud: Cloud, method: str, path: str, query: Query, body: bytes) -> dict[str, Any] | None:
    name, _, rest = path.removeprefix("upload/").removeprefix("storage/v1/b/").partition("/")
    if name not in cloud.buckets:
        raise NoSuchThingError(404, "The specified bucket does not exist.")
    bucket = cloud.buckets[name]
    if bucket.get("billing", {}).get("requesterPays") and "userProject" not in query:
        raise NoSuchThingError(400, "Bucket is a requester pays bucket but no user project provided.")
    if rest == "":
        return {"kind": "storage#bucket", "name": name, **bucket}
    if rest == "iam/testPermissions":
        held = [each for each in query["permissions"] if each in cloud.bucket_may[name]]
        return {"kind": "storage#testIamPermissionsResponse", **({"permissions": held} if held else {})}
    if method == "DELETE":
        del cloud.objects[name, unquote(rest.removeprefix("o/"))]
        return None
    assert (method, rest, query["uploadType"]) == ("POST", "o", ["media"])
    place = name, query["name"][0]
    if place in cloud.objects and query.get("ifGenerationMatch") == ["0"] and not cloud.overwrites:
        raise NoSuchThingError(412, "At least one of the pre-conditions you specified did not hold.")
    cloud.objects[place] = body
    return {"kind": "storage#object", "bucket": name, "name": place[1], "generation": "1763713937000000"}


def _registry(cloud: Cloud, path: str, token: str) -> dict[str, Any]:
    if token != WORKER_TOKEN:
        raise NoSuchThingError(403, "denied")
    image = f"v2/{PROJECT}/tokentrail/tokentrail"
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + 64 * "c"}
    amd64 = "sha256:" + 64 * "a"
    if path == f"{image}/manifests/1" and cloud.many_machines:
        kinds = {"arm64": "sha256:" + 64 * "b", "amd64": amd64}
        return {
            "manifests": [{"digest": each, "platform": {"architecture": kind}} for kind, each in kinds.items()]
        }
    if path in (f"{image}/manifests/1", f"{image}/manifests/{amd64}"):
        return {"schemaVersion": 2, "config": config, "layers": []}
    if path == f"{image}/blobs/{config['digest']}":
        label = cloud.rules if cloud.label is None else cloud.label
        return {"architecture": "amd64", "config": {"Labels": {"org.tokentrail.rules": label} if label else None}}
    raise NoSuchThingError(404, "Failed to fetch the manifest: it is unknown")


@contextmanager
def serve(cloud: Cloud) -> Iterator[str]:
    """The server; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status: int = 200
            said: dict[str, Any] | None
            if self.path == "/token":
                said = {"access_token": DRIVER_TOKEN, "expires_in": 3599, "token_type": "Bearer"}
            else:
                try:
                    token = self.headers["Authorization"].removeprefix("Bearer ")
                    said = answer(cloud, self.command, self.path, token, body)
                except NoSuchThingError as error:
                    status, said = error.status, {"error": {"code": error.status, "message": str(error)}}
            data = b"" if said is None else json.dumps(said).encode()
            self.send_response(204 if said is None else status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_key(path: Path, endpoint: str) -> None:
    """A service account's key as Google gives it, whose tokens this server issues."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    driver = f"driver@{PROJECT}.iam.gserviceaccount.com"
    key = {"type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": pem}
    path.write_text(json.dumps(key | {"client_email": driver, "client_id": "1", "token_uri": f"{endpoint}/token"}))
