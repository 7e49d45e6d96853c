"""Checks all that a launch on Dataflow needs before it spends anything; exits 0 when all is well, else 1.

    python workflows/launch/dataflow/preflight.py --project P --region R --data gs://... --out gs://... ...

Takes the arguments of the launch itself. It reads, but for one object of nine bytes that it creates in the store,
tries to create again, and removes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from pipelines.fleet import versions
from workflows.launch.dataflow import identity_checks, resource_checks, storage_checks
from workflows.launch.dataflow.asked import Asked, asked, parser
from workflows.launch.dataflow.google_rest import FailedError, Google, RefusedError, sign_in


def checks(google: Google, worker: Google, launch: Asked, number: str) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is checked once it is known who asks and who works; none waits for another."""
    yield "services", partial(identity_checks.services, google, launch, number)
    yield "driver", partial(identity_checks.driver_permissions, google, launch)
    yield "workers", partial(identity_checks.worker_permissions, worker, launch)
    for option, name in launch.buckets():
        yield "bucket", partial(storage_checks.bucket, google, worker, launch, option, name)
    yield "create", partial(storage_checks.conditional_create, google, launch)
    yield "quota", partial(resource_checks.quota, google, launch)
    yield "network", partial(resource_checks.subnetwork, google, launch)
    yield "key", partial(resource_checks.key, google, launch, number)
    yield "image", partial(resource_checks.image, worker, launch)
    yield "shuffle", partial(resource_checks.shuffle_price, google, launch)


def main(argv: Sequence[str] | None = None) -> int:
    options, _ = parser().parse_known_args(argv)
    launch = asked(options, versions()["rules"])
    try:
        google = sign_in(options.endpoint)
        number = identity_checks.project_number(google, launch)
        worker = identity_checks.worker_account(google, launch)
    except (FailedError, RefusedError) as error:
        print(_failed("sign-in", error))  # everything else is asked of a project, in an identity's name
        return 1
    print(f"ok      sign-in   {launch.project}, number {number}; workers are {launch.service_account}")
    wrong = 0
    for name, find in checks(google, worker, launch, number):
        try:
            print(f"ok      {name:<9} {find()}")
        except (FailedError, RefusedError) as error:
            print(_failed(name, error))
            wrong += 1
    print(f"{wrong} of the checks failed: nothing was launched" if wrong else "all is well")
    return 1 if wrong else 0


def _failed(name: str, error: FailedError | RefusedError) -> str:
    if isinstance(error, RefusedError):
        error = FailedError(f"Google does not say: {error}", "what was asked", "have roles/viewer granted to you")
    return f"FAILED  {name:<9} {error.what}\n{'at:':>20} {error.where}\n{'do:':>20} {error.remedy}"


if __name__ == "__main__":
    sys.exit(main())
