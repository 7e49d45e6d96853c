"""What Dataflow's Flex Template launcher starts: build_corpus.py for one stage, by the launcher's own arguments.

The launcher names Beam's runner and gives a template's location; the one job it expects is that of `--stage`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from pipelines.build_corpus import main as build_corpus

ROOT = Path(__file__).resolve().parents[3]


def main(argv: Sequence[str] | None = None) -> int:
    top = argparse.ArgumentParser(prog="stage_job.py", allow_abbrev=False)
    top.add_argument("--runner", help="Beam's name of it; ours is dataflow")
    top.add_argument("--stage", required=True)
    options, others = top.parse_known_args(argv)
    os.chdir(ROOT)  # recipes are named from here
    return build_corpus(["--runner", "dataflow", "--log-format", "json", "--stage", options.stage, *others])


if __name__ == "__main__":
    sys.exit(main())
