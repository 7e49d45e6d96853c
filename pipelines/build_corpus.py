"""The command line that builds a corpus: from raw files to a sealed, verified manifest.

    python pipelines/build_corpus.py --recipe workflows/recipes/sample.toml --data data/sample --out build
    python pipelines/build_corpus.py --recipe workflows/recipes/opt.toml --data data --dry-run
    python pipelines/build_corpus.py --recipe R --data DIR --price-of dataflow-us-central1 --max-cost 500
    python pipelines/build_corpus.py sources --recipe workflows/recipes/sample.toml --data data/sample --pin
    python pipelines/build_corpus.py sources --recipe workflows/recipes/opt.toml --mirror data --rate 10MB
    python pipelines/build_corpus.py gc --out build --dry-run

Engines and kernels are imported once the arguments are known: --help answers at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import RecipeError, TokentrailError
from pipelines.log_lines import LOGGER, speak
from pipelines.one_stage import StopHere
from pipelines.runners import RUNNERS, Choice

if TYPE_CHECKING:
    from corpus.recipe import Recipe
    from corpus.source import Found
    from corpus.source_catalogue import Catalogue

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
CATALOGUE = WORKFLOWS / "recipes" / "catalogue.toml"
RATES = WORKFLOWS / "costs" / "rates.json"
PRICES = WORKFLOWS / "costs" / "prices.toml"


def parser() -> argparse.ArgumentParser:
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
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
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
    top.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="what is said on stderr (default: text)"
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code.

    0 done, 1 a check failed, 2 the user's mistake, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = {"sources": sources, "gc": collect}.get(arguments[0] if arguments else "", build)
    if command is not build:
        options = (sources_parser() if command is sources else gc_parser()).parse_args(arguments[1:])
    else:
        options, others = parser().parse_known_args(arguments)
        options.others = others
    signal.signal(signal.SIGTERM, _interrupt)
    speak(options.log_format, options.debug)
    try:
        command(options)
    except TokentrailError as error:
        if options.debug:
            raise
        facts = {"message": error.what, "where": error.where, "remedy": error.remedy}
        LOGGER.error(str(error), extra={"facts": facts})
        return error.exit_code
    except StopHere as done:
        print(done)
    except BrokenPipeError:  # who read along has gone: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        LOGGER.warning("interrupted: what is done is kept; start the same command again to go on")
        return 130
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _inputs(options: argparse.Namespace) -> tuple[Recipe, str, Found, Catalogue]:
    """The recipe, where the lock of its files is, the files there are, and what is known of its sources."""
    from corpus.source import find_blobs
    from corpus.source_catalogue import load_catalogue

    recipe, lock = _recipe(options)
    return recipe, lock, find_blobs(recipe, options.data), load_catalogue(options.catalogue)


def _recipe(options: argparse.Namespace) -> tuple[Recipe, str]:
    """The recipe, and where the lock of its files is."""
    from corpus.recipe import load_recipe

    recipe = load_recipe(options.recipe, tuple(options.set)).without(options.without)
    return recipe, options.pins or str(Path(options.recipe).with_suffix(".pins.json"))


def build(options: argparse.Namespace) -> None:
    """Builds and seals, and shows what was made.

    Raises:
        TokentrailError: Whatever stopped it; what is sealed is kept.
    """
    choice = Choice(options.runner, options.workers, options.scheduler, options.others)
    choice.check(options.out, options.data)
    recipe, lock, found, catalogue = _inputs(options)
    store, data = choice.seen(options.out), choice.seen(options.data)
    vocabulary_file = recipe.tokens.vocabulary
    if vocabulary_file != "gpt2":
        vocabulary_file = choice.seen(vocabulary_file)

    from pipelines.missing import require_files
    from pipelines.reconciliation import reconciliation

    if options.dry_run:
        print(reconciliation(recipe, found, catalogue), end="\n\n")
    else:
        require_files(recipe, found, options.data, catalogue)

    from corpus.encoders import best_encoder
    from corpus.source import check_pins, find_url_lists, read_pins
    from corpus.tokenizer import load_vocabulary
    from pipelines import seal, stages
    from pipelines.build import Build
    from pipelines.driver import Driver
    from pipelines.lease import lease
    from pipelines.planning.asked import Asked
    from pipelines.progress import Progress
    from pipelines.steps.tokens import shared_encoder
    from pipelines.steps.treatment import describe
    from pipelines.summary import summary

    encoder = best_encoder() if options.encoder == "auto" else options.encoder
    shared_encoder(encoder)  # a wrong name is an error before anything is spent
    describe([recipe.text_of(source.name) for source in recipe.source])  # so is a library that is missing
    # and a list that is not the one the recipe names; a plan reads none
    url_lists = {} if options.dry_run else find_url_lists(recipe, data)
    asked = Asked(options.rates, options.prices, options.price_of, options.max_cost)
    asked.check()
    recipe = recipe.naming(load_vocabulary(vocabulary_file).name)
    pins = read_pins(lock)
    blobs = check_pins(found.blobs, pins.of(recipe), lock) if pins and not found.missing else found.blobs
    building = partial(Build, recipe, data, store, vocabulary_file, encoder, url_lists=url_lists)
    outlook = partial(asked.outlook, recipe, found, catalogue, encoder, building)
    if options.dry_run:
        print(asked.show(outlook(), blobs))
        return
    progress = Progress(logged=options.log_format == "json")
    started = time.time()
    labels = {"corpus": recipe.name, "version": recipe.version}
    with lease(options.out), choice.start(progress.tick, labels) as engine:
        driver = Driver(engine, progress, options.stage)
        job = building(asked.limited(driver, lambda: outlook().plan(blobs)))
        if not pins:
            blobs = stages.pin_blobs(job, blobs)
        vocabulary = stages.run(job, blobs)
        if options.stage:
            raise RecipeError(
                "this corpus has no such stage",
                where=f"--stage {options.stage}",
                remedy=f"choose one of: {', '.join(stage.name for stage in driver.sealed)}",
            )
        manifest = seal.manifest_of(recipe, blobs, driver.sealed, vocabulary)
        run = {
            "engine": options.runner,
            "workers": options.workers,
            "encoder": encoder,
            "started": int(started),
            "finished": int(time.time()),
            "reused": [stage.name for stage in driver.reused],
            "cpu_seconds": {stage.name: stage.cpu_seconds for stage in driver.sealed if stage.cpu_seconds},
        }
        digest = seal.publish(options.out, manifest, driver.sealed, run)
    print(summary(manifest, options.out))
    print(f"sealed {recipe.name}@{recipe.version} sha256:{digest}")


def sources(options: argparse.Namespace) -> None:
    """Says what a recipe's sources are and which are here; --pin locks the files, --mirror fetches what is public.

    Raises:
        TokentrailError: The recipe is wrong, or a file is missing or unreadable.
    """
    if options.mirror:
        _mirror(options)
        return

    import msgspec

    from corpus import storage
    from corpus.part import blob_digest
    from corpus.source import blob_url, encode_pins, read_pins
    from pipelines.missing import require_files
    from pipelines.source_tables import sources_table

    recipe, lock, found, catalogue = _inputs(options)
    if options.pin:
        require_files(recipe, found, options.data, catalogue)
        blobs, hashed = found.blobs, []
        for number, blob in enumerate(blobs, start=1):
            digest, size = blob_digest(blob_url(options.data, blob))
            print(f"[{number}/{len(blobs)}] {digest[:16]} {blob.path}", file=sys.stderr)
            hashed.append(msgspec.structs.replace(blob, sha256=digest, size=size))
        storage.remove(lock)
        storage.publish(lock, encode_pins(recipe, tuple(hashed)))
    print(sources_table(recipe, found, read_pins(lock), lock, catalogue))


def collect(options: argparse.Namespace) -> None:
    """Removes what no ref of a store reaches, and says what; nothing while a build holds the store.

    Raises:
        TokentrailError: The store is held, or a ref of it is broken.
    """
    from corpus import storage
    from corpus.errors import StoreError
    from pipelines.garbage import describe, find_garbage, remove_garbage
    from pipelines.lease import lease
    from pipelines.progress import megabytes

    if not storage.list_files(options.out):
        raise StoreError("there is no store", where=options.out, remedy="name one with --out")
    with lease(options.out):
        garbage = find_garbage(options.out)
        print(describe(garbage), flush=True)
        if not options.dry_run:
            remove_garbage(options.out, garbage)
    files, size = garbage.size
    print(f"{'would remove' if options.dry_run else 'removed'} {files:,} files, {megabytes(size)}")


def _mirror(options: argparse.Namespace) -> None:
    from corpus.source import read_pins
    from corpus.source_catalogue import load_catalogue
    from pipelines.mirror.client import rate_of
    from pipelines.mirror.fetch import mirror
    from pipelines.mirror.plan import chosen

    recipe, lock = _recipe(options)
    rate = rate_of(options.rate) if options.rate else 0
    wanted = chosen(recipe, options.only)
    mirror(wanted, load_catalogue(options.catalogue), read_pins(lock), options.mirror, rate)


if __name__ == "__main__":
    sys.exit(main())
