"""The command line that answers an auditor, offline, from the store.

python pipelines/audit.py verify build/refs/sample/1.0.0
python pipelines/audit.py trace build/refs/sample/1.0.0 wikipedia-00000:1000 --data data/sample
python pipelines/audit.py explain build/refs/sample/1.0.0 pile/train/02.jsonl.zst:2203
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import TokentrailError


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="audit.py", description="Verifies a sealed corpus and traces its tokens.")
    commands = top.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="check every digest and every law")
    trace = commands.add_parser("trace", help="follow a token to the record it came from")
    explain = commands.add_parser("explain", help="say why a document is in the corpus or not")
    for command in (verify, trace, explain):
        command.add_argument("ref", help="a sealed corpus, for instance build/refs/sample/1.0.0")
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    trace.add_argument("address", help="<shard>:<token>, for instance wikipedia-00000:1000")
    trace.add_argument("--data", help="the folder or URL of the raw files, to read the record itself")
    explain.add_argument("document", help="its id, or its record as <file>:<number>")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; gives the exit code: 0 it holds, 1 a check failed, 2 the user's mistake."""
    options = parser().parse_args(argv)
    try:
        if options.command == "verify":
            return verify(options.ref)
        return trace(options) if options.command == "trace" else explain(options)
    except TokentrailError as error:
        if options.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # who read along has gone: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def verify(ref: str) -> int:
    """Checks everything; prints what holds and what does not."""
    from corpus.manifest import read_ref
    from pipelines import verify as checks

    read_ref(ref)  # a name that is not there is the user's mistake, not a corpus that fails
    failures = checks.verify(ref, lambda line: print(f"ok  {line}"))
    for failure in failures[:20]:
        print(failure, file=sys.stderr)
    if failures:
        print(f"FAILED: {len(failures)} {'check' if len(failures) == 1 else 'checks'} of {ref}")
        return 1
    left = checks.strays(ref)
    if left:
        print(f"note: {len(left)} files of the store belong to no sealed corpus, the first is {left[0]}")
    print(f"verified {ref}")
    return 0


def trace(options: argparse.Namespace) -> int:
    """Follows one token; fails when the raw records do not prove it."""
    from pipelines import tracing

    found = tracing.trace(options.ref, options.address, options.data)
    print(tracing.describe(found, options.address))
    return 1 if found.proved is False else 0


def explain(options: argparse.Namespace) -> int:
    """Says what became of one document, and of those it lost to."""
    from pipelines import explaining

    print(explaining.describe(explaining.explain(options.ref, options.document)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
