"""The command line that answers an auditor, offline, from the store.

python pipelines/audit.py verify build/refs/sample/1.0.0
python pipelines/audit.py trace build/refs/sample/1.0.0 wikipedia-00000:1000 --data data/sample
python pipelines/audit.py explain build/refs/sample/1.0.0 pile/train/02.jsonl.zst:2203
python pipelines/audit.py report build/refs/sample/1.0.0 --out report.html
python pipelines/audit.py diff build/refs/sample/1.0.0 build/refs/sample/1.1.0
python pipelines/audit.py rebuild build/refs/sample/1.0.0 --data data/sample
python pipelines/audit.py export build/refs/sample/1.0.0 croissant --out build/croissant.json
python pipelines/audit.py lint build/refs/sample/1.0.0
python pipelines/audit.py sign build/refs/sample/1.0.0 --key key.pem
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import TokentrailError

if TYPE_CHECKING:
    from pipelines.auditing.difference import Difference


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="audit.py", description="Verifies a sealed corpus and traces its tokens.")
    commands = top.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="check every digest and every law")
    trace = commands.add_parser("trace", help="follow a token to the record it came from")
    explain = commands.add_parser("explain", help="say why a document is in the corpus or not")
    report = commands.add_parser("report", help="draw all that is known of it on one page")
    diff = commands.add_parser("diff", help="say what differs between two corpora, and why")
    rebuild = commands.add_parser("rebuild", help="build it again elsewhere and compare")
    export = commands.add_parser("export", help="write the corpus's papers in a format of others")
    lint = commands.add_parser("lint", help="list what its papers leave open")
    sign = commands.add_parser("sign", help="sign it with an ed25519 key")
    for command in (verify, trace, explain, report, diff, rebuild, export, lint, sign):
        command.add_argument("ref", help="a sealed corpus, for instance build/refs/sample/1.0.0")
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verify.add_argument("--key", metavar="FILE", help="a public key that must have signed it")
    trace.add_argument("address", help="<shard>:<token>, for instance wikipedia-00000:1000")
    trace.add_argument("--data", help="the folder or URL of the raw files, to read the record itself")
    explain.add_argument("document", help="its id, or its record as <file>:<number>")
    report.add_argument("--out", metavar="FILE", default="report.html", help="the page (default: report.html)")
    report.add_argument("--data", default="", help="the raw files, to show what rules refused")
    report.add_argument("--public", action="store_true", help="leave samples and URLs out")
    diff.add_argument("other", help="the corpus to compare it with, perhaps of another store")
    _rebuild_options(rebuild)
    for command in (diff, rebuild):
        command.add_argument("--json", action="store_true", help="print the comparison as JSON")
    export.add_argument(
        "format", help="in-toto, slsa, croissant, openlineage, dataset-card, datasheet or eu-summary"
    )
    export.add_argument("--out", metavar="FILE", help="where to write it (default: to the terminal)")
    for command in (export, lint):
        command.add_argument("--answers", metavar="FILE", help="a person's answers to what only a person knows")
    lint.add_argument("--strict", action="store_true", help="exit 1 where anything is open")
    sign.add_argument("--key", metavar="FILE", required=True, help="the private key, PEM")
    return top


def _rebuild_options(rebuild: argparse.ArgumentParser) -> None:
    rebuild.add_argument("--data", required=True, help="the folder or URL of the raw files")
    rebuild.add_argument(
        "--out", metavar="DIR", help="a new folder to build in, which is kept (default: a passing one)"
    )
    rebuild.add_argument("--runner", help="the engine (default: another one than it was built with, if installed)")
    rebuild.add_argument("--workers", type=int, help="processes (default: one more than it was built with)")
    rebuild.add_argument("--hash-seed", type=int, default=4242, metavar="S", help="PYTHONHASHSEED (default: 4242)")
    rebuild.add_argument("--locale", default="C", metavar="L", help="LC_ALL (default: C)")
    rebuild.add_argument("--zone", default="Asia/Kathmandu", metavar="TZ", help="TZ (default: Asia/Kathmandu)")
    rebuild.add_argument(
        "--vocabulary", metavar="FILE", help="OPT's gpt2-vocab.json, of a corpus that has its ids"
    )
    rebuild.add_argument("--keep", action="store_true", help="keep the passing folder")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; gives the exit code: 0 it holds, 1 a check failed, 2 the user's mistake."""
    options = parser().parse_args(argv)
    try:
        return _COMMANDS[options.command](options)
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


