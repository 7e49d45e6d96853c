"""Builds on four hosts of a small network, and cuts their cables while it runs: the digest must not move.

    python workflows/soak/hosts.py --recipe workflows/recipes/sample.toml --data data/sample

The hosts are network namespaces of this machine: a Dask scheduler, two Dask workers and an S3 server, each behind
a cable of its own to one switch, where the build itself is started. Files and store both lie on the S3 server. The
same recipe is built on one machine first; then on the hosts, where a cable is pulled when a stage ends, and put
back after a while. Exits 1 when the digests differ or the build fails, 2 where no namespaces can be made (that
takes root, on Linux).
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ("scheduler", "worker-1", "worker-2", "s3")
NET = "10.77.0"  # unpublished: our choice; nobody outside the namespaces sees it
SCHEDULER_PORT, S3_PORT = 8786, 5000
START_SECONDS = 60.0
BUILD = (sys.executable, str(ROOT / "pipelines" / "build_corpus.py"))
UPLOAD = """\
import sys, s3fs
s3 = s3fs.S3FileSystem()
s3.mkdir("soak")
s3.put(sys.argv[1], "soak/data", recursive=True)
"""


@dataclass(frozen=True)
class Cut:
    """A cable is pulled when a stage has ended, and put back later."""

    after: str
    host: str
    seconds: float


CUTS = (
    Cut("documents", "worker-1", 20.0),
    Cut("exact", "s3", 10.0),
    Cut("verdicts", "worker-2", 45.0),
    Cut("layout", "scheduler", 10.0),
)


@dataclass
class Host:
    """A network namespace, held by a process that sleeps."""

    name: str
    number: int
    holder: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"{NET}.{self.number}"

    @property
    def cable(self) -> str:
        """The switch's end of its cable."""
        return f"port-{self.number}"

    def has_a_net(self) -> bool:
        """Whether it has left the namespace it was started in."""
        return Path(f"/proc/{self.holder.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()

    def answers(self, port: int) -> bool:
        """Whether something on it takes connections."""
        try:
            socket.create_connection((self.address, port), 1.0).close()
        except OSError:
            return False
        return True

    def inside(self, command: Sequence[str]) -> list[str]:
        """A command, to be run on this host."""
        return ["nsenter", "--net", "--target", str(self.holder.pid), *command]

    def plug(self, state: str) -> None:
        """`up` or `down`."""
        ip("link", "set", self.cable, state)


@dataclass
class Network:
    """The switch and its hosts, and what runs on them."""

    log: Path
    hosts: dict[str, Host] = field(default_factory=dict)

    def start(self, stack: ExitStack, host: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts a service on a host, to be ended with the stack."""
        with open(self.log / f"{host}.log", "wb") as out:
            process = subprocess.Popen(
                self.hosts[host].inside(command), stdout=out, stderr=out, env=dict(environment), cwd=self.log
            )
        stack.callback(_end, process)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@contextmanager
def network(log: Path) -> Iterator[Network]:
    """A switch and its hosts, for as long as this is entered; runs in a namespace of its own."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "switch", "type", "bridge")
    ip("address", "add", f"{NET}.1/24", "dev", "switch")
    ip("link", "set", "switch", "up")
    with ExitStack() as stack:
        made = Network(log)
        for number, name in enumerate(HOSTS, start=2):
            holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
            stack.callback(_end, holder)
            host = made.hosts[name] = Host(name, number, holder)
            _wait(host.has_a_net)
            ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            ip("link", "set", host.cable, "master", "switch")
            for words in (
                ["link", "set", "lo", "up"],
                ["address", "add", f"{host.address}/24", "dev", "eth0"],
                ["link", "set", "eth0", "up"],
            ):
                subprocess.run(host.inside(["ip", *words]), check=True)
            host.plug("up")
        yield made


def _wait(is_so: Callable[[], bool]) -> None:
    """Waits until something is so.

    Raises:
        TimeoutError: It is not, a minute later.
    """
    end = time.monotonic() + START_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError("a host, or a service of it, did not start")
        time.sleep(0.1)


def services(stack: ExitStack, net: Network, data: Path) -> dict[str, str]:
    """Starts what the hosts run, and puts the files on the S3 server; gives the environment to build in."""
    s3, scheduler = net.hosts["s3"], net.hosts["scheduler"]
    environment = dict(os.environ) | {
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": "soak",
        "AWS_SECRET_ACCESS_KEY": "soak",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{s3.address}:{S3_PORT}",
    }
    python = [sys.executable, "-m"]
    net.start(stack, "s3", [*python, "moto.server", "-H", s3.address, "-p", str(S3_PORT)], environment)
    dask = [*python, "distributed.cli.dask_scheduler", "--host", scheduler.address, "--no-dashboard"]
    net.start(stack, "scheduler", dask, environment)
    _wait(lambda: s3.answers(S3_PORT) and scheduler.answers(SCHEDULER_PORT))
    for name in ("worker-1", "worker-2"):
        worker = ["distributed.cli.dask_worker", f"tcp://{scheduler.address}:{SCHEDULER_PORT}"]
        worker += ["--host", net.hosts[name].address, "--nthreads", "1", "--no-dashboard", "--name", name]
        net.start(stack, name, [*python, *worker], environment)
    subprocess.run([sys.executable, "-c", UPLOAD, f"{data}/"], check=True, env=environment)
    return environment


def build(options: argparse.Namespace, environment: Mapping[str, str], net: Network) -> str:
    """Builds on the hosts while cables are pulled; gives the digest.

    Raises:
        RuntimeError: The build failed.
    """
    command = [*BUILD, "--recipe", options.recipe, "--data", "s3://soak/data", "--out", "s3://soak/store"]
    command += ["--runner", "dask", "--scheduler", f"tcp://{net.hosts['scheduler'].address}:{SCHEDULER_PORT}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(environment), cwd=ROOT
    )
    if process.stdout is None or process.stderr is None:
        raise TypeError("a pipe was asked for")
    started, cuts = time.monotonic(), {cut.after: cut for cut in CUTS}
    errors = []
    for line in process.stderr:  # a line when a stage ends
        errors.append(line)
        print(f"{time.monotonic() - started:6.1f} s  {line.rstrip()}", flush=True)
        cut = cuts.pop(line.split()[0], None) if line.split() else None
        if cut is not None:
            _pull(net.hosts[cut.host], cut.seconds)
    out = process.stdout.read()
    if process.wait():
        raise RuntimeError(f"the build ended with {process.returncode}:\n{''.join(errors)}")
    if cuts:
        raise RuntimeError(f"no stage ended that is called {', '.join(cuts)}: its cable was not pulled")
    return out.split()[-1]


def _pull(host: Host, seconds: float) -> None:
    """Pulls a cable for a while, and lets the build go on meanwhile."""
    print(f"          the cable of {host.name} is pulled for {seconds:g} s", flush=True)
    host.plug("down")
    back = threading.Timer(seconds, host.plug, ["up"])
    back.daemon = True
    back.start()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        if subprocess.run(["unshare", "--net", "true"]).returncode:
            print("no network namespaces can be made here: it takes root on Linux", file=sys.stderr)
            return 2
        return subprocess.call(["unshare", "--net", sys.executable, *sys.argv, "--inside"])
    with tempfile.TemporaryDirectory(prefix="hosts-") as folder, ExitStack() as stack:
        alone = [*BUILD, "--recipe", options.recipe, "--data", str(options.data), "--out", f"{folder}/store"]
        expected = subprocess.check_output(alone, text=True, stderr=subprocess.DEVNULL).split()[-1]
        print(f"one machine: {expected}", flush=True)
        net = stack.enter_context(network(Path(folder)))
        try:
            digest = build(options, services(stack, net, options.data), net)
        except (RuntimeError, TimeoutError) as error:
            print(error, file=sys.stderr)
            for log in sorted(Path(folder).glob("*.log")):
                print(f"--- {log.name}", log.read_text()[-2000:], sep="\n", file=sys.stderr)
            return 1
    print(f"{len(HOSTS)} hosts, {len(CUTS)} cuts: {digest}: {'the same' if digest == expected else 'DIFFERENT'}")
    return 0 if digest == expected else 1


if __name__ == "__main__":
    sys.exit(main())
