"""The command line that evaluates a model: held-out perplexity, and tasks.

    python evaluation/run.py --checkpoint runs/tiny --corpus build/refs/sample/1.0.0 --out results/tiny
    python evaluation/run.py --checkpoint opt-125m --data eval --tasks nlp --shots 0,1,32 --out results/opt-125m
    torchrun --standalone --nproc-per-node 8 evaluation/run.py ...

The same command goes on where it was stopped. torch is imported once the arguments are seen to be right.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import TokentrailError
from evaluation.options import options, questions
from training.world import World


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code.

    0 done, 1 a check failed, 2 the user's mistake, 130 interrupted.
    """
    chosen = options().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    world = World.of_environment()
    try:
        asked = questions(chosen)
        with world.joined():
            from evaluation.evaluating import evaluate

            evaluate(asked, world)
    except TokentrailError as error:
        if chosen.debug:
            raise
        if world.speaks():
            print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if world.speaks():
            print("interrupted: the same command goes on", file=sys.stderr)
        return 130
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
