"""Documents of two corpora, joined by their ids: which came, which went, which changed, and why.

The id of a document is a digest of its source, its place and its raw record: the same id is the same record.
The ledger and the encoded documents are read in passes over ranges of ids: memory is bounded whatever the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus.drops import Drop
from corpus.errors import IntegrityError
from corpus.part import read_part
from corpus.provenance import Ledger
from corpus.table import Columns, concat, row_count, take
from pipelines.auditing.side import Side
from pipelines.steps.blocks import Blocks
from pipelines.steps.tokens import SPLITS, Ordering

DOCUMENTS_AT_ONCE = 1 << 22  # unpublished: our choice; about 100 bytes each of either corpus
EXAMPLES = 3  # unpublished: our choice
_NO_DOCUMENT = 255
_SPLIT = "map-00000-split.arrow"
_LEDGER = ("doc_id", "source", "blob", "record", "drop", "winner")


class Example(msgspec.Struct, frozen=True):
    """One document of many: its id, its file and record, and in words what became of it."""

    doc_id: str
    record: str
    words: str


class Moved(msgspec.Struct, frozen=True):
    """Documents that moved for one reason, or whose text changed in one source; tokens as they changed."""

    reason: str
    documents: int
    tokens: int
    examples: tuple[Example, ...]


class DocumentChanges(msgspec.Struct, frozen=True):
    """What differs between the documents that two corpora keep.

    Attributes:
        kept: By the first and by the second.
        same: By both, with the same text.
        removed: By the first alone, by what the second's ledger says of them.
        added: By the second alone, by what the first's says.
        changed: By both with another text, by source.
        resplit: By both, in training here and in validation there, or the other way; tokens of the first.
        texts: Different texts that the first has alone, both have, and the second has alone: where a duplicate is
            kept in another's place, documents move and texts stay.
    """

    kept: tuple[int, int]
    same: int
    removed: tuple[Moved, ...]
    added: tuple[Moved, ...]
    changed: tuple[Moved, ...]
    resplit: tuple[Moved, ...]
    texts: tuple[int, int, int]


@dataclass
class _Group:
    documents: int
    tokens: int
    first: list[tuple[int, int, bytes, str]]

    def add(self, rows: Columns, tokens: int, words: Sequence[str] | None) -> None:
        self.documents += row_count(rows)
        self.tokens += tokens
        order = np.lexsort((rows["record"], rows["blob"]))[:EXAMPLES]
        self.first += [
            (int(rows["blob"][i]), int(rows["record"][i]), rows["doc_id"][i].tobytes(), words[i] if words else "")
            for i in order.tolist()
        ]
        self.first = sorted(self.first)[:EXAMPLES]


def document_changes(first: Side, second: Side) -> DocumentChanges:
    """Joins two corpora document by document.

    Raises:
        SourceError: A part of one is missing.
        IntegrityError: A ledger does not know a document of its own corpus.
    """
    largest = max(sum(source.documents for source in side.manifest.sources) for side in (first, second))
    passes = -(-largest // DOCUMENTS_AT_ONCE) or 1
    join = _Join(first, second)
    for number in range(passes):
        join.add_documents(_documents(first, number, passes), _documents(second, number, passes))
        join.add_texts(_texts(first, number, passes), _texts(second, number, passes))
    return join.found()


def _in_pass(keys: NDArray[np.uint8], number: int, passes: int) -> NDArray[np.bool_]:
    """Which keys belong to a pass: by their first four bytes, which are as good as drawn."""
    prefix = np.ascontiguousarray(keys[:, :4]).view(">u4").ravel().astype(np.uint64)
    chosen: NDArray[np.bool_] = (prefix * np.uint64(passes)) >> np.uint64(32) == number
    return chosen


def _documents(side: Side, number: int, passes: int) -> Columns:
    """The ledger rows of a pass in the order of their ids, with text digests, tokens and split of what is kept."""
    ledger = Ledger.sealed_in(side.store, side.manifest).read(_LEDGER)
    rows = concat(take(table, _in_pass(table["doc_id"], number, passes)) for _, table in ledger) or _no_rows()
    rows = take(rows, np.argsort(_ids(rows["doc_id"]), kind="stable"))
    ids = _ids(rows["doc_id"])
    rows |= {"text": np.zeros((len(ids), 32), np.uint8), "tokens": np.zeros(len(ids), np.int64)}
    rows["valid"] = np.zeros(len(ids), np.bool_)
    blocks = Blocks.sealed_in(side.store, side.manifest)
    for block in range(len(blocks.rows)):
        table = blocks.read_rows(block, ["doc_id", "text_digest"])
        mine = _in_pass(table["doc_id"], number, passes)
        rows["text"][_places(ids, table["doc_id"][mine], blocks.rows[block])] = table["text_digest"][mine]
    ordering = Ordering.seeded(side.part_url("split", _SPLIT), side.manifest.recipe.seed)
    for part in side.manifest.stage("encode").parts:
        url = side.part_url("encode", part.name)
        for table in ordering.apply(read_part(url, ["doc_id", "source", "tokens"])):
            mine = _in_pass(table["doc_id"], number, passes)
            at = _places(ids, table["doc_id"][mine], url)
            rows["tokens"][at] = table["tokens"][mine]
            rows["valid"][at] = table["split"][mine] == SPLITS.index("valid")
    return rows


def _no_rows() -> Columns:
    numbers = {name: np.zeros(0, np.int64) for name in ("source", "blob", "record", "drop")}
    return {name: np.zeros((0, 16), np.uint8) for name in ("doc_id", "winner")} | numbers


def _places(ids: NDArray[np.bytes_], wanted: NDArray[np.uint8], where: str) -> NDArray[np.int64]:
    """Where documents stand among sorted ids."""
    places = np.searchsorted(ids, _ids(wanted))
    if len(places) and (places.max() == len(ids) or (ids[places] != _ids(wanted)).any()):
        raise IntegrityError(
            "a document is not in the ledger", where=where, remedy="run audit.py verify on this corpus"
        )
    return places


def _texts(side: Side, number: int, passes: int) -> NDArray[np.bytes_]:
    """The text digests of a pass that kept documents have, once each."""
    blocks = Blocks.sealed_in(side.store, side.manifest)
    drops = Ledger.sealed_in(side.store, side.manifest).read(["drop"])
    kept = (rows["drop"] == Drop.KEPT for _, rows in drops)
    everything = np.concatenate([np.zeros(0, np.bool_), *kept])
    found, at = [np.zeros((0, 16), np.uint8)], 0
    for block in range(len(blocks.rows)):
        digests = blocks.read_rows(block, ["text_digest"])["text_digest"]
        digests, at = digests[everything[at : at + len(digests)]], at + len(digests)
        found.append(digests[_in_pass(digests, number, passes)][:, :16])
    return np.unique(_ids(np.concatenate(found)))


def _ids(keys: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(keys).view("S16").ravel()


class _Join:
    """Gathers what the passes find."""

    def __init__(self, first: Side, second: Side) -> None:
        self._sides = first, second
        self._absent = _reasons_of_absence(first, second), _reasons_of_absence(second, first)
        self._groups: dict[tuple[str, str], _Group] = {}
        self._kept = [0, 0]
        self._same = 0
        self._texts = [0, 0, 0]

    def add_documents(self, one: Columns, other: Columns) -> None:
        """Joins the documents of a pass."""
        _, left, right = np.intersect1d(_ids(one["doc_id"]), _ids(other["doc_id"]), True, True)
        across = [
            np.full(row_count(one), _NO_DOCUMENT, np.uint8),
            np.full(row_count(other), _NO_DOCUMENT, np.uint8),
        ]
        across[0][left], across[1][right] = other["drop"][right], one["drop"][left]
        winners = [np.zeros((row_count(one), 16), np.uint8), np.zeros((row_count(other), 16), np.uint8)]
        winners[0][left], winners[1][right] = other["winner"][right], one["winner"][left]
        for index, rows in enumerate((one, other)):
            kept = rows["drop"] == Drop.KEPT
            self._kept[index] += int(kept.sum())
            gone = np.flatnonzero(kept & (across[index] != Drop.KEPT))
            self._add_moved(index, take(rows, gone), across[index][gone], winners[index][gone])
        both = (one["drop"][left] == Drop.KEPT) & (other["drop"][right] == Drop.KEPT)
        left, right = left[both], right[both]
        self._add_resplit(take(one, left), other["valid"][right])
        unlike = (one["text"][left] != other["text"][right]).any(axis=1)
        self._same += int((~unlike).sum())
        moved = other["tokens"][right] - one["tokens"][left]
        changed = take(one, left[unlike])
        for source in np.unique(changed["source"]).tolist():
            mine = changed["source"] == source
            group = self._group("changed", self._sides[0].manifest.recipe.source[source].name)
            group.add(take(changed, mine), int(moved[unlike][mine].sum()), None)

    def _add_resplit(self, rows: Columns, valid: NDArray[np.bool_]) -> None:
        """Groups documents that the second corpus holds out and the first does not, or the other way."""
        for was, way in ((False, "from training to validation"), (True, "from validation to training")):
            mine = take(rows, (rows["valid"] == was) & (valid != was))
            if row_count(mine):
                self._group("resplit", way).add(mine, int(mine["tokens"].sum()), None)

    def add_texts(self, one: NDArray[np.bytes_], other: NDArray[np.bytes_]) -> None:
        """Counts the texts of a pass."""
        both = len(np.intersect1d(one, other, assume_unique=True))
        for index, count in enumerate((len(one) - both, both, len(other) - both)):
            self._texts[index] += count

    def _add_moved(self, index: int, rows: Columns, drops: NDArray[np.uint8], winners: NDArray[np.uint8]) -> None:
        """Groups documents that one corpus keeps alone by what the other says of them."""
        kind = ("removed", "added")[index]
        by_file, by_source = self._absent[index]
        for drop in np.unique(drops).tolist():
            mine = np.flatnonzero(drops == drop)
            chosen = take(rows, mine)
            if drop != _NO_DOCUMENT:
                label = Drop(drop).label
                words = [f"{label} of {winner.tobytes().hex()}" for winner in winners[mine]]
                lost = drop >= Drop.EXACT_DUPLICATE
                self._group(kind, label).add(chosen, int(chosen["tokens"].sum()), words if lost else None)
                continue
            reasons = np.where(by_source[chosen["source"]], by_source[chosen["source"]], by_file[chosen["blob"]])
            for reason in sorted(set(reasons.tolist())):
                some = take(chosen, reasons == reason)
                self._group(kind, reason).add(some, int(some["tokens"].sum()), None)

    def _group(self, kind: str, reason: str) -> _Group:
        return self._groups.setdefault((kind, reason), _Group(0, 0, []))

    def found(self) -> DocumentChanges:
        """What was gathered."""
        return DocumentChanges(
            kept=(self._kept[0], self._kept[1]),
            same=self._same,
            removed=self._moved("removed", self._sides[0]),
            added=self._moved("added", self._sides[1]),
            changed=self._moved("changed", self._sides[0]),
            resplit=self._moved("resplit", self._sides[0]),
            texts=(self._texts[0], self._texts[1], self._texts[2]),
        )

    def _moved(self, kind: str, side: Side) -> tuple[Moved, ...]:
        """The groups of a kind, the largest first."""
        found = []
        for (mine, reason), group in self._groups.items():
            if mine == kind:
                examples = tuple(
                    Example(doc_id.hex(), f"{side.manifest.blobs[blob].path}:{record}", words)
                    for blob, record, doc_id, words in group.first
                )
                found.append(Moved(reason, group.documents, group.tokens, examples))
        return tuple(sorted(found, key=lambda moved: (-moved.documents, moved.reason)))


def _reasons_of_absence(side: Side, other: Side) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Why the other corpus may not know a document: by the number of its file, and of its source ("": there)."""
    there = {blob.path: blob.sha256 for blob in other.manifest.blobs}
    files = [
        "its file is not there"
        if blob.path not in there
        else "its file has other bytes"
        if there[blob.path] != blob.sha256
        else "its record makes no such document"
        for blob in side.manifest.blobs
    ]
    names = {source.name for source in other.manifest.recipe.source}
    sources = ["" if s.name in names else "its source is not there" for s in side.manifest.recipe.source]
    return np.array(files), np.array(sources)
