"""Whether the buckets are where the workers are, and take what a build writes as it writes it."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from workflows.launch.dataflow.asked import Asked
from workflows.launch.dataflow.google_rest import FailedError, Google, RefusedError

STORAGE = "storage.googleapis.com"
READ = ("storage.objects.get", "storage.objects.list")
WRITE = (*READ, "storage.objects.create", "storage.objects.delete")  # markers and spills go once a stage is sealed


def bucket(google: Google, worker: Google, asked: Asked, option: str, name: str) -> str:
    """A bucket: there, near, and open to the workers for what the option means."""
    place = f"{option} gs://{name}"
    try:
        found = google.get(STORAGE, f"storage/v1/b/{name}", userProject=asked.requester)
    except RefusedError as error:
        if error.status == 400 and not asked.requester:
            raise _nobody_pays(place) from error
        raise FailedError(
            f"the bucket does not answer: {error}", place, "check its name, and who is signed in"
        ) from error
    if found.get("billing", {}).get("requesterPays") and not asked.requester:
        raise _nobody_pays(place)
    near = asked.region in _regions(found)
    if option != "--data" and not near:
        raise FailedError(
            f"the bucket is in {found['location']}, the workers in {asked.region}: every byte would be paid for",
            place,
            f"name a bucket in {asked.region}, or let the workers run there with --region",
        )
    _check_permissions(worker, asked, place, READ if option == "--data" else WRITE)
    said = [
        f"{place} is in {found['location']}",
        "workers may read it" if option == "--data" else "workers may write",
    ]
    if not near:
        said.append("to read it costs transfer between regions")
    if option != "--data" and int(found.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0)):
        said.append("soft delete keeps and bills spills that are removed: --clear-soft-delete")
    return "; ".join(said)


def _nobody_pays(place: str) -> FailedError:
    return FailedError(
        "the bucket's requesters pay, and no project is named that does",
        place,
        "export FSSPEC_GCS_REQUESTER_PAYS=PROJECT, and build the image with --build-arg REQUESTER_PAYS=PROJECT",
    )


def _regions(found: dict[str, Any]) -> list[str]:
    """The regions whose machines have a bucket at hand: its own, or both of a pair; none of a continent."""
    pair = found.get("customPlacementConfig", {}).get("dataLocations", [])
    return [name.lower() for name in (pair or [found["location"]])]


def _check_permissions(worker: Google, asked: Asked, place: str, wanted: tuple[str, ...]) -> None:
    name = place.rpartition("/")[2]
    path = f"storage/v1/b/{name}/iam/testPermissions"
    answer = worker.get(STORAGE, path, permissions=list(wanted), userProject=asked.requester)
    if lacking := [each for each in wanted if each not in answer.get("permissions", ())]:
        role = "roles/storage.objectViewer" if wanted == READ else "roles/storage.objectUser"
        raise FailedError(
            f"workers may not: {', '.join(lacking)}",
            place,
            f"grant {role} on the bucket to {asked.service_account}",
        )


def conditional_create(google: Google, asked: Asked) -> str:
    """Of two writers of one name the first wins, which is what a store rests on: tried with a small object.

    Raises:
        FailedError: The store's bucket takes nothing, or takes a name twice.
    """
    option, name = asked.buckets()[0]
    place, probe = f"{option} gs://{name}", f"tokentrail-preflight-{secrets.token_hex(8)}"
    path, who = f"upload/storage/v1/b/{name}/o", {"userProject": asked.requester}

    def create() -> None:
        google.post(STORAGE, path, b"preflight", uploadType="media", name=probe, ifGenerationMatch=0, **who)

    try:
        create()
    except RefusedError as error:
        raise FailedError(
            f"you cannot write to the store: {error}", place, "have roles/storage.objectUser granted to you on it"
        ) from error
    try:
        create()
        held = False
    except RefusedError as error:
        held = error.status == 412
    google.delete(STORAGE, f"storage/v1/b/{name}/o/{quote(probe, safe='')}", **who)
    if not held:
        raise FailedError(
            "a name that was taken was given again",
            place,
            "use a bucket of Cloud Storage itself, not a copy of it",
        )
    return f"{place}: a taken name is refused"
