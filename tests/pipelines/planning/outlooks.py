"""Plans in this process, of the tiny corpus, by the measured rates of the house."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tiny_corpus import ROOT, Tiny

from corpus.recipe import Recipe, load_recipe
from corpus.source import Blob, find_blobs
from corpus.source_catalogue import load_catalogue
from pipelines.build import Build, Drives
from pipelines.planning.input_sizes import input_sizes
from pipelines.planning.plan import Outlook
from pipelines.planning.rates import load_rates

RATES = ROOT / "workflows" / "costs" / "rates.json"
CATALOGUE = ROOT / "workflows" / "recipes" / "catalogue.toml"


def recipe_of(tiny: Tiny, overrides: Sequence[str] = (), without: Sequence[str] = ("own",)) -> Recipe:
    """The recipe; without what has no measured format, unless it is asked for."""
    return load_recipe(str(tiny.recipe), tuple(overrides)).without(list(without)).naming("gpt2")


def blobs_of(recipe: Recipe, data: Path) -> list[Blob]:
    """The files below a folder, not hashed."""
    return list(find_blobs(recipe, str(data)).blobs)


def outlook_of(recipe: Recipe, data: Path, store: Path) -> Outlook:
    """What a plan of a recipe over a folder is made of."""
    rates = load_rates(str(RATES))
    sizes = input_sizes(recipe, find_blobs(recipe, str(data)), load_catalogue(str(CATALOGUE)), rates)

    def building(driver: Drives) -> Build:
        return Build(recipe, str(data), str(store), "gpt2", "tokenizers", driver)

    return Outlook(recipe, "tokenizers", sizes, rates, building)
