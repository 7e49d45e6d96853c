"""What of a store no ref reaches: found, counted, and removed in an order that may break off anywhere.

A ref reaches its manifest, that manifest's attestation, and every file they name; refs and history stand for
themselves. All else in a place of ours is garbage: stages of other recipes and of unfinished builds, what an
exchange had in flight, what a dead writer left aside. A file in no place of ours is left where it is, and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from corpus import storage
from corpus.attestation import load_index
from corpus.errors import StoreError
from corpus.manifest import load_manifest, read_ref
from pipelines.progress import megabytes
from pipelines.summary import table

_HEX: Final = "[0-9a-f]"
_STAGE: Final = re.compile(rf"(stages/[^/]+/{_HEX}{{32}})/(stage\.json|(?:done|job|parts|spill)/.+)")
_ATTESTATION: Final = re.compile(rf"(attestations/{_HEX}{{64}})/.+")
_MANIFEST: Final = re.compile(rf"manifests/{_HEX}{{64}}\.json")
_FOR_THEMSELVES: Final = ("refs/", "history/", ".lock")
# What vouches for other files goes before them: a statement before its index, a seal and markers before parts.
_FIRST: Final = ("statement.json", "integrity.json", "stage.json", "done")


@dataclass(frozen=True)
class Garbage:
    """What was found in a store; paths below it, sizes in bytes.

    Attributes:
        refs: The sealed corpora that stay.
        kept: Files of theirs.
        things: What can go: a stage's folder, an attestation, a manifest or a file left aside -> its files.
        unknown: Files in no place of ours.
    """

    refs: tuple[str, ...]
    kept: Mapping[str, int]
    things: Mapping[str, Mapping[str, int]]
    unknown: Mapping[str, int]

    @property
    def size(self) -> tuple[int, int]:
        """Files that can go, and their bytes."""
        sizes = [size for files in self.things.values() for size in files.values()]
        return len(sizes), sum(sizes)


def find_garbage(store: str) -> Garbage:
    """Looks through a store.

    Raises:
        TokentrailError: A ref is broken: nobody can say what it reaches.
    """
    refs = [path for path in storage.list_files(storage.join(store, "refs")) if not storage.is_aside(path)]
    reached = {path for ref in refs for path in reached_by(store, ref)}
    whole = {thing for path in reached if (thing := _thing_of(path))}
    kept: dict[str, int] = {}
    unknown: dict[str, int] = {}
    things: dict[str, dict[str, int]] = {}
    for path, size in storage.list_sizes(store).items():
        thing = _thing_of(path)
        if storage.is_aside(path):
            things[path] = {path: size}
        elif path in reached or path.startswith(_FOR_THEMSELVES) or (thing in whole and _ATTESTATION.match(path)):
            kept[path] = size
        elif thing is None or (thing in whole and path.startswith(f"{thing}/parts/")):
            unknown[path] = size
        else:
            things.setdefault(thing, {})[path] = size
    return Garbage(tuple(refs), kept, things, unknown)


def reached_by(store: str, ref: str) -> Iterator[str]:
    """Every file that the sealed corpus `<name>/<version>` consists of, beside its ref and its history.

    Raises:
        TokentrailError: Its manifest or its attestation is missing or altered.
    """
    _, digest = read_ref(storage.join(store, "refs", ref))
    manifest = load_manifest(store, digest)
    yield f"manifests/{digest}.json"
    yield from (f"attestations/{digest}/{name}" for name in ("statement.json", "integrity.json"))
    yield from (file.path for file in load_index(store, digest).files)
    for stage in manifest.stages:
        folder = f"stages/{stage.name}/{stage.key}"
        yield f"{folder}/stage.json"
        yield from (f"{folder}/parts/{part.name}" for part in stage.parts)


def _thing_of(path: str) -> str | None:
    """What a file is of; None where it is in no place of ours."""
    found = _STAGE.fullmatch(path) or _ATTESTATION.fullmatch(path)
    if found:
        return found[1]
    return path if _MANIFEST.fullmatch(path) else None


def remove_garbage(store: str, garbage: Garbage) -> None:
    """Removes what can go, thing by thing; broken off anywhere it leaves nothing that a build takes for whole.

    Attestations go first: a corpus that is built again gets one of its own. Of a stage its seal and its markers go
    first: without its parts neither may be found.

    Raises:
        StoreError: Something is still there.
    """
    for url in removals(store, garbage):
        storage.remove(url)
    for folder in ("attestations", "manifests", "stages"):
        storage.remove_empty(storage.join(store, folder))
    there = storage.list_sizes(store)
    left = [path for files in garbage.things.values() for path in files if path in there]
    if left:
        raise StoreError(
            f"{len(left)} files cannot be removed",
            where=storage.join(store, left[0]),
            remedy="see who may write there, and start the same command again",
        )


def removals(store: str, garbage: Garbage) -> Iterator[str]:
    """The files and folders to remove, in their order."""
    for thing in sorted(garbage.things, key=lambda thing: (not _ATTESTATION.match(f"{thing}/x"), thing)):
        names = {path.removeprefix(thing).lstrip("/").partition("/")[0] for path in garbage.things[thing]}
        for name in sorted(names, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)):
            yield storage.join(store, thing, name) if name else storage.join(store, thing)


def describe(garbage: Garbage) -> str:
    """What can go, what stays and what is left alone, with sizes."""
    rows = [
        [thing, f"{len(files):,}", megabytes(sum(files.values()))]
        for thing, files in sorted(garbage.things.items())
    ]
    lines = [table(["no ref reaches", "files", "size"], rows), ""] if rows else []
    size = megabytes(sum(garbage.kept.values()))
    lines.append(
        f"stay: {len(garbage.kept):,} files of {size}, of {', '.join(garbage.refs) or 'no sealed corpus'}"
    )
    lines += [f"left alone, for it is not ours: {path}" for path in sorted(garbage.unknown)]
    return "\n".join(lines)
