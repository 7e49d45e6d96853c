"""What another recipe would keep, answered from the values that the ledger holds, without a run.

Up to the duplicates stage the answer is exact: every text was measured, kept or dropped, so another threshold is
compared with the values that a run would measure again. After it the answer is an interval, for duplicates are
decided among what is left: a document that the new rule drops frees those that lost to it.

The bounds. Documents that are tied by what was found, the same text, the same URL or a measured near-duplicate,
make up components.

- *Settled* is a component of which the new rule drops and admits nobody: each verdict looks at better ranked
  documents of the same component alone, so it stays as it was.
- Of another component's remaining documents at least one stays, the best ranked, since nobody is left to drop it;
  and at most one for each text, since no text is kept twice.
- *Strangers* are documents that were never compared: those the new rule admits, and those that lost their URL to
  one it drops. A stranger may be tied to anybody and drop any worse ranked document, so with strangers only a
  component that is better ranked than all of them is settled (under the policy `direct`, without URLs, whose rank
  is the date), and of the others nobody is sure to stay.
- In a bucket that was too large not every pair was compared, and with other members others are: as many components
  as documents stood there may come to any end, the largest ones.

Tokens of a document that was kept are known; of another they are at least its bytes by those of the longest token,
at most its bytes, and one for its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.drops import Drop
from corpus.errors import IntegrityError
from corpus.filters import refusal
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import read_part
from corpus.provenance import SHARDS_STAGE, Ledger, read_placement
from corpus.recipe import Recipe, with_overrides
from corpus.shard import read_starts
from corpus.table import Columns, concat
from pipelines.auditing.answerable import needs_a_run
from pipelines.steps.blocks import ledger_starts
from pipelines.steps.duplicates import EVIDENCE

FIGURES = ("documents", "bytes", "tokens")
_LEDGER = (
    *("doc_id", "source", "text_bytes", "drop", "words", "letters_percent", "repeated_lines_percent"),
    *("language_percent", "winner", "via"),
)
_MEASURED = ("words", "text_bytes", "letters_percent", "repeated_lines_percent")
_BEFORE = (Drop.KEPT, Drop.EXACT_DUPLICATE, Drop.NEAR_DUPLICATE, Drop.REPEATED_URL)


@dataclass(frozen=True)
class Outcome:
    """What becomes of one source, or of all.

    Attributes:
        name: Whose; "all" of all.
        kept: Documents, bytes and tokens that the corpus has.
        passing: Documents and bytes that no rule would refuse, duplicates among them.
        least: Documents, bytes and tokens that would be kept at least.
        most: The same, at most.
    """

    name: str
    kept: tuple[int, int, int]
    passing: tuple[int, int]
    least: tuple[int, int, int]
    most: tuple[int, int, int]


@dataclass(frozen=True)
class WhatIf:
    """The answer.

    Attributes:
        reasons: Why a run is needed; where there are any there are no outcomes.
        outcomes: One per source, then "all".
    """

    reasons: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def what_if(ref: str, overrides: Sequence[str]) -> WhatIf:
    """What `--set` would change; holds about 150 bytes for each row of the ledger.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        overrides: For instance text.filters.min_words=40.

    Raises:
        SourceError: No such ref.
        RecipeError: No such key, or a wrong value.
        IntegrityError: The ledger's values do not give its own verdicts.
    """
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    changed = with_overrides(manifest.recipe, overrides)
    reasons = tuple(needs_a_run(manifest.recipe, changed))
    if reasons:
        return WhatIf(reasons, ())
    rows = concat(rows for _, rows in Ledger.sealed_in(store, manifest).read(_LEDGER))
    passed = np.isin(rows["drop"], _BEFORE)
    if not np.array_equal(_passes(rows, manifest.recipe), passed):
        raise IntegrityError(
            "the ledger's values do not give its own verdicts",
            where=ref,
            remedy="run audit.py verify on this corpus",
        )
    passes = _passes(rows, changed)
    ties = _Ties.of(store, manifest, rows, passed, passes)
    tokens = _tokens(store, manifest, rows)
    ones = np.ones(len(passes), np.int64)
    figures = (ones, ones), (rows["text_bytes"], rows["text_bytes"]), tokens
    outcomes = []
    for number, name in [*enumerate(source.name for source in manifest.recipe.source), (None, "all")]:
        mine = np.ones(len(passes), bool) if number is None else rows["source"] == number
        kept, left = mine & (rows["drop"] == Drop.KEPT), mine & passes
        bounds = [ties.bounds(number, low, high) for low, high in figures]
        outcomes.append(
            Outcome(
                name=name,
                kept=_three(int(low[kept].sum()) for low, _ in figures),
                passing=(int(left.sum()), int(rows["text_bytes"][left].sum())),
                least=_three(least for least, _ in bounds),
                most=_three(most for _, most in bounds),
            )
        )
    return WhatIf((), tuple(outcomes))


def _three(values: Iterator[int]) -> tuple[int, int, int]:
    return next(values), next(values), next(values)


def _passes(rows: Columns, recipe: Recipe) -> NDArray[np.bool_]:
    """bool[n], whether no rule of a recipe refuses a row's text; what no threshold refused stays so."""
    fixed = (rows["drop"] > Drop.KEPT) & (rows["drop"] < Drop.EMPTY)
    passes: NDArray[np.bool_] = ~fixed & ~np.isin(rows["drop"], (Drop.LISTED_URL, Drop.FOREIGN_RULE))
    for number, source in enumerate(recipe.source):
        mine, text = np.flatnonzero(rows["source"] == number), recipe.text_of(source.name)
        words, size, letters, repeated = (rows[name][mine] for name in _MEASURED)
        refused = refusal(words, size, letters, repeated, text.filters) > 0
        if text.language.keep:
            refused |= rows["language_percent"][mine] < text.language.min_percent
        passes[mine] &= ~refused
    return passes


