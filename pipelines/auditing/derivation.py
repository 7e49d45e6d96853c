"""Whether a manifest's recipe and files are those its stages were computed from, told by the stages' keys.

The one definition of the pipeline is driven over the seals without running anything. Of each stage it gives what
the recipe makes of its rules, its inputs and its tasks: the rules must be those that are sealed, and the key the
digest of all of them. So who rewrites a seed or a threshold, and every digest above it, is found.

Versions of rules are taken as they are sealed, for a later release has others. What is in no key is not proved by
one: titles, licences, the corpus's own name. And who gives every stage another key is found by its signature, or
by building the corpus again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import rfc8785

from corpus import storage
from corpus.errors import IntegrityError
from corpus.manifest import Manifest
from corpus.source import Blob
from pipelines.auditing.changes import changes
from pipelines.build import Build
from pipelines.stage import Sealed, Stage, load_sealed
from pipelines.stages import run_with

# Rules that a release has of its own: versions, which no recipe can say.
VERSIONS = frozenset(
    {"version", "readers", "url_lists", "url", "chains", "posts", "roots", "shingles", "minhash", "duplicates"}
    | {"evidence", "order", "tokenizer", "normalise", "filters", "language", "blocks"}
)


def _altered(what: str, where: str) -> IntegrityError:
    return IntegrityError(what, where=where, remedy="get the manifest from who sealed it, or rebuild the corpus")


def check_derivation(store: str, manifest: Manifest) -> str:
    """Every stage's rules and key are those that the recipe and the files give.

    Raises:
        IntegrityError: They are not, or a stage is missing or one too many.
    """
    named, known = manifest.recipe.tokens.vocabulary, manifest.vocabulary["name"]
    if named != known:
        raise _altered(f"the recipe names vocabulary {named}, the corpus has the ids of {known}", "the manifest")
    proof = _Proof(store, manifest)
    blobs = tuple(Blob(blob.input, blob.path, blob.size, blob.sha256) for blob in manifest.blobs)
    build = Build(manifest.recipe, "", store, named, "", proof, describe=lambda texts: {})
    run_with(build, blobs, manifest.vocabulary)
    more = [stage.name for stage in manifest.stages if stage.name not in proof.proved]
    if more:
        raise _altered("the recipe asks for no such stage", f"stage {more[0]}")
    return f"{len(proof.proved)} stages have the keys that recipe, files and rules give"


class _Proof:
    """A driver that holds every stage it is given against its seal.

    Attributes:
        proved: The stages so far.
    """

    def __init__(self, store: str, manifest: Manifest) -> None:
        self._store, self._manifest = store, manifest
        self.proved: list[str] = []

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal.

        Raises:
            IntegrityError: It was computed from something else.
        """
        entry, place = self._manifest.stage(stage.name), f"stage {stage.name}"
        sealed = load_sealed(storage.join(self._store, "stages", stage.name, entry.key))
        if sealed is None:
            raise _altered("the stage's seal is missing", place)
        for change in changes(_parameters(entry.rules), _parameters(stage.rules)):
            raise _altered(f"by the recipe {change.key} is {change.new}, it was computed with {change.old}", place)
        if replace(stage, rules=entry.rules).key != entry.key:
            raise _altered("the stage's key is not that of its rules, inputs and tasks", place)
        if (sealed.rules, sealed.inputs) != (entry.rules, tuple(stage.inputs)):
            raise _altered("the stage's seal names other rules or inputs than the manifest", place)
        self.proved.append(stage.name)
        return sealed


def _parameters(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rules that a recipe says, as they are once sealed."""
    said = {name: value for name, value in rules.items() if name not in VERSIONS}
    return cast("Mapping[str, Any]", json.loads(rfc8785.dumps(said)))
