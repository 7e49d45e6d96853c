"""The inputs of a recipe as files: found, sized, and pinned by content.

A pin is the lock of one file: path below the data folder, size, sha256 and, on an object store, its generation. A
build reads nothing whose bytes differ from its pin.
"""

from __future__ import annotations

import fnmatch
import itertools
import posixpath
from dataclasses import dataclass

import msgspec
import rfc8785

from corpus import storage
from corpus.errors import RecipeError, SourceError
from corpus.recipe import Input, Recipe
from corpus.url_list import load_url_list

PINS_SCHEMA = "tokentrail/pins/1"


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input file; a pin when `sha256` is given.

    Attributes:
        input: The recipe's input it belongs to.
        path: Below the data folder, with forward slashes.
        size: Bytes as it lies on disk.
        sha256: Of those bytes, 64 hex digits; "" while unknown.
        generation: What the object store calls this version; "" for a plain file.
    """

    input: str
    path: str
    size: int
    sha256: str = ""
    generation: str = ""


class Pins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lock file of a recipe's inputs."""

    schema: str
    recipe: str
    blobs: tuple[Blob, ...]

    def of(self, recipe: Recipe) -> Pins:
        """The pins of this recipe's inputs alone: a union without a source needs not all that was locked."""
        inputs = {entry.name for entry in recipe.input}
        kept = tuple(blob for blob in self.blobs if blob.input in inputs)
        return msgspec.structs.replace(self, blobs=kept)


@dataclass(frozen=True)
class Found:
    """What lies below a data folder of a recipe's inputs.

    Attributes:
        blobs: In the order of (input, path), not yet hashed.
        missing: (input, pattern) of every pattern that matches nothing.
    """

    blobs: tuple[Blob, ...]
    missing: tuple[tuple[Input, str], ...]


def find_blobs(recipe: Recipe, data: str) -> Found:
    """The files of every input below the data folder.

    Raises:
        RecipeError: A file is claimed by two inputs.
    """
    listed = storage.list_sizes(data)
    claimed: dict[str, str] = {}
    blobs: list[Blob] = []
    missing = []
    for entry in recipe.input:
        own = set()
        for pattern in entry.files:
            paths = {path for path in listed if _matches(path, pattern)}
            own |= paths
            if not paths:
                missing.append((entry, pattern))
        for path in sorted(own):
            if claimed.setdefault(path, entry.name) != entry.name:
                raise RecipeError(
                    f"two inputs claim the same file: {claimed[path]} and {entry.name}",
                    where=path,
                    remedy="make their `files` patterns disjoint: a file is read once",
                )
            blobs.append(Blob(entry.name, path, listed[path]))
    return Found(tuple(blobs), tuple(missing))


def find_url_lists(recipe: Recipe, data: str) -> dict[str, str]:
    """Where each of the recipe's URL lists lies, by its sha256; every one is read and proved.

    Raises:
        SourceError: One is missing, is another than the recipe names, or cannot be read.
    """
    found = {}
    for entry in recipe.input:
        for pinned in entry.url_lists or ():
            found[pinned.sha256] = storage.join(data, pinned.path)
            load_url_list(found[pinned.sha256], pinned.sha256)
    return found


def _matches(path: str, pattern: str) -> bool:
    """Shell patterns by path component: `*` does not cross a slash, `**` crosses any number.

    As in a shell, only a pattern that begins with a dot matches a hidden name: a half-fetched file is no input.
    """
    parts, wanted = path.split("/"), pattern.split("/")

    def match(i: int, j: int) -> bool:
        if j == len(wanted):
            return i == len(parts)
        if wanted[j] == "**":
            ends = itertools.takewhile(
                lambda k: k == i or not parts[k - 1].startswith("."), range(i, len(parts) + 1)
            )
            return any(match(k, j + 1) for k in ends)
        if i == len(parts) or (parts[i].startswith(".") and not wanted[j].startswith(".")):
            return False
        return fnmatch.fnmatchcase(parts[i], wanted[j]) and match(i + 1, j + 1)

    return match(0, 0)


def read_pins(url: str) -> Pins | None:
    """The lock file, or None where there is none.

    Raises:
        SourceError: It is not a lock file of this version.
    """
    try:
        return msgspec.json.decode(storage.read_bytes(url), type=Pins)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(
            f"the lock of the inputs cannot be read: {error}",
            where=url,
            remedy="write it anew with `build_corpus.py sources --pin`",
        ) from error


def encode_pins(recipe: Recipe, blobs: tuple[Blob, ...]) -> bytes:
    """The lock file's bytes: canonical JSON and a newline."""
    pins = Pins(PINS_SCHEMA, recipe.name, blobs)
    return rfc8785.dumps(msgspec.to_builtins(pins)) + b"\n"


def check_pins(found: tuple[Blob, ...], pins: Pins, where: str) -> tuple[Blob, ...]:
    """The found files with the digests of their pins; which a build then verifies while it reads.

    Raises:
        SourceError: A file is missing, new, or of another size than its pin says.
    """
    pinned = {(blob.input, blob.path): blob for blob in pins.blobs}
    for blob in found:
        pin = pinned.get((blob.input, blob.path))
        if pin is None:
            what = "a file is there that the lock does not name"
        elif pin.size != blob.size:
            what = f"a file has {blob.size} bytes and its pin says {pin.size}"
        else:
            continue
        raise SourceError(
            what, where=f"{blob.path} (lock: {where})", remedy="restore the file, or pin anew with `sources --pin`"
        )
    missing = sorted(path for _, path in pinned.keys() - {(blob.input, blob.path) for blob in found})
    if missing:
        raise SourceError(
            f"{len(missing)} pinned files are missing",
            where=f"{missing[0]} (lock: {where})",
            remedy="restore them, or pin anew with `sources --pin`",
        )
    return tuple(pinned[blob.input, blob.path] for blob in found)


def blob_url(data: str, blob: Blob) -> str:
    """Where a blob lies."""
    return posixpath.join(data, blob.path)


def blob_stamp(data: str, blob: Blob) -> str:
    """What changes when a file is replaced, short of its content; it only saves hashing again."""
    return storage.stamp(blob_url(data, blob))
