"""The documents that went, came, changed or moved between two corpora: as bars, and some of them shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from corpus.marks import Bar, bars
from pipelines.auditing.document_changes import DocumentChanges, Example, Moved
from pipelines.auditing.side import Side
from pipelines.reports.excerpts import documents, excerpt, parting
from pipelines.steps.blocks import Blocks

_GROUPS = 15  # unpublished: our choice; of a kind, the largest


@dataclass(frozen=True)
class Shown:
    """One document of a group.

    Attributes:
        texts: Its beginning, redacted; of a changed one both texts, from a little before they part.
    """

    example: Example
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Documents that moved for one reason, and some of them.

    Attributes:
        says: What became of them, in words.
        style: The class of what is drawn of them.
        tokens: How many, in words, with their sign where the corpus lost or gained them.
    """

    says: str
    style: str
    tokens: str
    moved: Moved
    shown: Sequence[Shown]


def picture(found: Sequence[Group]) -> Markup:
    """How many documents each group holds."""
    rows = []
    for group in found:
        documents = f"{group.moved.documents:,} document{'s' if group.moved.documents > 1 else ''}"
        rows.append(Bar(group.says, group.moved.documents, f"{documents}, {group.tokens}", group.style))
    return bars(rows, "documents that went, came, changed or moved, by reason")


def count_groups(changes: DocumentChanges) -> int:
    """How many groups there are of all kinds."""
    return sum(map(len, (changes.removed, changes.added, changes.changed, changes.resplit)))


def groups(changes: DocumentChanges, first: Side, second: Side, public: bool) -> list[Group]:
    """The largest groups of each kind, with the texts of their examples unless the page is for all.

    Raises:
        SourceError: A part of a store is missing.
    """
    kinds = (
        ("removed: {}", "gone", "-{:,}", changes.removed, (first,)),
        ("added, before: {}", "kept", "+{:,}", changes.added, (second,)),
        ("other text: {}", "c1", "{:+,}", changes.changed, (first, second)),
        ("{}", "c4", "{:,}", changes.resplit, (first,)),
    )
    found = []
    for says, style, signed, every, sides in kinds:
        moved = every[:_GROUPS]
        stored = [{} if public else _texts(side, moved) for side in sides]
        for group in moved:
            shown = [] if public else [Shown(one, _shown(one.doc_id, stored)) for one in group.examples]
            tokens = f"{signed.format(group.tokens).replace('-', '−')} tokens"
            found.append(Group(says.format(group.reason), style, tokens, group, shown))
    return found


def _texts(side: Side, moved: Sequence[Moved]) -> dict[str, bytes]:
    wanted = [example.doc_id for group in moved for example in group.examples]
    return documents(Blocks.sealed_in(side.store, side.manifest), wanted) if wanted else {}


def _shown(doc_id: str, stored: Sequence[dict[str, bytes]]) -> tuple[str, ...]:
    texts = [texts[doc_id] for texts in stored if doc_id in texts]
    return parting(*texts) if len(texts) == 2 else tuple(map(excerpt, texts))
