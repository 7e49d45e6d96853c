"""The gallery: some documents of each reason, by chance, and the nearest to each threshold on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from corpus import storage
from corpus.drops import Drop
from corpus.manifest import Manifest
from corpus.part import read_part
from corpus.table import Columns, row_count
from pipelines.reports.excerpts import Address, excerpt, parting, records, texts
from pipelines.reports.ledger_scan import LedgerScan, Rule
from pipelines.steps.blocks import Blocks
from pipelines.steps.duplicates import EVIDENCE, MISSES, millionths_above
from pipelines.steps.least import Least

_COLUMNS = ("a_doc_id", "a_block", "a_row", "b_doc_id", "b_block", "b_row", "inter", "union")


@dataclass(frozen=True)
class Shown:
    """One document as a gallery shows it.

    Attributes:
        place: Its file and record.
        value: What the rule measured, in words; "" where none did.
        text: Its beginning, redacted; None where the store has no text and the raw files are not at hand.
        raw: Whether `text` is of the raw record.
    """

    doc_id: str
    source: str
    place: str
    value: str
    text: str | None
    raw: bool = False


@dataclass(frozen=True)
class Pair:
    """Two documents and their measured Jaccard."""

    doc_ids: tuple[str, str]
    shared: int
    of: int
    texts: tuple[str, str]


@dataclass(frozen=True)
class Gallery:
    """What is shown.

    Attributes:
        samples: By reason.
        nearest: By rule: its words, the refused, the passed.
        pairs: The pairs nearest to the Jaccard threshold: below it, at or above it.
    """

    samples: Mapping[str, Sequence[Shown]]
    nearest: Sequence[tuple[str, Sequence[Shown], Sequence[Shown]]]
    pairs: tuple[Sequence[Pair], Sequence[Pair]]


class Curator:
    """Makes rows of the ledger into what is shown.

    Args:
        data: Where the raw files lie, or "": what a rule refused has no text in the store.
    """

    def __init__(self, store: str, manifest: Manifest, blocks: Blocks, data: str) -> None:
        self._store, self._manifest, self._blocks, self._data = store, manifest, blocks, data
        recipe = manifest.recipe
        self._names = [source.name for source in recipe.source]
        self._names += [f"{entry.name} (unreadable)" for entry in recipe.input]

    def gallery(self, found: LedgerScan, rules: Sequence[Rule]) -> Gallery:
        """All that is shown of a ledger."""
        reasons = {drop: least.rows for drop, least in sorted(found.samples.items()) if drop != Drop.KEPT}
        samples = {drop.label: self._shown(rows, _losing(rows, drop)) for drop, rows in reasons.items()}
        nearest = []
        for rule in rules:
            sides = [least.rows for least in found.nearest[rule.drop]]
            values = [[f"{value:,}" for value in rows[rule.column].tolist()] if rows else [] for rows in sides]
            refused, passed = (self._shown(rows, said) for rows, said in zip(sides, values, strict=True))
            nearest.append((rule.says, refused, passed))
        return Gallery(samples, nearest, self._pairs())

    def _shown(self, rows: Columns, values: Sequence[str]) -> list[Shown]:
        if not rows:
            return []
        addresses = list(zip(rows["at_block"].tolist(), rows["at_row"].tolist(), strict=True))
        stored = texts(self._blocks, addresses)
        raws = list(zip(rows["blob"].tolist(), rows["record"].tolist(), strict=True))
        missing = [raw for raw, address in zip(raws, addresses, strict=True) if address not in stored]
        fetched = records(self._manifest, self._data, missing) if self._data else {}
        shown = []
        for number, (address, raw) in enumerate(zip(addresses, raws, strict=True)):
            text = stored.get(address, fetched.get(raw))
            shown.append(
                Shown(
                    doc_id=rows["doc_id"][number].tobytes().hex(),
                    source=self._names[int(rows["source"][number])],
                    place=f"{self._manifest.blobs[raw[0]].path}:{raw[1]}",
                    value=values[number],
                    text=None if text is None else excerpt(text),
                    raw=address not in stored,
                )
            )
        return shown

    def _pairs(self) -> tuple[Sequence[Pair], Sequence[Pair]]:
        """The nearest below the threshold, of which the stage kept some, and the nearest at or above it."""
        threshold = self._manifest.recipe.duplicates.threshold_percent
        sides = []
        for ending in (MISSES, EVIDENCE):
            least = Least("a_doc_id", "b_doc_id")
            for rows in self._compared(ending):
                least.add(rows, np.abs(millionths_above(rows["inter"], rows["union"], threshold)))
            sides.append(self._shown_pairs(least.rows))
        return sides[0], sides[1]

    def _compared(self, ending: str) -> Iterator[Columns]:
        folder = self._manifest.stage_folder(self._store, "evidence")
        for part in self._manifest.stage("evidence").parts:
            if part.name.endswith(ending):
                yield from read_part(storage.join(folder, part.name), _COLUMNS)

    def _shown_pairs(self, rows: Columns) -> list[Pair]:
        if not rows:
            return []
        sides = [_addresses(rows, side) for side in "ab"]
        stored = texts(self._blocks, sides[0] + sides[1])
        return [
            Pair(
                doc_ids=(rows["a_doc_id"][number].tobytes().hex(), rows["b_doc_id"][number].tobytes().hex()),
                shared=int(rows["inter"][number]),
                of=int(rows["union"][number]),
                texts=parting(stored[sides[0][number]], stored[sides[1][number]]),
            )
            for number in range(row_count(rows))
        ]


def _addresses(rows: Columns, side: str) -> list[Address]:
    return list(zip(rows[f"{side}_block"].tolist(), rows[f"{side}_row"].tolist(), strict=True))


def _losing(rows: Columns, drop: Drop) -> list[str]:
    """To whom duplicates lost, in words."""
    if drop < Drop.EXACT_DUPLICATE:
        return [""] * row_count(rows)
    near = drop == Drop.NEAR_DUPLICATE
    return [
        f"lost to {winner.tobytes().hex()}" + (f", {inter:,} of {union:,} shingles shared" if near else "")
        for winner, inter, union in zip(
            rows["winner"], rows["inter"].tolist(), rows["union"].tolist(), strict=True
        )
    ]
