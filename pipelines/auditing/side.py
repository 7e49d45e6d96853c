"""One of two sealed corpora that are compared: its manifest, and what its attestation says of its build."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from corpus import storage
from corpus.attestation import load_index, load_statement
from corpus.errors import SourceError
from corpus.manifest import Manifest, load_manifest, read_ref
from pipelines.stage import Sealed, load_sealed

# What an attestation says of the machinery, of which the first may move a corpus; the others must not.
DECIDING = ("code", "libraries", "python", "unicode", "encoder")
_SHOWN = (*DECIDING, "engine", "workers", "platform")


@dataclass(frozen=True)
class Side:
    """A sealed corpus, as its seals describe it.

    Attributes:
        environment: Code, libraries, interpreter, engine; empty where the attestation is gone.
        containers: Every file's sha256 by its path below the store; empty likewise.
    """

    ref: str
    store: str
    digest: str
    manifest: Manifest
    environment: dict[str, Any]
    containers: dict[str, str]

    def sealed(self, stage: str) -> Sealed:
        """A stage's seal, which says what the stage was made from.

        Raises:
            SourceError: It is missing.
        """
        folder = storage.join(self.store, "stages", stage, self.manifest.stage(stage).key)
        sealed = load_sealed(folder)
        if sealed is None:
            raise SourceError("the stage's seal is missing", where=folder, remedy="copy the whole store")
        return sealed

    def part_url(self, stage: str, part: str) -> str:
        """Where a part lies."""
        return storage.join(self.manifest.stage_folder(self.store, stage), part)

    def tokens(self) -> Counter[str]:
        """Tokens by source."""
        found: Counter[str] = Counter()
        for shard in self.manifest.shards:
            found[shard.source] += shard.tokens
        return found


def load_side(ref: str) -> Side:
    """Reads the seals of a corpus; they are taken at their word, which `verify` proves.

    Raises:
        SourceError: There is no such ref, or its manifest is missing.
        IntegrityError: The manifest or the integrity index is not the one its digest names.
    """
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    try:
        facts = load_statement(store, digest)["predicate"]["buildDefinition"]["internalParameters"]
        containers = {file.path: file.sha256 for file in load_index(store, digest).files}
    except SourceError:
        facts, containers = {}, {}
    return Side(ref, store, digest, manifest, {key: facts[key] for key in _SHOWN if key in facts}, containers)
