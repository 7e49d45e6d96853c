"""The manifest: what a corpus is, in one canonical file named by its own sha256; its refs and its history.

    <store>/manifests/<sha256>.json     RFC 8785 JSON of integers and strings: the corpus's identity
    <store>/refs/<name>/<version>       one line, sha256:<digest>, written once
    <store>/history/00000001.json ...   who sealed what, each entry holding the digest of the one before

No clock, host, engine or worker count stands in a manifest: same recipe, same bytes, same rules, same digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import rfc8785

from corpus import storage
from corpus.errors import IntegrityError, SourceError, StoreError
from corpus.ledger import InputBalance, SourceBalance
from corpus.recipe import Recipe

SCHEMA = "tokentrail/manifest/1"


class BlobEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input file, by content."""

    input: str
    path: str
    size: int
    sha256: str


class PartEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One part of a stage, by what it says."""

    name: str
    rows: int
    logical: str


class StageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed stage: where it lies (`stages/<name>/<key>`) and what it holds."""

    name: str
    key: str
    rules: dict[str, Any]
    parts: tuple[PartEntry, ...]
    counts: dict[str, int]


class ShardEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shard: `<name>.bin`, `<name>.idx` and `<name>.placement.parquet` in the folder of the shards stage."""

    name: str
    source: str
    split: str
    documents: int
    tokens: int
    bin_sha256: str
    idx_sha256: str
    placement: str


class SplitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What validation holds of a source: the bytes asked for and taken; whole documents, so it may overshoot."""

    source: str
    quota_bytes: int
    documents: int
    bytes: int


class DamageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A container that broke and of which only the beginning was kept, because the recipe allows it."""

    path: str
    what: str
    stream_bytes: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sealed corpus. Versions of rules stand with the stages that apply them.

    Attributes:
        vocabulary: Name, sizes, special ids, digests of the files, and the digest of what the tokenizer does.
    """

    schema: str
    name: str
    version: str
    recipe: Recipe
    blobs: tuple[BlobEntry, ...]
    stages: tuple[StageEntry, ...]
    vocabulary: dict[str, Any]
    sources: tuple[SourceBalance, ...]
    inputs: tuple[InputBalance, ...]
    shards: tuple[ShardEntry, ...]
    validation: tuple[SplitEntry, ...]
    damage: tuple[DamageEntry, ...]

    def canonical(self) -> bytes:
        """The bytes whose sha256 is the corpus's identity."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    def digest(self) -> str:
        """sha256 of the canonical bytes, 64 hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def stage(self, name: str) -> StageEntry:
        """The stage of that name.

        Raises:
            IntegrityError: There is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise IntegrityError(f"the manifest has no stage {name}", where=self.name, remedy="build the corpus again")

    def stage_folder(self, store: str, name: str) -> str:
        """Where the stage's parts lie in a store."""
        return storage.join(store, "stages", name, self.stage(name).key, "parts")


def manifest_url(store: str, digest: str) -> str:
    """Where a manifest lies."""
    return storage.join(store, "manifests", f"{digest}.json")


def publish_manifest(store: str, manifest: Manifest) -> str:
    """Writes the manifest under its digest and gives the digest."""
    digest = manifest.digest()
    storage.publish(manifest_url(store, digest), manifest.canonical())
    return digest


