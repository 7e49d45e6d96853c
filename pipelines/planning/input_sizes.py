"""How large every input is, and how we know: its files, else what the catalogue expects, else unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from corpus.recipe import Input, Recipe
from corpus.source import Blob, Found
from corpus.source_catalogue import Catalogue
from pipelines.planning.rates import Rates, format_of

Knowledge = Literal["measured", "expected", "unknown"]


@dataclass(frozen=True)
class InputSize:
    """One input's files.

    Attributes:
        blobs: Those that are here; or for one that is not, a blob of the expected size for each pattern.
        text_bytes: That an absent input is expected to give, or None.
        unmatched: Patterns that match nothing, of which nobody says how much they should.
    """

    entry: Input
    known: Knowledge
    blobs: tuple[Blob, ...] = ()
    text_bytes: int | None = None
    unmatched: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """As they lie on disk."""
        return sum(blob.size for blob in self.blobs)


def input_sizes(recipe: Recipe, found: Found, catalogue: Catalogue, rates: Rates) -> tuple[InputSize, ...]:
    """The size of every input, in the recipe's order."""
    sizes = []
    for entry in recipe.input:
        blobs = tuple(blob for blob in found.blobs if blob.input == entry.name)
        unmatched = tuple(pattern for missing, pattern in found.missing if missing.name == entry.name)
        if blobs:
            sizes.append(InputSize(entry, "measured", blobs, unmatched=unmatched))
        else:
            sizes.append(_expected(entry, recipe, catalogue, rates))
    return tuple(sizes)


def _expected(entry: Input, recipe: Recipe, catalogue: Catalogue, rates: Rates) -> InputSize:
    """An absent input as the catalogue knows it: its bytes on disk, or what its text would take there."""
    unknown = InputSize(entry, "unknown", unmatched=entry.files)
    if len(entry.files) != 1:
        return unknown  # how much is behind which pattern nobody says
    held = catalogue.held_by(entry, recipe.source)
    raw = [it.expected.raw_bytes for it in held]
    sources = [catalogue.of(source) for source in recipe.source if source.name in entry.sources.values()]
    texts = [source.expected.text_bytes if source else None for source in sources]
    text = sum(figure.value for figure in texts if figure) if texts and all(texts) else None
    rate = rates.of("documents").get(format_of(entry, entry.files[0]))
    if raw and all(raw):
        size = sum(figure.value for figure in raw if figure)
    elif text is not None and rate is not None and rate.text.per_byte:
        size = round(text / rate.text.per_byte)
    else:
        return unknown
    return InputSize(entry, "expected", (Blob(entry.name, entry.files[0], size),), text)
