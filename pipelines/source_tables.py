"""What a recipe's sources are, how they may be had, and which of them are here.

A figure nobody published stands as `unknown`, never as 0; one written from memory or estimated bears a `~`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from corpus.recipe import Recipe, Source
from corpus.source import Blob, Found, Pins
from corpus.source_catalogue import Catalogue, Entry, Expected, Figure, Paper
from pipelines.progress import megabytes
from pipelines.summary import table

UNKNOWN = "unknown"
_WIDTH = 100


def sources_table(recipe: Recipe, found: Found, pins: Pins | None, lock: str, catalogue: Catalogue) -> str:
    """What each source of a recipe is, whether it is here, and what may lawfully stand in its place."""
    here = {source.name: blobs_of(source, recipe, found) for source in recipe.source}
    pinned = {(blob.input, blob.path) for blob in pins.blobs} if pins else set()
    rows = []
    for source in recipe.source:
        known = catalogue.of(source)
        expected = known.expected if known else Expected()
        blobs = here[source.name]
        locked = sum((blob.input, blob.path) in pinned for blob in blobs)
        rows.append(
            [
                source.name,
                known.status.replace("-", " ") if known else UNKNOWN,
                _size(expected.raw_bytes),
                _count(expected.documents),
                _size(expected.text_bytes),
                tokens_of(expected, catalogue.paper),
                f"{len(blobs):,} files" if blobs else "not found",
                megabytes(sum(blob.size for blob in blobs)) if blobs else "",
                ("yes" if locked == len(blobs) else f"{locked:,}") if blobs and locked else "no",
            ]
        )
    header = ["source", "status", "raw", "documents", "text", "tokens", "here", "size", "pinned"]
    said = f"locked in {lock}" if pins else f"not locked: no {lock}; write it with --pin"
    size = megabytes(sum(blob.size for blob in found.blobs))
    paper = catalogue.paper
    whole = f"{_size(paper.text_bytes)} of text, {billions(paper.tokens.value)} tokens"
    parts = [
        table(header, rows, left=2),
        f"the paper's whole: {whole}, after duplicates; what stands above is before.\n"
        "~ from memory, or tokens at the paper's own bytes a token. here: the files of inputs that feed it",
        "\n\n".join(_paragraph(source, catalogue) for source in recipe.source),
        "\n".join(f"not found: input {entry.name}, `{pattern}`" for entry, pattern in found.missing),
        f"{len(found.blobs):,} files, {size}, {said}",
    ]
    return "\n\n".join(part for part in parts if part)


def blobs_of(source: Source, recipe: Recipe, found: Found) -> list[Blob]:
    """The files of every input that feeds a source."""
    feeding = {entry.name for entry in recipe.input if source.name in entry.sources.values()}
    return [blob for blob in found.blobs if blob.input in feeding]


def _paragraph(source: Source, catalogue: Catalogue) -> str:
    known = catalogue.of(source)
    if known is None:
        lines = [source.title or "no title", f"holder {source.holder or UNKNOWN}; licence {source.licence}"]
        lines += [f"status {source.status}"] if source.status else []
        return _indented(source.name, [*lines, "the catalogue does not know it"])
    return _indented(source.name, _said(known, catalogue))


def _said(known: Entry, catalogue: Catalogue) -> list[str]:
    link = f" ({known.licence_url})" if known.licence_url else ""
    mark = " [from memory, not looked up]" if known.unverified else ""
    lines = [
        f"{known.title}: {known.what}",
        f"holder: {known.holder}; licence {known.licence}{link}",
        f"{known.status_words()}" + (f" ({known.evidence})" if known.evidence else "") + mark,
    ]
    if known.status == "public":
        lines.append(f"to be had {'by --mirror' if known.file or known.list else 'at'} {known.at}".rstrip())
        lines += [f"then {known.unpack}"] if known.unpack else []
    elif known.substitute:
        titles = "; ".join(catalogue.named(name).title for name in known.substitute)
        lines.append(f"lawful substitute: {titles} ({known.substitute_note})")
    else:
        lines.append(f"no lawful substitute: {known.substitute_note}")
    return lines


def _indented(name: str, lines: Sequence[str]) -> str:
    return "\n".join([name, *(wrapped(line, "  ", "    ") for line in lines)])


def wrapped(text: str, first: str = "", rest: str = "") -> str:
    """A paragraph in lines that a terminal holds; links stay whole."""
    lines = textwrap.TextWrapper(
        _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return lines.fill(text)


def _size(figure: Figure | None) -> str:
    return UNKNOWN if figure is None else megabytes(figure.value) + "~" * figure.unverified


def _count(figure: Figure | None) -> str:
    return UNKNOWN if figure is None else f"{figure.value:,}" + "~" * figure.unverified


def tokens_of(expected: Expected, paper: Paper) -> str:
    """Tokens as published, else of the text at the paper's own bytes a token, and marked."""
    if expected.tokens is None and expected.text_bytes is None:
        return UNKNOWN
    published = expected.tokens is not None and not expected.tokens.unverified
    return billions(estimate(expected, paper)) + "~" * (not published)


def estimate(expected: Expected, paper: Paper) -> int:
    """Tokens of a source whose tokens or bytes of text are known."""
    if expected.tokens is not None:
        return expected.tokens.value
    size = expected.text_bytes.value if expected.text_bytes else 0
    return size * paper.tokens.value // paper.text_bytes.value


def billions(count: int) -> str:
    """A number of tokens as papers write it: `54.9B`."""
    return f"{count / 1e9:.1f}B"
