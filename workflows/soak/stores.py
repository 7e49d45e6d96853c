"""Builds a recipe into an S3 store that fails one request in twenty: nothing may show it.

    python workflows/soak/stores.py --recipe workflows/recipes/sample.toml --data data/sample [--one-in 20]

One build is made in a folder. Then the inputs are put into a bucket of a real S3 server on loopback, and the same
recipe is built from there to there through a proxy that answers 500 or 503, hangs up before or after a request is
done, or cuts a body short. A build that stops must say why in three lines, and is started again. Exits 1 when the
digest is another than the folder's, `audit.py verify` finds fault with the bucket, or a build dies otherwise.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from failing_proxy import FailingProxy
from s3_server import environment, s3_server

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
ATTEMPTS = 20  # of a build that is stopped by faults again and again
DATA, STORE = "s3://soak/data", "s3://soak/store"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PIPELINES / program), *arguments], capture_output=True, text=True)


def sealed(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a build: what it sealed.

    Raises:
        RuntimeError: It failed.
    """
    if done.returncode:
        raise RuntimeError(f"the build ended with {done.returncode}:\n{done.stderr}")
    return done.stdout.splitlines()[-1]


def build_through_faults(line: Sequence[str]) -> tuple[str, int]:
    """Starts a build until it is done: what it sealed, and how often it stopped.

    Raises:
        RuntimeError: It stopped too often, or without saying why.
    """
    for stops in range(ATTEMPTS):
        done = run("build_corpus.py", *line)
        if done.returncode != 2 or "Traceback" in done.stderr or "\n   do: " not in done.stderr:
            return sealed(done), stops
    raise RuntimeError(f"the build was stopped {ATTEMPTS} times:\n{done.stderr}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--one-in", type=int, default=20, help="of so many requests one fails (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws which, and how (%(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    line = ["--recipe", options.recipe, "--workers", str(options.workers)]
    with tempfile.TemporaryDirectory() as folder, s3_server() as endpoint:
        expected = sealed(run("build_corpus.py", *line, "--data", options.data, "--out", folder))
        os.environ.update(environment(endpoint))
        import fsspec

        files = fsspec.filesystem("s3")
        files.mkdir("soak")
        files.put(options.data.rstrip("/") + "/", DATA + "/", recursive=True)
        with FailingProxy(endpoint, options.one_in, options.seed) as proxy:
            os.environ["AWS_ENDPOINT_URL"] = proxy.url
            found, stops = build_through_faults([*line, "--data", DATA, "--out", STORE])
            os.environ["AWS_ENDPOINT_URL"] = endpoint
        name, _, version = found.split()[1].partition("@")
        verified = run("audit.py", "verify", f"{STORE}/refs/{name}/{version}")
    faults = ", ".join(f"{count} x {fault}" for fault, count in sorted(proxy.tally().items()))
    print(f"{len(proxy.asked)} requests; {faults}; {stops} stops")
    print(found)
    if verified.returncode:
        print(verified.stderr, file=sys.stderr)
    if found != expected:
        print(f"left alone: {expected}", file=sys.stderr)
    return int(found != expected or verified.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
