"""Which changes of a recipe can be answered from stored values, and why others need a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from corpus.recipe import Recipe

# Keys that move no document, byte or token in or out: names, and where what is kept stands.
_HARMLESS = frozenset({"name", "version", "description", "seed", "validation"})
_REASONS = {
    "input": "other files or other readings of them give other records",
    "source": "the order of sources is their rank, and their names are part of every document's id",
    "duplicates": "other pairs are compared or decided otherwise; stored are those at the old threshold",
    "tokens": "another vocabulary gives other tokens",
    "on_damage": "what damaged files hold was not read, or was not to be",
    "max_record_bytes": "records that were too long were not read",
}


def needs_a_run(recipe: Recipe, changed: Recipe) -> Iterator[str]:
    """The keys that differ and cannot be answered from stored values, each with the reason."""
    before, after = recipe.canonical(), changed.canonical()
    for key in before:
        if key in _HARMLESS | {"text", "source", "tokens"} or before[key] == after[key]:
            continue
        yield f"{key}: {_REASONS[key]}"
    if recipe.tokens.vocabulary != changed.tokens.vocabulary:
        yield f"tokens.vocabulary: {_REASONS['tokens']}"
    if [source.name for source in recipe.source] != [source.name for source in changed.source]:
        yield f"source: {_REASONS['source']}"
        return
    for source in recipe.source:
        yield from _texts(source.name, recipe, changed)


def _texts(source: str, recipe: Recipe, changed: Recipe) -> Iterator[str]:
    """The same of how one source's text is treated."""
    before, after = recipe.text_of(source), changed.text_of(source)
    facts: list[tuple[str, Any, Any, str]] = [
        (
            "normalise",
            before.normalise,
            after.normalise,
            "every text, and all that was measured of it, is another",
        ),
        ("language.keep", before.language.keep, after.language.keep, "the stored share is of the old languages"),
        ("blocks", before.blocks, after.blocks, "what another library says of a text is not stored"),
    ]
    for key, old, new, reason in facts:
        if old != new:
            yield f"{source}, text.{key}: {reason}"
    if before.blocks and before.blocks == after.blocks and before != after:
        yield f"{source}, text: its blocks rewrite what passed the rules; the values before are not stored"
