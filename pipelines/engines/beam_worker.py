"""A worker process of a direct build: one Beam harness after another, each until its job ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
from multiprocessing.connection import Connection

from pipelines.orphans import end_with


def serve(parent: int, line: Connection, quiet: bool) -> None:
    """Runs harnesses until the parent is gone.

    Args:
        parent: The process to end with.
        line: Brings (worker's id, address of the job); says True after each job, when this process is free again.
        quiet: Whether Beam keeps to itself what it reports to the job anyhow.
    """
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent decides what an interrupt means.
    if quiet:
        logging.disable()
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (a harness prints tracebacks on it, whatever the level)

    # Only now: it takes seconds, in which the parent may die.
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    while True:
        worker_id, address = line.recv()
        SdkHarness(address, worker_id=worker_id).run()
        line.send(True)
