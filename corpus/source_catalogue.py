"""What is known of each source, whoever builds what from it: status, licence, sizes, substitutes, where it is had.

It is knowledge and no part of a corpus: nothing here moves a digest. What a manifest must hold of a source (title,
holder, licence, link) stands in the recipe's own `[[source]]`. An entry speaks of a recipe's source when name and
title agree: the sample has a `wikipedia` too, and its title says that it only has the form.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Literal

import msgspec

from corpus.errors import RecipeError
from corpus.recipe import Input, Source
from corpus.strict_toml import convert, read_tree

Status = Literal["public", "on-request", "withdrawn", "never-published"]


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number, and who says so.

    Attributes:
        value: Bytes, documents or tokens.
        source: Where it stands written.
        unverified: It was written from memory: nobody looked it up there.
    """

    value: int
    source: str
    unverified: bool = False


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of a source there is; what nobody published is absent.

    Attributes:
        raw_bytes: Of its files, as they lie on disk.
        documents: In it.
        text_bytes: Of their UTF-8 text, before duplicates go.
        tokens: Of that text, GPT-2's.
    """

    raw_bytes: Figure | None = None
    documents: Figure | None = None
    text_bytes: Figure | None = None
    tokens: Figure | None = None


class FileAt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file at a stable public location.

    Attributes:
        path: Where it is put below the folder of raw files.
        size: In bytes, 0 where nobody says.
        sha256: Of those bytes as their holder published it, or "".
    """

    url: str
    path: str
    size: int = 0
    sha256: str = ""


class ListAt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of files, one path a line, kept by their holder.

    Attributes:
        url: Where the list is; `{year}` and `{month}` stand for each month in turn.
        prefix: What makes a URL of a line.
        folder: Its files are put below this folder of the raw files, under the line's path.
        first_month: The first list, as YYYY-MM, or "" for a list without months.
        last_month: The last one.
    """

    url: str
    prefix: str
    folder: str
    first_month: str = ""
    last_month: str = ""

    def urls(self) -> Iterator[str]:
        """Every list's own URL, month by month."""
        if not self.first_month:
            yield self.url
            return
        year, month = map(int, self.first_month.split("-"))
        while f"{year}-{month:02}" <= self.last_month:
            yield self.url.format(year=year, month=f"{month:02}")
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source, or a collection that sources are part of.

    Attributes:
        what: What it is, in one sentence.
        licence: SPDX, NOASSERTION unless its holder says it.
        licence_url: The page that says it.
        since: When the status began: a year, month or day.
        why: What happened.
        evidence: The page that says so.
        unverified: Status, reason and locations were written from memory.
        part_of: The collection whose files hold it.
        substitute: Entries that may lawfully be had in its place.
        substitute_note: What is lost by it, or why there is none.
        at: The page where a person gets it, or asks for it.
        unpack: What to do with the files before they can be read.
    """

    name: str
    title: str
    what: str
    holder: str
    licence: str = "NOASSERTION"
    licence_url: str = ""
    status: Status
    since: str = ""
    why: str = ""
    evidence: str = ""
    unverified: bool = False
    part_of: str = ""
    substitute: tuple[str, ...] = ()
    substitute_note: str = ""
    at: str = ""
    unpack: str = ""
    expected: Expected = Expected()
    file: tuple[FileAt, ...] = ()
    list: tuple[ListAt, ...] = ()

    def short_status(self) -> str:
        """The status and the date alone, for a table: `withdrawn 2023-08`."""
        return " ".join([self.status.replace("-", " "), *self.since.split()[:1]])

    def status_since(self) -> str:
        """The status with its date: `withdrawn since 2023-08`."""
        return self.status.replace("-", " ") + (f" since {self.since}" if self.since else "")

    def status_words(self) -> str:
        """The status with its date and reason: `withdrawn since 2023-08: ...`."""
        return f"{self.status_since()}: {self.why}" if self.why else self.status_since()


class Paper(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the OPT paper says of the whole (data card, arXiv 2205.01068, appendix C).

    Attributes:
        text_bytes: "800 GB of data".
        tokens: "180B tokens".
    """

    text_bytes: Figure = Figure(value=800_000_000_000, source="arXiv 2205.01068, appendix C")
    tokens: Figure = Figure(value=180_000_000_000, source="arXiv 2205.01068, appendix C")


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every source of OPT's union, their lawful substitutes, and the collections they came in."""

    paper: Paper = Paper()
    collection: tuple[Entry, ...] = ()
    source: tuple[Entry, ...] = ()

    def of(self, source: Source) -> Entry | None:
        """What is known of a recipe's source, or None."""
        return next((e for e in self.source if (e.name, e.title) == (source.name, source.title)), None)

    def named(self, name: str) -> Entry:
        """The entry of that name, which is known to be there."""
        return next(entry for entry in (*self.collection, *self.source) if entry.name == name)

    def held_by(self, entry: Input, sources: tuple[Source, ...]) -> tuple[Entry, ...]:
        """What an input's files are: sources, or the collections they came in; () where one is not known."""
        found = [self.of(source) for source in sources if source.name in entry.sources.values()]
        known = [it for it in found if it is not None]
        if len(known) < len(found):
            return ()
        whole = {it.part_of or it.name: None for it in known}
        return tuple(self.named(name) for name in whole)


def load_catalogue(path: str) -> Catalogue:
    """Reads a catalogue, strictly.

    Raises:
        RecipeError: No such file, not TOML, an unknown key (the nearest is named), a wrong value, or a name that
            leads nowhere.
    """
    tree = read_tree(path, "catalogue", "name workflows/recipes/catalogue.toml with --catalogue")
    catalogue = convert(tree, Catalogue, path, "catalogue")
    for what, remedy in _wrong(catalogue):
        raise RecipeError(what, where=path, remedy=remedy)
    return catalogue


def _wrong(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """What types cannot say."""
    entries = (*catalogue.collection, *catalogue.source)
    names = [entry.name for entry in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two entries are called {name}", "give every entry a name of its own"
    collections = [entry.name for entry in catalogue.collection]
    for entry in entries:
        for name, known in (
            *((name, names) for name in entry.substitute),
            *([(entry.part_of, collections)] if entry.part_of else []),
        ):
            if name not in known:
                near = [f"write `{other}`, or " for other in difflib.get_close_matches(name, known, n=1)]
                yield f"`{entry.name}` names `{name}`, which is not here", f"{''.join(near)}add its entry"
        for name in entry.substitute:
            if name in names and catalogue.named(name).status != "public":
                yield f"`{entry.name}` has the substitute `{name}`, which is not public", "name one that is"
        if (entry.file or entry.list) and not entry.licence_url and entry.licence != "NOASSERTION":
            yield f"`{entry.name}` states a licence and no page that says so", "give it a licence_url"
        for url in (*(f.url for f in entry.file), *(u for at in entry.list for u in (at.url, at.prefix))):
            if not url.startswith(("https://", "http://")):
                yield f"`{entry.name}` is fetched from {url}", "give a URL of http or https"
