"""What is known of each source, whoever builds what from it: status, licence, sizes, substitutes, where it is had.

It is knowledge and no part of a corpus: nothing here moves a digest. What a manifest must hold of a source (title,
holder, licence, link) stands in the recipe's own `[[source]]`. An entry speaks of a recipe's source when name and
title agree: the sample has a `wikipedia` too, and its title says that it only has the form.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
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

    def status_words(self) -> str:
        """The status with its date and reason: `withdrawn since 2023: ...`."""
        words = self.status.replace("-", " ") + (f" since {self.since}" if self.since else "")
        return f"{words}: {self.why}" if self.why else words


class Paper(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the OPT paper says of the whole."""

    text_bytes: Figure
    tokens: Figure


@dataclass(frozen=True)
class Explanation:
    """What an error says of input files that are not there."""

    what: str
    remedy: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every source of OPT's union, their lawful substitutes, and the collections they came in."""

    paper: Paper
    collection: tuple[Entry, ...] = ()
    source: tuple[Entry, ...] = ()

    def of(self, source: Source) -> Entry | None:
        """What is known of a recipe's source, or None."""
        return next((e for e in self.source if (e.name, e.title) == (source.name, source.title)), None)

    def named(self, name: str) -> Entry:
        """The entry of that name, which is known to be there."""
        return next(entry for entry in (*self.collection, *self.source) if entry.name == name)

    def explain(self, entry: Input, sources: tuple[Source, ...]) -> Explanation | None:
        """What is missing where an input's files are, its status, and what may be had in its place.

        Where all that the input holds came in one collection, that is what is missing.
        """
        fed = [source for source in sources if source.name in entry.sources.values()]
        known = [found for found in map(self.of, fed) if found is not None]
        if not known or len(known) < len(fed):
            return None
        whole = {found.part_of for found in known}
        it = self.named(known[0].part_of) if len(whole) == 1 and known[0].part_of else known[0]
        return Explanation(f"{it.title}, {it.status_words()}", self._instead(it))

    def _instead(self, it: Entry) -> str:
        if it.status == "public":
            fetch = ", or fetch it: `build_corpus.py sources --mirror DIR`" if it.file or it.list else ""
            return f"name the folder that holds it with --data{fetch or f', or get it at {it.at}'}"
        note = f" ({it.substitute_note})" if it.substitute_note else ""
        if not it.substitute:
            return f"name the folder with --data if you hold it; there is no lawful substitute{note}"
        titles = ", ".join(self.named(name).title for name in it.substitute)
        return f"name the folder with --data if you hold it; the lawful substitute is {titles}{note}"


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
                near = difflib.get_close_matches(name, known, n=1) or [""]
                yield f"`{entry.name}` names `{name}`, which is not here", f"write `{near[0]}`, or add its entry"
        for name in entry.substitute:
            if name in names and catalogue.named(name).status != "public":
                yield f"`{entry.name}` has the substitute `{name}`, which is not public", "name one that is"
        if (entry.file or entry.list) and not entry.licence_url and entry.licence != "NOASSERTION":
            yield f"`{entry.name}` states a licence and no page that says so", "give it a licence_url"
        for url in (*(f.url for f in entry.file), *(u for at in entry.list for u in (at.url, at.prefix))):
            if not url.startswith(("https://", "http://")):
                yield f"`{entry.name}` is fetched from {url}", "give a URL of http or https"
