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
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import RecipeError, TokentrailError
from pipelines.build_options import build_parser, gc_parser, sources_parser
from pipelines.log_lines import LOGGER, speak
from pipelines.one_stage import StopHere
from pipelines.runners import Choice

if TYPE_CHECKING:
    from corpus.recipe import Recipe
    from corpus.source import Found
    from corpus.source_catalogue import Catalogue
    from pipelines.build import Build, Drives
    from pipelines.driver import Driver


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code.

    0 done, 1 a check failed, 2 the user's mistake, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    named = {"sources": (sources, sources_parser), "gc": (collect, gc_parser)}
    if arguments and arguments[0] in named:
        command, parser = named[arguments[0]]
        options = parser().parse_args(arguments[1:])
    else:
        command = build
        options, options.others = build_parser().parse_known_args(arguments)
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
    """Builds and seals, and shows what was made; with --dry-run shows what would be.

    Raises:
        TokentrailError: Whatever stopped it; what is sealed is kept.
    """
    choice = Choice(options.runner, options.workers, options.scheduler, options.others)
    choice.check(options.out, options.data)
    recipe, lock, found, catalogue = _inputs(options)

    from corpus.source import check_pins, read_pins
    from pipelines import seal, stages
    from pipelines.driver import Driver
    from pipelines.lease import lease
    from pipelines.missing import require_files
    from pipelines.planning.asked import Asked
    from pipelines.progress import Progress
    from pipelines.reconciliation import reconciliation
    from pipelines.summary import summary

    if options.dry_run:
        print(reconciliation(recipe, found, catalogue), end="\n\n")
    else:
        require_files(recipe, found, options.data, catalogue)
    recipe, encoder, building = _checked(options, choice, recipe)
    asked = Asked(options.rates, options.prices, options.price_of, options.max_cost)
    asked.check()
    pins = read_pins(lock)
    blobs = check_pins(found.blobs, pins.of(recipe), lock) if pins and not found.missing else found.blobs
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
        digest = seal.publish(options.out, manifest, driver.sealed, _run_facts(options, encoder, started, driver))
    print(summary(manifest, options.out))
    print(f"sealed {recipe.name}@{recipe.version} sha256:{digest}")


def _checked(
    options: argparse.Namespace, choice: Choice, recipe: Recipe
) -> tuple[Recipe, str, Callable[[Drives], Build]]:
    """The recipe with its vocabulary named, the encoder, and what makes a build of a driver.

    Raises:
        TokentrailError: The vocabulary, the encoder, a library or a list of URLs is wrong or missing: an error
            before anything is spent.
    """
    from corpus.encoders import best_encoder
    from corpus.source import find_url_lists
    from corpus.tokenizer import load_vocabulary
    from pipelines.build import Build
    from pipelines.steps.tokens import shared_encoder
    from pipelines.steps.treatment import describe

    store, data = choice.seen(options.out), choice.seen(options.data)
    vocabulary = recipe.tokens.vocabulary
    if vocabulary != "gpt2":
        vocabulary = choice.seen(vocabulary)
    encoder = best_encoder() if options.encoder == "auto" else options.encoder
    shared_encoder(encoder)
    describe([recipe.text_of(source.name) for source in recipe.source])
    url_lists = {} if options.dry_run else find_url_lists(recipe, data)  # a plan reads none
    recipe = recipe.naming(load_vocabulary(vocabulary).name)
    return recipe, encoder, partial(Build, recipe, data, store, vocabulary, encoder, url_lists=url_lists)


def _run_facts(options: argparse.Namespace, encoder: str, started: float, driver: Driver) -> dict[str, Any]:
    """What is true of this run and not of the corpus."""
    return {
        "engine": options.runner,
        "workers": options.workers,
        "encoder": encoder,
        "started": int(started),
        "finished": int(time.time()),
        "reused": [stage.name for stage in driver.reused],
        "cpu_seconds": {stage.name: stage.cpu_seconds for stage in driver.sealed if stage.cpu_seconds},
    }


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