def verify(options: argparse.Namespace) -> int:
    """Checks everything; prints what holds and what does not."""
    from corpus.manifest import read_ref
    from pipelines.auditing import verifying as checks

    ref = options.ref
    store, digest = read_ref(ref)  # a name that is not there is the user's mistake, not a corpus that fails
    failures = [] if options.key is None else not_signed(store, digest, options.key)
    failures += checks.verify(ref, lambda line: print(f"ok  {line}"))
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


def not_signed(store: str, digest: str, key: str) -> list[TokentrailError]:
    """Why a key's holder does not vouch for a corpus; nothing where they do."""
    from corpus.errors import IntegrityError
    from corpus.manifest import load_manifest
    from pipelines.signing import verify_signature

    try:
        print(
            f"ok  signed by the holder of {key}: key {verify_signature(store, load_manifest(store, digest), key)}"
        )
    except IntegrityError as error:
        return [error]
    return []


def trace(options: argparse.Namespace) -> int:
    """Follows one token; fails when the raw records do not prove it."""
    from pipelines.auditing import tracing

    found = tracing.trace(options.ref, options.address, options.data)
    print(tracing.describe(found, options.address))
    return 1 if found.proved is False else 0


def explain(options: argparse.Namespace) -> int:
    """Says what became of one document, and of those it lost to."""
    from pipelines.auditing import explaining

    print(explaining.describe(explaining.explain(options.ref, options.document)))
    return 0


def report(options: argparse.Namespace) -> int:
    """Writes the page."""
    from pipelines.reports.corpus_report import report as drawn

    data = drawn(options.ref, options.data, options.public)
    _write(options.out, data)
    print(f"report: {len(data):,} bytes in {options.out}")
    return 0


def _write(path: str, data: bytes) -> None:
    """Writes a file whole, or leaves the one that is there."""
    from corpus.storage import NewFile

    file = NewFile(path)
    try:
        file.write(data)
        file.publish()
    finally:
        file.discard()


def diff(options: argparse.Namespace) -> int:
    """Compares two corpora; like diff(1), fails where they differ, explained or not."""
    from pipelines.auditing.difference import difference

    return _compared(difference(options.ref, options.other), options.json)


def rebuild(options: argparse.Namespace) -> int:
    """Builds a corpus again and compares; fails where rows differ."""
    from pipelines.auditing.rebuilding import Materials, Variation, rebuilt

    materials = Materials(options.data, options.vocabulary)
    chosen = Variation(options.runner, options.workers, options.hash_seed, options.locale, options.zone)
    with rebuilt(options.ref, materials, chosen, options.out, options.keep) as found:
        return _compared(found, options.json)


def _compared(found: Difference, as_json: bool) -> int:
    import msgspec

    from pipelines.auditing.difference_text import describe

    print(msgspec.json.encode(found).decode() if as_json else describe(found))
    return 0 if found.grade in "AB" else 1


def export(options: argparse.Namespace) -> int:
    """Writes one export, to a file or to the terminal."""
    from pipelines.exports.formats import export as exported
    from pipelines.exports.questions import Answers, load_answers
    from pipelines.sealed_corpus import load_sealed_corpus

    answers = load_answers(options.answers) if options.answers else Answers()
    data = exported(load_sealed_corpus(options.ref), options.format, answers)
    if not options.out:
        sys.stdout.buffer.write(data)
        return 0
    _write(options.out, data)
    print(f"{options.format}: {len(data):,} bytes in {options.out}")
    return 0


def lint(options: argparse.Namespace) -> int:
    """Lists what is open; fails where that was asked for."""
    from pipelines.exports import lint as papers
    from pipelines.exports.questions import Answers, load_answers
    from pipelines.sealed_corpus import load_sealed_corpus

    answers = load_answers(options.answers) if options.answers else Answers()
    corpus = load_sealed_corpus(options.ref)
    findings = papers.lint(corpus, answers)
    print(papers.describe(findings, corpus.subject))
    return 1 if findings and options.strict else 0


def sign(options: argparse.Namespace) -> int:
    """Adds a signature to the store, beside those of others."""
    from pipelines.sealed_corpus import load_sealed_corpus
    from pipelines.signing import sign as signed

    corpus = load_sealed_corpus(options.ref)
    keyid, new = signed(corpus.store, corpus.manifest, options.key)
    print(f"{'signed' if new else 'signed before:'} {corpus.subject} sha256:{corpus.digest}")
    print(f"key {keyid}")
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "verify": verify,
    "trace": trace,
    "explain": explain,
    "report": report,
    "diff": diff,
    "rebuild": rebuild,
    "export": export,
    "lint": lint,
    "sign": sign,
}


if __name__ == "__main__":
    sys.exit(main())