def load_manifest(store: str, digest: str) -> Manifest:
    """Reads a manifest and proves that it is the one of that digest.

    Raises:
        SourceError: It is not there.
        IntegrityError: Its bytes are not those the digest was taken of.
    """
    url = manifest_url(store, digest)
    try:
        data = storage.read_bytes(url)
    except FileNotFoundError as error:
        raise SourceError(
            "the manifest is missing", where=url, remedy="copy the whole store, manifests included"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise IntegrityError(
            f"the manifest's bytes have sha256 {found}", where=url, remedy="restore this file from a copy"
        )
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(
            f"the manifest is not of schema {SCHEMA}: {error}", where=url, remedy="use the release that sealed it"
        ) from error


def split_ref(url: str) -> tuple[str, str, str]:
    """A ref's URL as (store, name, version): `build/refs/sample/1.0.0` -> ("build", "sample", "1.0.0").

    Raises:
        SourceError: It does not look like a ref.
    """
    parts = url.rstrip("/").split("/")
    if len(parts) < 3 or parts[-3] != "refs":
        raise SourceError("this is no ref", where=url, remedy="name a sealed corpus like build/refs/sample/1.0.0")
    return "/".join(parts[:-3]) or ".", parts[-2], parts[-1]


def read_ref(url: str) -> tuple[str, str]:
    """Resolves a ref: (store, digest).

    Raises:
        SourceError: There is no such ref.
        IntegrityError: It holds no digest.
    """
    store, _, _ = split_ref(url)
    try:
        line = storage.read_bytes(url).decode("ascii", "replace")
    except FileNotFoundError as error:
        known = [f"{store}/refs/{name}" for name in storage.list_files(storage.join(store, "refs"))]
        remedy = f"there is: {', '.join(known)}" if known else "build a corpus first: workflows/demo"
        raise SourceError("there is no such ref", where=url, remedy=remedy) from error
    digest = line.removeprefix("sha256:").removesuffix("\n")
    if line != f"sha256:{digest}\n" or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise IntegrityError(
            "the ref holds no digest", where=url, remedy="restore it: the history names the digest"
        )
    return store, digest


def publish_ref(store: str, name: str, version: str, digest: str) -> bool:
    """Names a manifest, once and for ever; says whether this call did it.

    Raises:
        StoreError: The name already stands for another corpus.
    """
    url = storage.join(store, "refs", name, version)
    if storage.publish(url, f"sha256:{digest}\n".encode()):
        return True
    _, sealed = read_ref(url)
    if sealed != digest:
        raise StoreError(
            f"{name}@{version} is already sealed with other content, sha256:{sealed}",
            where=url,
            remedy="give the recipe a new version, for instance with --set version=...",
        )
    return False


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the history; `sha256` is of the rest of it, `previous` is the `sha256` of the one before."""

    number: int
    previous: str
    action: str
    subject: str
    manifest: str
    statement: str
    actor: str
    time: str
    why: str
    sha256: str = ""

    def sealed(self) -> Entry:
        """The entry with its own digest filled in."""
        body = msgspec.to_builtins(msgspec.structs.replace(self, sha256=""))
        return msgspec.structs.replace(self, sha256=hashlib.sha256(rfc8785.dumps(body)).hexdigest())


def read_history(store: str) -> list[Entry]:
    """The whole history, each entry proved against its digest and the one before.

    Raises:
        IntegrityError: An entry is missing, altered or out of order.
    """
    folder = storage.join(store, "history")
    entries: list[Entry] = []
    names = [name for name in storage.list_files(folder) if not storage.is_aside(name)]
    for number, name in enumerate(names, start=1):
        url = storage.join(folder, name)
        try:
            entry = msgspec.json.decode(storage.read_bytes(url), type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken_history(f"an entry cannot be read: {error}", url) from error
        previous = entries[-1].sha256 if entries else ""
        if name != f"{number:08d}.json" or entry.number != number or entry.previous != previous:
            raise _broken_history("an entry does not follow the one before it", url)
        if entry.sealed() != entry or rfc8785.dumps(msgspec.to_builtins(entry)) != storage.read_bytes(url):
            raise _broken_history("an entry was altered", url)
        entries.append(entry)
    return entries


def _broken_history(what: str, url: str) -> IntegrityError:
    return IntegrityError(what, where=url, remedy="restore the history folder from a copy")


def append_history(store: str, facts: Mapping[str, str]) -> Entry:
    """Adds an entry: action, subject, manifest, statement, actor, time, why."""
    while True:
        entries = read_history(store)
        previous = entries[-1].sha256 if entries else ""
        entry = Entry(number=len(entries) + 1, previous=previous, **facts).sealed()
        url = storage.join(store, "history", f"{entry.number:08d}.json")
        if storage.publish(url, rfc8785.dumps(msgspec.to_builtins(entry))):
            return entry
