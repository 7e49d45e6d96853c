"""What the processes of a run say to each other, and what one of them says when the others are gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from small_corpus import ROOT

from training.world import World

# Both go on when they are told to: rank 0, which keeps the store, when all have met, and rank 1 when 0 is gone.
PROGRAM = """
import os, sys
from training.world import World

world = World.of_environment()
with world.joined():
    print("met", flush=True)
    sys.stdin.read()
    if world.rank == 0:
        print(world.speaks(), flush=True)
        os._exit(2)
    try:
        world.any(True)
    except RuntimeError as failure:
        print(world.lost(failure))
    print(world.speaks(), flush=True)
    os._exit(0)
"""


def test_when_the_process_that_keeps_the_store_is_gone_no_other_speaks() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            text=True,
            env={**os.environ, **place, "RANK": str(rank), "PYTHONPATH": str(ROOT)},
            **pipes,
        )
        for rank in range(2)
    )
    assert second.stdout is not None and second.stdout.readline() == "met\n"
    assert first.communicate(timeout=600) == ("met\nTrue\n", "") and first.returncode == 2
    out, err = second.communicate(timeout=600)
    assert (out.splitlines(), err) == (
        [
            "error: another process of the run has ended without a word",
            "   at: rank 1 of 2, which waited for it",
            "   do: see what its host says of it (out of memory, a lost GPU); then start the run again",
            "False",
        ],
        "",
    )


def test_a_process_alone_always_speaks_and_has_lost_nobody() -> None:
    alone = World()
    assert alone.speaks() and alone.speaks()
    assert alone.lost(RuntimeError("gloo/transport/tcp/pair.cc: Connection closed by peer")) is None
