"""The options of `build_corpus.py`: of a build, and of its commands `sources` and `gc`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pipelines.runners import RUNNERS

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
CATALOGUE = WORKFLOWS / "recipes" / "catalogue.toml"
RATES = WORKFLOWS / "costs" / "rates.json"
PRICES = WORKFLOWS / "costs" / "prices.toml"


def build_parser() -> argparse.ArgumentParser:
    """The options of a build."""
    top = argparse.ArgumentParser(
        prog="build_corpus.py",
        description="Builds a corpus from a recipe: pins, reads, deduplicates, tokenizes, seals.",
        epilog="`build_corpus.py sources --recipe R` says what a recipe's sources are and whether they are here.",
        allow_abbrev=False,  # an abbreviation of ours may be an option of an engine's
    )
    _common(top)
    top.add_argument("--out", default="build", help="the store, a folder or URL (default: build)")
    top.add_argument("--runner", default="local", help=f"the engine: {', '.join(RUNNERS)} (default: local)")
    top.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    top.add_argument("--scheduler", help="join a Dask cluster, tcp://host:port, with its workers")
    top.add_argument(
        "--encoder", default="auto", help="tokenizers, fast, or auto: fast where installed; never changes a byte"
    )
    top.add_argument(
        "--stage", default="", metavar="NAME", help="run this stage alone; those before it are sealed"
    )
    top.add_argument(
        "--dry-run",
        action="store_true",
        help="build nothing: expected sizes beside the paper's, and the plan: stages, bytes, hours, reuse",
    )
    top.add_argument("--price-of", metavar="NAME", help="plan in money, by this table: dataflow-us-central1, ...")
    top.add_argument("--max-cost", type=float, metavar="AMOUNT", help="stop before more than this is spent")
    top.add_argument("--prices", default=str(PRICES), metavar="FILE", help="tables of prices (default: ours)")
    top.add_argument("--rates", default=str(RATES), metavar="FILE", help="measured rates (default: ours)")
    return top


def sources_parser() -> argparse.ArgumentParser:
    """The options of `sources`."""
    top = argparse.ArgumentParser(
        prog="build_corpus.py sources",
        description="Lists a recipe's sources and input files, locks the files, or fetches what is public.",
    )
    _common(top)
    doing = top.add_mutually_exclusive_group()
    doing.add_argument("--pin", action="store_true", help="hash every file and write the lock")
    doing.add_argument("--mirror", metavar="DIR", help="fetch what is public into this folder; --data is not read")
    top.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="SOURCE", help="fetch these sources alone"
    )
    top.add_argument("--rate", metavar="SIZE", help="fetch no faster than this a second, for instance 10MB")
    return top


def gc_parser() -> argparse.ArgumentParser:
    """The options of `gc`."""
    top = argparse.ArgumentParser(
        prog="build_corpus.py gc",
        description="Removes what no ref of a store reaches: stages of unfinished builds and of other recipes.",
    )
    top.add_argument("--out", default="build", help="the store, a folder or URL (default: build)")
    top.add_argument("--dry-run", action="store_true", help="remove nothing: say what would go")
    _said(top)
    return top


def _common(top: argparse.ArgumentParser) -> None:
    top.add_argument("--recipe", required=True, help="a recipe, for instance workflows/recipes/sample.toml")
    top.add_argument("--data", default="data", help="the folder or URL that holds the raw files (default: data)")
    top.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the recipe")
    top.add_argument(
        "--without",
        nargs="+",
        action="extend",
        default=[],
        metavar="SOURCE",
        help="leave sources out; the version says so",
    )
    top.add_argument("--catalogue", default=str(CATALOGUE), help="what is known of sources (default: ours)")
    top.add_argument("--pins", help="the lock of the inputs (default: the recipe's name with .pins.json)")
    _said(top)


def _said(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="what is said on stderr (default: text)"
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
