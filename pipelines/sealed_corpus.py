"""One sealed corpus as its store vouches for it: manifest, history, statement and integrity index, each proved.

What reports, exports and signatures are made from, and where verification begins. No table and no shard is read
here. Nothing here knows a clock: what has a date has it from the statement's run facts or from the history.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from corpus.attestation import FileEntry, load_index, load_statement
from corpus.errors import IntegrityError
from corpus.ledger import SourceBalance, check_input, check_source
from corpus.manifest import Entry, Manifest, load_manifest, read_history, read_ref, split_ref
from corpus.recipe import Source

NOASSERTION = "NOASSERTION"  # SPDX 2.3, section 7.13: nobody said which licence it is


@dataclass(frozen=True)
class SealedSource:
    """One source of a sealed corpus: what the recipe says of it and what became of it.

    Attributes:
        tokens: In its shards, validation included.
        shards: How many.
    """

    said: Source
    balance: SourceBalance
    tokens: int
    shards: int


@dataclass(frozen=True)
class SealedCorpus:
    """A sealed corpus, proved from its ref to its integrity index.

    Attributes:
        ref: As it was asked for, for instance build/refs/sample/1.0.0.
        store: Where it lies.
        digest: Of its manifest, 64 hex digits.
        history: The entries of the store's history that speak of its name; the last sealed it.
        statement: Who built it and how (SLSA provenance), as the store holds it.
        files: Every file it consists of, by its path below the store.
    """

    ref: str
    store: str
    digest: str
    manifest: Manifest
    history: tuple[Entry, ...]
    statement: Mapping[str, Any]
    files: Mapping[str, FileEntry]

    @property
    def subject(self) -> str:
        """Its name and version: `sample@1.0.0`."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def entry(self) -> Entry:
        """The entry of the history that sealed it."""
        return self.history[-1]

    @property
    def run(self) -> Mapping[str, Any]:
        """The facts of the run that built it: engine, times, libraries, the state of the code."""
        return cast("Mapping[str, Any]", self.statement["predicate"]["buildDefinition"]["internalParameters"])

    @property
    def sources(self) -> tuple[SealedSource, ...]:
        """The sources, in rank order."""
        tokens, shards = Counter[str](), Counter[str]()
        for shard in self.manifest.shards:
            tokens[shard.source] += shard.tokens
            shards[shard.source] += 1
        balances = {balance.name: balance for balance in self.manifest.sources}
        return tuple(
            SealedSource(source, balances[source.name], tokens[source.name], shards[source.name])
            for source in self.manifest.recipe.source
        )

    @property
    def file_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size for file in self.files.values())

    @property
    def documents(self) -> int:
        """Kept, in all sources."""
        return sum(source.balance.kept for source in self.sources)

    @property
    def text_bytes(self) -> int:
        """UTF-8 text kept, in all sources."""
        return sum(source.balance.text_bytes for source in self.sources)

    @property
    def tokens(self) -> int:
        """In all shards, end-of-document ids included."""
        return sum(shard.tokens for shard in self.manifest.shards)

    @property
    def licences(self) -> tuple[str, ...]:
        """What the recipe asserts for the sources, without repetition; NOASSERTION alone where one has none."""
        found = tuple(dict.fromkeys(source.said.licence for source in self.sources))
        return (NOASSERTION,) if NOASSERTION in found else found

    def input_digest(self, name: str) -> str:
        """What stands for all files of an input: sha256 over the lines that sha256sum prints of them."""
        files = sorted((blob.path, blob.sha256) for blob in self.manifest.blobs if blob.input == name)
        return hashlib.sha256("".join(f"{sha256}  {path}\n" for path, sha256 in files).encode()).hexdigest()

    def part_path(self, stage: str, name: str) -> str:
        """Where a part of a stage lies below the store."""
        return f"stages/{stage}/{self.manifest.stage(stage).key}/parts/{name}"

    def instant(self, fact: str) -> str:
        """`started` or `finished` in UTC (RFC 3339); the time of sealing where the run does not say."""
        if fact not in self.run:
            return self.entry.time
        return datetime.datetime.fromtimestamp(self.run[fact], datetime.UTC).isoformat(timespec="seconds")


def load_sealed_corpus(ref: str) -> SealedCorpus:
    """A corpus whose chain of trust holds and whose balances add up; the bytes are `audit.py verify`'s to check.

    Raises:
        SourceError: There is no such ref, or a file is missing.
        IntegrityError: A link of the chain does not hold, or documents or bytes are lost or invented.
    """
    corpus = chain_of_trust(ref)
    for source in corpus.manifest.sources:
        check_source(source)
    for entry in corpus.manifest.inputs:
        check_input(entry)
    return corpus


def chain_of_trust(ref: str) -> SealedCorpus:
    """Reads what vouches for a corpus, link by link; whether its numbers add up is not asked.

    Raises:
        SourceError: There is no such ref, or a file is missing.
        IntegrityError: One of these files is not the one that the file before it vouches for.
    """
    store, digest = read_ref(ref)
    _, name, version = split_ref(ref)
    manifest = load_manifest(store, digest)
    if (manifest.name, manifest.version) != (name, version):
        raise _broken(f"the ref names another corpus, {manifest.name}@{manifest.version}", ref)
    history = tuple(entry for entry in read_history(store) if entry.subject == f"{name}@{version}")
    if not history or history[-1].manifest != digest:
        raise _broken("the history does not say that this corpus was sealed under this name", ref)
    statement = load_statement(store, digest, history[-1].statement)
    index = load_index(store, digest, history[-1].statement)
    return SealedCorpus(
        ref, store, digest, manifest, history, statement, {file.path: file for file in index.files}
    )


def _broken(what: str, ref: str) -> IntegrityError:
    remedy = "restore ref and history from a copy of the store, or build the corpus again"
    return IntegrityError(what, where=ref, remedy=remedy)
