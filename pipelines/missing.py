"""What a build says where input files are not there: what is missing, since when, what to do; in three lines."""

from __future__ import annotations

from collections.abc import Sequence

from corpus.errors import SourceError
from corpus.recipe import Recipe
from corpus.source import Found
from corpus.source_catalogue import Catalogue, Entry


def require_files(recipe: Recipe, found: Found, data: str, catalogue: Catalogue) -> None:
    """Lets a build begin when every pattern of its inputs matches a file.

    Args:
        data: Where it was looked for.

    Raises:
        SourceError: Some do not; it says all that is missing at once.
    """
    if not found.missing:
        return
    missing = list({entry.name: entry for entry, _ in found.missing}.values())
    first, pattern = found.missing[0]
    held = {entry.name: catalogue.held_by(entry, recipe.source) for entry in missing}
    known = list({it.name: it for entries in held.values() for it in entries}.values())
    unmatched = f"no file matches `{pattern}` of input `{first.name}`"
    if len(missing) > 1:
        unmatched += f", nor what {len(missing) - 1} other input{'s name' if len(missing) > 2 else ' names'}"
    remedies = ["name the folder that holds them with --data", *_instead(known)]
    if not known:
        remedies.append("mend the input's `files`")
    names = list(dict.fromkeys(name for entry in missing for name in entry.sources.values()))
    if len(names) < len(recipe.source):
        remedies.append(f"build --without {' '.join(names)}")
    raise SourceError(
        _what(known, [name for name, entries in held.items() if not entries]) if known else unmatched,
        where=f"{data}: {unmatched}" if known else data,
        remedy=", or ".join(remedies) + _nothing(known),
    )


def _what(known: Sequence[Entry], unknown: Sequence[str]) -> str:
    if len(known) == 1 and not unknown:
        return f"{known[0].title}: not here, and {known[0].status_words()}"
    said = [f"{it.title} ({it.status_since()})" for it in known] + [f"input `{name}`" for name in unknown]
    return f"not here: {', '.join(said)}"


def _instead(known: Sequence[Entry]) -> list[str]:
    """What may lawfully be had: from its holder, or in its place."""
    said = []
    if fetched := [it.name for it in known if it.status == "public" and (it.file or it.list)]:
        said.append(f"fetch it with `sources --mirror DIR --only {' '.join(fetched)}`")
    said += [f"get it at {it.at}" for it in known if it.status == "public" and it.at and it.name not in fetched]
    gone = [it for it in known if it.status != "public"]
    substitutes = list(dict.fromkeys(name for it in gone for name in it.substitute))
    if substitutes:
        said.append(f"take what is lawful: {', '.join(substitutes)} (`sources` tells how)")
    return said


def _nothing(known: Sequence[Entry]) -> str:
    """Said where nothing takes the place of what is gone."""
    if not known or any(it.substitute or it.status == "public" for it in known):
        return ""
    note = f": {known[0].substitute_note}" if len(known) == 1 and known[0].substitute_note else ""
    return f"; nothing lawful takes its place{note}"
