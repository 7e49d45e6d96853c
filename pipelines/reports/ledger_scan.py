"""What a report needs of the ledger, in one pass: samples by reason, nearest misses, lengths, who lost to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from corpus.drops import Drop
from corpus.ledger import FIRST_REFUSAL
from corpus.manifest import Manifest
from corpus.provenance import Ledger
from corpus.table import Columns, row_count, take
from pipelines.steps.blocks import ledger_starts
from pipelines.steps.least import Least

_COLUMNS = ("doc_id", "source", "blob", "record", "offset", "raw_bytes", "text_bytes", "drop")
_MEASURED = ("words", "letters_percent", "repeated_lines_percent", "language_percent")
_LOST = ("winner", "inter", "union")


@dataclass(frozen=True)
class Rule:
    """A threshold on something the ledger holds a value of.

    Attributes:
        drop: The verdict on what it refuses.
        column: The value's column.
        words: The value as a person calls it.
        thresholds: int64[sources]; a source where the rule is off has one that nothing crosses.
        at_least: Whether the value must reach the threshold, or may not exceed it.
    """

    drop: Drop
    column: str
    words: str
    thresholds: NDArray[np.int64]
    at_least: bool

    def margin(self, rows: Columns) -> NDArray[np.int64]:
        """int64[n], how far each row is from being refused; below 0 it is."""
        away: NDArray[np.int64] = rows[self.column].astype(np.int64) - self.thresholds[rows["source"]]
        return away if self.at_least else -away

    @property
    def says(self) -> str:
        """The thresholds in words."""
        found = sorted({int(value) for value in self.thresholds if abs(value) < _NEVER})
        return f"{self.words} {'at least' if self.at_least else 'at most'} {', '.join(map(str, found))}"


_NEVER = 1 << 60


def rules_of(manifest: Manifest) -> list[Rule]:
    """The thresholds that a recipe sets for one of its sources at least."""
    recipe = manifest.recipe
    texts = [recipe.text_of(source.name) for source in recipe.source]
    unreadable = len(recipe.input)

    def rule(drop: Drop, column: str, words: str, values: Sequence[int], off: int) -> Rule:
        at_least = drop in (Drop.TOO_FEW_WORDS, Drop.TOO_FEW_LETTERS, Drop.OTHER_LANGUAGE)
        never = -_NEVER if at_least else _NEVER
        found = [never if value == off else value for value in values] + [never] * unreadable
        return Rule(drop, column, words, np.array(found, np.int64), at_least)

    filters = [text.filters for text in texts]
    letters, lines = [f.min_letters_percent for f in filters], [f.max_repeated_lines_percent for f in filters]
    languages = [text.language.min_percent if text.language.keep else -1 for text in texts]
    found = [
        rule(Drop.TOO_FEW_WORDS, "words", "words", [f.min_words for f in filters], 1),
        rule(Drop.TOO_MANY_BYTES, "text_bytes", "bytes of text", [f.max_bytes for f in filters], 0),
        rule(Drop.TOO_FEW_LETTERS, "letters_percent", "percent of words with a letter", letters, 0),
        rule(Drop.REPEATED_LINES, "repeated_lines_percent", "percent of lines repeated", lines, 100),
        rule(Drop.OTHER_LANGUAGE, "language_percent", "percent in a language that is kept", languages, -1),
    ]
    return [rule for rule in found if (abs(rule.thresholds) < _NEVER).any()]


@dataclass
class LedgerScan:
    """What one pass over the ledger finds.

    Attributes:
        samples: Of each reason, the rows of the least document ids: chosen by nobody.
        nearest: Of each rule, the rows nearest to its threshold: those it refused, those that passed.
        length_edges: Words, ascending; the last is beyond the longest text.
        lengths: int64[edges - 1], documents that were read, by how many words.
        winners: bytes16[n], whom each duplicate lost to.
        losers: uint16[n], the source of each duplicate.
    """

    samples: dict[Drop, Least] = field(default_factory=dict)
    nearest: dict[Drop, tuple[Least, Least]] = field(default_factory=dict)
    length_edges: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    winners: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 16), np.uint8))
    losers: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16))


def scan(store: str, manifest: Manifest, rules: Sequence[Rule]) -> LedgerScan:
    """Reads every ledger row once."""
    found = LedgerScan(nearest={rule.drop: (Least(), Least()) for rule in rules})
    cut = {int(value) for rule in rules if rule.column == "words" for value in rule.thresholds if value > 0}
    found.length_edges = np.array(sorted({1 << power for power in range(32)} | {0} | cut - {_NEVER}), np.int64)
    found.lengths = np.zeros(len(found.length_edges) - 1, np.int64)
    winners, losers = [found.winners], [found.losers]
    for rows in ledger_rows(store, manifest, [*_COLUMNS, *_MEASURED, *_LOST]):
        _sample(found, rows)
        _measure(found, rows, rules)
        lost = np.flatnonzero(rows["drop"] >= Drop.EXACT_DUPLICATE)
        winners.append(rows["winner"][lost])
        losers.append(rows["source"][lost].astype(np.uint16))
    found.winners, found.losers = np.concatenate(winners), np.concatenate(losers)
    return found


def _sample(found: LedgerScan, rows: Columns) -> None:
    for number in np.unique(rows["drop"]).tolist():
        mine = np.flatnonzero(rows["drop"] == number)
        found.samples.setdefault(Drop(number), Least()).add(take(rows, mine), np.zeros(len(mine), np.int64))


def _measure(found: LedgerScan, rows: Columns, rules: Sequence[Rule]) -> None:
    drop = rows["drop"]
    read = np.flatnonzero((drop == Drop.KEPT) | (drop >= FIRST_REFUSAL))
    places = np.searchsorted(found.length_edges, rows["words"][read], "right") - 1
    found.lengths += np.bincount(np.minimum(places, len(found.lengths) - 1), minlength=len(found.lengths))
    passed = (drop == Drop.KEPT) | (drop >= Drop.EXACT_DUPLICATE)
    for rule in rules:
        margin = rule.margin(rows)
        asked = np.abs(rule.thresholds[rows["source"]]) < _NEVER
        refused, near = found.nearest[rule.drop]
        for least, mine in ((refused, drop == rule.drop), (near, passed & asked)):
            which = np.flatnonzero(mine)
            if len(which):
                least.add(take(rows, which), np.abs(margin[which]))


def ledger_rows(store: str, manifest: Manifest, columns: Sequence[str]) -> Iterator[Columns]:
    """Every ledger row in batches, and beside its columns its address: `at_block` and `at_row`."""
    starts = ledger_starts(manifest)
    for first, rows in Ledger.sealed_in(store, manifest).read(columns):
        places = np.arange(first, first + row_count(rows))
        block = np.searchsorted(starts, places, "right") - 1
        yield rows | {"at_block": block, "at_row": places - starts[block]}


@dataclass(frozen=True)
class Cluster:
    """A document that stayed, by its id and its (block, row), and how many there are of it, itself included."""

    doc_id: str
    address: tuple[int, int]
    documents: int


@dataclass(frozen=True)
class Clusters:
    """Duplicates by whom they lost to.

    Attributes:
        sizes: Documents in a cluster, the one that stayed included -> how many clusters.
        largest: The largest first.
        pairs: int64[sources, sources], duplicates of the row's source that lost to one of the column's.
    """

    sizes: Mapping[int, int]
    largest: Sequence[Cluster]
    pairs: NDArray[np.int64]


def clusters(store: str, manifest: Manifest, found: LedgerScan, show: int = 20) -> Clusters:
    """Who lost to whom; reads the ids of the ledger once more, to learn where the winners stand."""
    sources = len(manifest.recipe.source)
    pairs = np.zeros((sources, sources), np.int64)
    if not len(found.winners):
        return Clusters({}, (), pairs)
    keys = np.ascontiguousarray(found.winners).view("V16").ravel()
    distinct, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    found_at = np.full((len(distinct), 3), -1, np.int64)
    for rows in ledger_rows(store, manifest, ["doc_id", "source"]):
        ids = np.ascontiguousarray(rows["doc_id"]).view("V16").ravel()
        places = np.minimum(np.searchsorted(distinct, ids), len(distinct) - 1)
        hit = distinct[places] == ids
        for column, name in enumerate(("source", "at_block", "at_row")):
            found_at[places[hit], column] = rows[name][hit]
    np.add.at(pairs, (found.losers, found_at[which, 0]), 1)
    largest = []
    for number in np.lexsort((np.arange(len(distinct)), -counts))[:show]:
        _, block, row = found_at[number].tolist()
        largest.append(Cluster(distinct[number].tobytes().hex(), (block, row), int(counts[number]) + 1))
    sizes = Counter((counts + 1).tolist())
    return Clusters(dict(sorted(sizes.items())), largest, pairs)
