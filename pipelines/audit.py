"""The command line that answers an auditor, offline, from the store.

python pipelines/audit.py verify build/refs/sample/1.0.0
python pipelines/audit.py trace build/refs/sample/1.0.0 wikipedia-00000:1000 --data data/sample
python pipelines/audit.py explain build/refs/sample/1.0.0 pile/train/02.jsonl.zst:2203
python pipelines/audit.py balance build/refs/sample/1.0.0
python pipelines/audit.py audit-sample build/refs/sample/1.0.0 --seed 7 -n 20 --data data/sample
python pipelines/audit.py what-if build/refs/sample/1.0.0 --set text.filters.min_words=40
python pipelines/audit.py report build/refs/sample/1.0.0 --out report.html
python pipelines/audit.py diff build/refs/sample/1.0.0 build/refs/sample/1.1.0 --report difference.html
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
from pipelines.audit_options import audit_parser

if TYPE_CHECKING:
    from pipelines.auditing.difference import Difference

_LARGE_BYTES = 1 << 30  # unpublished: our choice; less is hashed before anybody wonders


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; gives the exit code: 0 it holds, 1 a check failed, 2 the user's mistake."""
    options = audit_parser().parse_args(argv)
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
    """Checks bytes and laws; prints what holds and what does not."""
    from corpus.manifest import read_ref
    from pipelines.auditing import verifying as checks

    ref = options.ref
    store, digest = read_ref(ref)  # a name that is not there is the user's mistake, not a corpus that fails
    failures = [] if options.key is None else not_signed(store, digest, options.key)
    if options.sample is None:
        failures += checks.verify(ref, _holds, _watched(), options.deep)
    else:
        failures += checks.verify_sample(ref, options.sample, options.seed, _holds, _watched())
    for failure in failures[:20]:
        print(failure, file=sys.stderr)
    if failures:
        if options.sample is None:
            print(f"grade {checks.grade(failures)}")
        print(f"FAILED: {len(failures)} {'check' if len(failures) == 1 else 'checks'} of {ref}")
        return 1
    left = checks.strays(ref)
    if left:
        print(f"note: {len(left)} files of the store belong to no sealed corpus, the first is {left[0]}")
    if options.sample is not None:
        print(f"verified a sample of {ref}: laws and tables were not, and the corpus has no grade")
        return 0
    print("grade A: bit-identical to what was sealed")
    print(f"verified {ref}")
    return 0


def _holds(line: str) -> None:
    print(f"ok  {line}")


def _watched() -> Callable[[int, int], None]:
    """Says on stderr how far a large store is hashed: a line for each tenth."""
    said = 0

    def watch(done: int, total: int) -> None:
        nonlocal said
        tenth = 10 * done // max(total, 1)
        if tenth > said and total >= _LARGE_BYTES:
            said = tenth
            print(f"hashed {10 * tenth}% of {total:,} bytes", file=sys.stderr)

    return watch


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

    print("\n\n".join(map(explaining.describe, explaining.explain_all(options.ref, options.document))))
    return 0


def balance(options: argparse.Namespace) -> int:
    """Prints the conservation law; fails where it does not hold."""
    from pipelines.auditing import balance as law

    found = law.balance(options.ref)
    print(law.describe(found))
    return 1 if found.faults else 0


def audit_sample(options: argparse.Namespace) -> int:
    """Draws tokens and proves them; fails where one is not what the raw files hold."""
    from pipelines.auditing import spot_checking

    checks = spot_checking.spot_check(options.ref, options.seed, options.count, options.data)
    print(spot_checking.describe(checks, options.ref, options.seed))
    return 1 if any(check.proved is False for check in checks) else 0


def what_if(options: argparse.Namespace) -> int:
    """Says what a changed recipe would keep, or why only a run can tell."""
    from pipelines.auditing import what_if as asking

    print(asking.describe(asking.what_if(options.ref, options.overrides), options.overrides))
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
    from pipelines.reports.difference_report import difference_report

    found = difference(options.ref, options.other)
    if options.report:
        data = difference_report(found, options.public)
        _write(options.report, data)
        print(f"report: {len(data):,} bytes in {options.report}", file=sys.stderr)  # stdout may be JSON
    return _compared(found, options.json)


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
    "balance": balance,
    "audit-sample": audit_sample,
    "what-if": what_if,
    "report": report,
    "diff": diff,
    "rebuild": rebuild,
    "export": export,
    "lint": lint,
    "sign": sign,
}


if __name__ == "__main__":
    sys.exit(main())
