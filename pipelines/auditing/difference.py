"""What differs between two sealed corpora, why, and a grade: may one stand for the other?

    A  bit-identical        the same manifest, and every file has the same bytes
    B  logically identical  every row and token is the same; containers, or the papers of the recipe, differ
    C  explained            rows differ, and a recorded change stands before every difference
    F  unexplained          rows differ, and nothing recorded explains it

A recorded change is an input file's bytes, a key of the recipe, a rule's version, the code or a library. That it
stands before a difference does not prove that it made it: `rebuild` does. Both seals are taken at their word, as
`verify` proves it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from pipelines.auditing.changes import ABSENT, Change, changes
from pipelines.auditing.document_changes import DocumentChanges, document_changes
from pipelines.auditing.first_divergence import Divergence, first_divergence
from pipelines.auditing.side import DECIDING, Side, load_side
from pipelines.auditing.stage_changes import StageChange, stage_changes
from pipelines.steps.blocks import BLOCK_STAGES

Grade = Literal["A", "B", "C", "F"]
# Of the rules of a stage that makes texts, those that judge a text and do not touch it, or that name and number.
_JUDGING = re.compile(r"(texts\.[^.]+\.)?(filters|language|numbers|on_damage)(\..*)?")


class Counts(msgspec.Struct, frozen=True):
    """A source in one corpus: records, kept documents, their text, and their tokens."""

    documents: int
    kept: int
    text_bytes: int
    tokens: int


class SourceChange(msgspec.Struct, frozen=True):
    """A source in two corpora; None in the one that does not have it."""

    name: str
    first: Counts | None
    second: Counts | None


class Difference(msgspec.Struct, frozen=True):
    """All that differs between two sealed corpora.

    Attributes:
        grade: "A", "B", "C" or "F".
        refs: As they were asked for.
        digests: Of their manifests.
        recipe: Keys whose values differ.
        files: Input files that differ: the key is the path, the values are digests.
        environment: What differs between code, libraries and machines.
        stages: Those that differ in rules or rows.
        sources: Every source of either.
        documents: None where no row differs.
        divergence: The first record that differs; likewise.
        causes: What explains it, the likeliest first; empty where nothing recorded does.
        unexplained: Stages and sources that differ with nothing recorded to explain it.
        containers: Files of both whose bytes differ.
    """

    grade: Grade
    refs: tuple[str, str]
    digests: tuple[str, str]
    recipe: tuple[Change, ...]
    files: tuple[Change, ...]
    environment: tuple[Change, ...]
    stages: tuple[StageChange, ...]
    sources: tuple[SourceChange, ...]
    documents: DocumentChanges | None
    divergence: Divergence | None
    causes: tuple[str, ...]
    unexplained: tuple[str, ...]
    containers: int


def difference(ref: str, other: str) -> Difference:
    """Compares two sealed corpora, which may lie in two stores.

    Raises:
        SourceError: There is no such ref, or a file of a store is missing.
        IntegrityError: A store contradicts itself.
    """
    first, second = load_side(ref), load_side(other)
    recipe = changes(first.manifest.recipe.canonical(), second.manifest.recipe.canonical())
    environment = changes(first.environment, second.environment)
    machinery = [change for change in environment if change.key.split(".")[0] in DECIDING]
    stages = stage_changes(first, second)
    unlike = [stage for stage in stages if stage.parts or not all(stage.present)]
    documents = document_changes(first, second) if unlike else None
    unexplained = [f"stage {stage.name}" for stage in unlike if not stage.causes(recipe, machinery)]
    unexplained += _unexplained_texts(documents, stages, machinery)
    both = first.containers.keys() & second.containers.keys()
    containers = sum(first.containers[path] != second.containers[path] for path in both)
    return Difference(
        grade=_grade(first.digest == second.digest, containers, bool(unlike), bool(unexplained)),
        refs=(ref, other),
        digests=(first.digest, second.digest),
        recipe=recipe,
        files=_files(first, second),
        environment=environment,
        stages=stages,
        sources=_sources(first, second),
        documents=documents,
        divergence=first_divergence(first, second, unlike[0]) if unlike else None,
        causes=unlike[0].causes(recipe, machinery) if unlike else (),
        unexplained=tuple(unexplained),
        containers=containers,
    )


def _grade(same_manifest: bool, containers: int, rows_differ: bool, unexplained: bool) -> Grade:
    if unexplained:
        return "F"
    if rows_differ:
        return "C"
    return "A" if same_manifest and not containers else "B"


def _unexplained_texts(
    documents: DocumentChanges | None, stages: Sequence[StageChange], machinery: Sequence[Change]
) -> list[str]:
    """Sources that hold another text of the same raw record, though nothing that makes texts differs."""
    if documents is None or machinery:
        return []
    rules = [change.key for stage in stages if stage.name in BLOCK_STAGES for change in stage.rules]
    touching = [key for key in rules if not _JUDGING.fullmatch(key)]
    return [
        f"texts of source {moved.reason}"
        for moved in documents.changed
        if not any(not key.startswith("texts.") or key.startswith(f"texts.{moved.reason}") for key in touching)
    ]


def _files(first: Side, second: Side) -> tuple[Change, ...]:
    before, after = ({blob.path: blob.sha256 for blob in side.manifest.blobs} for side in (first, second))
    return tuple(
        Change(path, before.get(path, ABSENT), after.get(path, ABSENT))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def _sources(first: Side, second: Side) -> tuple[SourceChange, ...]:
    before, after = _counts(first), _counts(second)
    return tuple(SourceChange(name, before.get(name), after.get(name)) for name in {**before, **after})


def _counts(side: Side) -> dict[str, Counts]:
    tokens = side.tokens()
    return {
        balance.name: Counts(balance.documents, balance.kept, balance.text_bytes, tokens[balance.name])
        for balance in side.manifest.sources
    }
