"""The options of `audit.py`, command by command."""

from __future__ import annotations

import argparse


def audit_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(
        prog="audit.py", description="Answers an auditor's questions of a sealed corpus."
    )
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, says: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=says)
        added.add_argument("ref", help="a sealed corpus, for instance build/refs/sample/1.0.0")
        added.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return added

    _verify(command("verify", "check every digest and every law"))
    _trace(command("trace", "follow a token to the record it came from"))
    explain = command("explain", "say why a document is in the corpus or not")
    explain.add_argument("document", help="doc:<id>, text:<its whole text>, url:<its URL>, or <file>:<record>")
    command("balance", "account for every record, byte and token")
    _audit_sample(command("audit-sample", "prove tokens that your seed draws against the raw files"))
    what_if = command("what-if", "say what other thresholds would keep, without a run")
    what_if.add_argument("--set", dest="overrides", action="append", required=True, metavar="KEY=VALUE")
    _report(command("report", "draw all that is known of it on one page"))
    diff = command("diff", "say what differs between two corpora, and why")
    diff.add_argument("other", help="the corpus to compare it with, perhaps of another store")
    diff.add_argument("--report", metavar="FILE", help="draw it on one page too")
    diff.add_argument("--public", action="store_true", help="leave samples and URLs out of the page")
    _as_json(diff)
    _rebuild(command("rebuild", "build it again elsewhere and compare"))
    _export(command("export", "write the corpus's papers in a format of others"))
    lint = command("lint", "list what its papers leave open")
    _answers(lint)
    lint.add_argument("--strict", action="store_true", help="exit 1 where anything is open")
    sign = command("sign", "sign it with an ed25519 key")
    sign.add_argument("--key", metavar="FILE", required=True, help="the private key, PEM")
    return top


def _verify(verify: argparse.ArgumentParser) -> None:
    depth = verify.add_mutually_exclusive_group()
    depth.add_argument("--deep", action="store_true", help="the rows of the tables between the stages too")
    depth.add_argument("--sample", type=int, metavar="N", help="all small files and N others, and no tables")
    verify.add_argument("--seed", default="", help="draws the files of --sample")
    verify.add_argument("--key", metavar="FILE", help="a public key that must have signed it")


def _trace(trace: argparse.ArgumentParser) -> None:
    trace.add_argument("address", help="<shard>:<token>, for instance wikipedia-00000:1000")
    trace.add_argument("--data", help="the folder or URL of the raw files, to read the record itself")


def _audit_sample(sample: argparse.ArgumentParser) -> None:
    sample.add_argument("--seed", required=True, help="any text, named after the corpus was sealed")
    sample.add_argument("-n", dest="count", type=int, default=20, help="tokens to draw (default: 20)")
    sample.add_argument("--data", help="the folder or URL of the raw files")


def _report(report: argparse.ArgumentParser) -> None:
    report.add_argument("--out", metavar="FILE", default="report.html", help="the page (default: report.html)")
    report.add_argument("--data", default="", help="the raw files, to show what rules refused")
    report.add_argument("--public", action="store_true", help="leave samples and URLs out")


def _rebuild(rebuild: argparse.ArgumentParser) -> None:
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
    _as_json(rebuild)


def _export(export: argparse.ArgumentParser) -> None:
    export.add_argument(
        "format", help="in-toto, slsa, croissant, openlineage, dataset-card, datasheet or eu-summary"
    )
    export.add_argument("--out", metavar="FILE", help="where to write it (default: to the terminal)")
    _answers(export)


def _as_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print the comparison as JSON")


def _answers(command: argparse.ArgumentParser) -> None:
    command.add_argument("--answers", metavar="FILE", help="a person's answers to what only a person knows")
