"""Who asks, for whom the workers work, and what both may do."""

from __future__ import annotations

from workflows.launch.dataflow.asked import Asked
from workflows.launch.dataflow.google_rest import SCOPE, FailedError, Google, RefusedError

RESOURCES, USAGE, IAM = "cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com", "iam.googleapis.com"
SERVICES = ("artifactregistry", "compute", "dataflow", "logging", "monitoring", "storage")
# Of roles/dataflow.developer and roles/compute.viewer: what the driver does, and nothing it does not.
DRIVER = (
    "compute.machineTypes.get",
    "compute.regions.get",
    "dataflow.jobs.cancel",
    "dataflow.jobs.create",
    "dataflow.jobs.get",
    "dataflow.jobs.list",
    "dataflow.messages.list",
)
# Of roles/dataflow.worker.
WORKER = (
    "dataflow.shuffle.read",
    "dataflow.shuffle.write",
    "dataflow.workItems.lease",
    "dataflow.workItems.sendMessage",
    "dataflow.workItems.update",
    "logging.logEntries.create",
)


def project_number(google: Google, asked: Asked) -> str:
    """The number of the project; it is active, and somebody pays for it."""
    try:
        project = google.get(RESOURCES, f"v3/projects/{asked.project}")
    except RefusedError as error:
        raise FailedError(
            f"the project does not answer: {error}", asked.project, "check --project, and who is signed in"
        ) from error
    if project.get("state") != "ACTIVE":
        raise FailedError(
            f"the project is {project.get('state')}", asked.project, "restore it, or name another with --project"
        )
    if not google.get("cloudbilling.googleapis.com", f"v1/projects/{asked.project}/billingInfo").get(
        "billingEnabled"
    ):
        raise FailedError(
            "no billing account pays for the project", asked.project, "gcloud billing projects link PROJECT"
        )
    return str(project["name"]).removeprefix("projects/")


def services(google: Google, asked: Asked, number: str) -> str:
    wanted = [f"{name}.googleapis.com" for name in (*SERVICES, *(("cloudkms",) if asked.key else ()))]
    names = [f"projects/{number}/services/{name}" for name in wanted]
    answer = google.get(USAGE, f"v1/projects/{number}/services:batchGet", names=names)
    enabled = {entry["name"].rpartition("/")[2] for entry in answer["services"] if entry["state"] == "ENABLED"}
    if missing := [name for name in wanted if name not in enabled]:
        raise FailedError(
            f"services are not enabled: {', '.join(missing)}",
            asked.project,
            f"gcloud services enable {' '.join(missing)} --project {asked.project}",
        )
    return f"{len(wanted)} services are enabled"


def driver_permissions(google: Google, asked: Asked) -> str:
    if lacking := google.lacking(RESOURCES, f"v3/projects/{asked.project}", DRIVER):
        raise FailedError(
            f"you may not: {', '.join(lacking)}",
            asked.project,
            "have roles/dataflow.developer and roles/compute.viewer granted to you on the project",
        )
    return "you may create, watch and cancel jobs"


def worker_account(google: Google, asked: Asked) -> Google:
    """The workers' own identity: they exist, this person may let them work, and this is what they can do."""
    account = f"v1/projects/-/serviceAccounts/{asked.service_account}"
    try:
        found = google.get(IAM, account)
    except RefusedError as error:
        raise FailedError(
            f"there is no such account: {error}", asked.service_account, "gcloud iam service-accounts create NAME"
        ) from error
    if found.get("disabled"):
        raise FailedError(
            "the account is disabled", asked.service_account, "gcloud iam service-accounts enable EMAIL"
        )
    if google.lacking(IAM, account, ("iam.serviceAccounts.actAs",)):
        raise FailedError(
            "you may not let workers run as this account",
            asked.service_account,
            "have roles/iam.serviceAccountUser granted to you on the account",
        )
    try:
        body = {"scope": [SCOPE], "lifetime": "600s"}
        token = google.post("iamcredentials.googleapis.com", f"{account}:generateAccessToken", body)["accessToken"]
    except RefusedError as error:
        raise FailedError(
            f"what the workers may do cannot be asked in their name: {error}",
            asked.service_account,
            "have roles/iam.serviceAccountTokenCreator granted to you on the account, for this check",
        ) from error
    return Google(token, google.endpoint)


def worker_permissions(worker: Google, asked: Asked) -> str:
    if lacking := worker.lacking(RESOURCES, f"v3/projects/{asked.project}", WORKER):
        raise FailedError(
            f"workers may not: {', '.join(lacking)}",
            asked.service_account,
            "grant roles/dataflow.worker to the account on the project",
        )
    return "workers may lease work and shuffle"
