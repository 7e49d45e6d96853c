"""What there is to fetch: the files of each source that are public, and why the others cannot be had."""

from __future__ import annotations

import difflib
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from corpus.errors import FetchError, RecipeError
from corpus.recipe import Recipe, Source
from corpus.source import Pins
from corpus.source_catalogue import Catalogue, Entry, FileAt, ListAt
from pipelines.mirror.client import Client
from pipelines.progress import megabytes

LIST_BYTES = 64 << 20  # unpublished: our choice; ten times Common Crawl's longest list of paths


@dataclass(frozen=True)
class SourcePlan:
    """What can be fetched of one source.

    Attributes:
        why_not: Why nothing can be, or "".
        failed: Lists that could not be read.
    """

    source: str
    files: tuple[FileAt, ...] = ()
    why_not: str = ""
    failed: tuple[FetchError, ...] = ()

    def line(self) -> str:
        """The plan in one line: `gutenberg: 2 files, 3.1 MB`."""
        if self.why_not:
            return f"{self.source}: cannot be fetched: {self.why_not}"
        unread = f"; of its lists {len(self.failed):,} could not be read" if self.failed else ""
        if not self.files and not unread:
            return f"{self.source}: in the files of the sources above"
        return f"{self.source}: {amount(self.files)}{unread}"


def amount(files: Sequence[FileAt]) -> str:
    """How many files, and how large as far as it is known: `3 files, 2.0 kB and 2 of unknown size`."""
    unknown = sum(not file.size for file in files)
    size = megabytes(sum(file.size for file in files))
    if unknown:
        size = "of unknown size" if unknown == len(files) else f"{size} and {unknown:,} of unknown size"
    return f"{len(files):,} file{'s' * (len(files) != 1)}, {size}"


def plan(sources: Sequence[Source], catalogue: Catalogue, pins: Pins | None, client: Client) -> list[SourcePlan]:
    """What can be fetched of each source; the lists of files are read now.

    A path that two sources name is the first one's. Where the lock pins a path, its size and digest are expected.
    """
    pinned = {blob.path: blob for blob in pins.blobs} if pins else {}
    taken: set[str] = set()
    plans = []
    for source in sources:
        entry = _holder(source, catalogue)
        if isinstance(entry, str):
            plans.append(SourcePlan(source.name, why_not=entry))
            continue
        found, failed = _files(entry, client)
        files = []
        for file in found:
            if file.path not in taken:
                taken.add(file.path)
                pin = pinned.get(file.path)
                files.append(msgspec.structs.replace(file, size=pin.size, sha256=pin.sha256) if pin else file)
        plans.append(SourcePlan(source.name, tuple(files), failed=tuple(failed)))
    return plans


def _files(entry: Entry, client: Client) -> tuple[list[FileAt], list[FetchError]]:
    """The files of an entry, and what is wrong with those of its lists that cannot be read."""
    files, failed = list(entry.file), []
    for at in entry.list:
        for url in at.urls():
            try:
                files += _listed(at, url, client)
            except FetchError as error:
                failed.append(error)
    return files, failed


def chosen(recipe: Recipe, only: Sequence[str]) -> tuple[Source, ...]:
    """The recipe's sources of these names, or all where none is named.

    Raises:
        RecipeError: It has no such source.
    """
    names = [source.name for source in recipe.source]
    for name in only:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1) or names
            raise RecipeError(
                f"the recipe has no source `{name}`", where="--only", remedy=f"choose one of: {', '.join(near)}"
            )
    return tuple(source for source in recipe.source if not only or source.name in only)


def _holder(source: Source, catalogue: Catalogue) -> Entry | str:
    """The entry whose files hold a source, its own or its collection's; or why there is none."""
    entry = catalogue.of(source)
    if entry is None:
        return "the catalogue does not know it"
    whole = [catalogue.named(entry.part_of)] if entry.part_of else []
    for each in (entry, *whole):
        if each.status == "public" and (each.file or each.list):
            return each
    if entry.status == "public":
        return f"it is public, and had by hand: {entry.at}" if entry.at else "it is public, and nobody says where"
    instead = f"; name in its place: {', '.join(entry.substitute)}" if entry.substitute else ""
    return entry.status_words() + instead


def _listed(at: ListAt, url: str, client: Client) -> list[FileAt]:
    """The files of one list."""
    return [
        FileAt(url=at.prefix + line, path=_below(at.folder, line, url))
        for line in map(str.strip, _text(url, client).splitlines())
        if line and not line.startswith("#")
    ]


def _below(folder: str, line: str, where: str) -> str:
    """A path below a folder: a list comes from outside, and must not reach beyond what is its own."""
    path = PurePosixPath(line)
    if path.is_absolute() or not line.isprintable() or any(part.startswith(".") for part in line.split("/")):
        raise FetchError(
            f"a list names the file {line!r}, which would lie outside its folder, or hidden in it",
            where=where,
            remedy="nothing of this list is fetched: ask who keeps it",
        )
    return str(PurePosixPath(folder) / path)


def _text(url: str, client: Client) -> str:
    """The text of a list, unpacked."""
    data = client.patiently(url, lambda: b"".join(_bounded(url, client)), lambda: 0)
    try:
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(LIST_BYTES + 1)
        if len(data) <= LIST_BYTES:
            return data.decode()
        what = _too_long()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        what = f"the list cannot be read: {error}"
    raise FetchError(what, where=url, remedy="open it in a browser: it should hold a path a line")


def _bounded(url: str, client: Client) -> Iterator[bytes]:
    size = 0
    with client.get(url) as answer:
        for piece in answer.body:
            size += len(piece)
            if size > LIST_BYTES:
                raise FetchError(
                    _too_long(), where=url, remedy="open it in a browser: it should hold a path a line"
                )
            yield piece


def _too_long() -> str:
    return f"the list is longer than {megabytes(LIST_BYTES)}"