def _tokens(store: str, manifest: Manifest, rows: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two int64[n]: the fewest and the most tokens of each row's text; the same where they are known."""
    folder = manifest.stage_folder(store, "vocabulary")
    longest = max(int(t["token"].lengths.max()) for t in read_part(f"{folder}/map-00000-vocabulary.arrow"))
    least, most = -(-rows["text_bytes"] // longest) + 1, rows["text_bytes"] + 1
    ledger, folder = Ledger.sealed_in(store, manifest), manifest.stage_folder(store, SHARDS_STAGE)
    for shard in manifest.shards:
        at = ledger.places(read_placement(manifest, store, shard.name))
        least[at] = most[at] = np.diff(read_starts(storage.join(folder, shard.name)))
    return least, most


@dataclass(frozen=True, eq=False)
class _Ties:
    """Who is tied to whom, and which components the change leaves alone.

    Attributes:
        rows: The ledger's.
        passes: bool[n], whom no rule would refuse.
        component: int64[n], of each row.
        text: int64[n], the same for rows of one text.
        settled: bool[components].
        strangers: Whether anybody was never compared.
        uncompared: How many components may come to any end, beside those not settled.
    """

    rows: Columns
    passes: NDArray[np.bool_]
    component: NDArray[np.int64]
    text: NDArray[np.int64]
    settled: NDArray[np.bool_]
    strangers: bool
    uncompared: int

    @classmethod
    def of(
        cls, store: str, manifest: Manifest, rows: Columns, passed: NDArray[np.bool_], passes: NDArray[np.bool_]
    ) -> _Ties:
        """Ties the rows of a ledger: `passed` whom no rule refused, `passes` whom none would."""
        drop, ids = rows["drop"], _keys(rows["doc_id"])
        order = np.argsort(ids, kind="stable")

        def row_of(wanted: NDArray[np.uint8]) -> NDArray[np.int64]:
            return order[np.searchsorted(ids[order], _keys(wanted))]

        lost = np.flatnonzero(drop >= Drop.EXACT_DUPLICATE)
        ends = [(lost, row_of(rows[name][lost])) for name in ("winner", "via")]
        ends += [(np.arange(len(drop)), row_of(rows["doc_id"])), *_measured(store, manifest)]
        component = _components(len(drop), *(np.concatenate(side) for side in zip(*ends, strict=True)))
        text = np.arange(len(drop))
        same = np.flatnonzero(drop == Drop.EXACT_DUPLICATE)
        text[same] = row_of(rows["winner"][same])
        settled = np.ones(len(drop), bool)
        settled[component[passed != passes]] = False
        strange = passes & (~passed | ((drop == Drop.REPEATED_URL) & ~settled[component]))
        if strange.any():
            rank = np.lexsort((ids, rows["source"]))
            place = np.empty(len(rank), np.int64)
            place[rank] = np.arange(len(rank))
            worse = place >= place[strange].min()
            by_rank = manifest.recipe.duplicates.policy == "direct" and "urls" not in {
                s.name for s in manifest.stages
            }
            settled[component[worse & passes] if by_rank else component] = False
        changed = bool((passed != passes).any())
        large = manifest.stage("candidates").counts.get("in_large_buckets", 0) if changed else 0
        return cls(rows, passes, component, text, settled, bool(strange.any()), large)

    def bounds(self, source: int | None, low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[int, int]:
        """The least and the most that is kept of a figure.

        Args:
            source: Of this source's documents; None is of all.
            low: int64[n], what a document has of it at least.
            high: int64[n], what it has at most.
        """
        count, sources = len(self.passes), self.rows["source"]
        left = self.passes if source is None else self.passes & (sources == source)
        others = np.zeros(count, bool)
        others[self.component[self.passes & ~left]] = True
        mine = np.flatnonzero(left)
        kept = mine[self.rows["drop"][mine] == Drop.KEPT]
        least = np.full(count, _NOTHING)
        np.minimum.at(least, self.component[mine], low[mine])
        least[(least == _NOTHING) | others | self.strangers] = 0
        texts, most = np.zeros(count, np.int64), np.zeros(count, np.int64)
        np.maximum.at(texts, self.text[mine], high[mine])
        np.add.at(most, self.component, texts)
        stays = [np.zeros(count, np.int64), np.zeros(count, np.int64)]
        for sums, value in zip(stays, (low, high), strict=True):
            np.add.at(sums, self.component[kept], value[kept])
        least = np.where(self.settled, stays[0], least)
        now = np.where(self.settled, stays[1], most)
        lost, gained = _largest(least, self.uncompared), _largest(most - now, self.uncompared)
        return int(least.sum()) - lost, int(now.sum()) + gained


_NOTHING = np.iinfo(np.int64).max


def _largest(values: NDArray[np.int64], count: int) -> int:
    return int(np.sort(values)[::-1][:count].sum())


def _keys(ids: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(ids).view("S16").ravel()


def _measured(store: str, manifest: Manifest) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Both ends of every measured near-duplicate, as rows of the ledger."""
    first = ledger_starts(manifest)
    folder = manifest.stage_folder(store, "evidence")
    found = []
    for part in manifest.stage("evidence").parts:
        columns = ("a_block", "a_row", "b_block", "b_row")
        for edges in read_part(storage.join(folder, part.name), columns) if part.name.endswith(EVIDENCE) else ():
            found.append((first[edges["a_block"]] + edges["a_row"], first[edges["b_block"]] + edges["b_row"]))
    return found


def _components(count: int, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[count], the smallest node of each node's component."""
    label = np.arange(count)
    while True:
        before = label.copy()
        least = np.minimum(label[one], label[other])
        for ends in (one, other):
            np.minimum.at(label, label[ends], least)
            np.minimum.at(label, ends, least)
        label = label[label]
        if np.array_equal(label, before):
            return label


def describe(found: WhatIf, overrides: Sequence[str]) -> str:
    """The answer as a person reads it."""
    asked = f"what if {' '.join(overrides)}"
    if found.reasons:
        return "\n".join([f"{asked}: needs a run", *(f"  {reason}" for reason in found.reasons)])
    lines = [asked, f"{'':<24}{'kept now':>14}{'passing':>14}   kept then, at least .. at most"]
    for outcome in found.outcomes:
        for number, figure in enumerate(FIGURES):
            passing = f"{outcome.passing[number]:,}" if number < len(outcome.passing) else ""
            least, most = outcome.least[number], outcome.most[number]
            then = f"{least:,}" if least == most else f"{least:,} .. {most:,}"
            name = outcome.name if not number else ""
            lines.append(f"{name[:13]:<14}{figure:<10}{outcome.kept[number]:>14,}{passing:>14}   {then}")
    return "\n".join(
        [*lines, "passing is exact, duplicates among it; order and validation follow from what is kept"]
    )
