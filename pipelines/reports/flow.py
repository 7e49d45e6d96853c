"""Where everything went: from each source to the stage at which it left, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from markupsafe import Markup

from corpus.drops import Drop
from corpus.ledger import FIRST_REFUSAL
from corpus.manifest import Manifest
from corpus.marks import Label
from corpus.sankey import Flow, sankey

READING, NORMALISING, FILTERS, URLS, TEXTS, NEAR, SHARDS = (
    "reading",
    "normalising",
    "filters",
    "same URL",
    "same text",
    "near-duplicates",
    "shards",
)
_STAGES = (READING, NORMALISING, FILTERS, URLS, TEXTS, NEAR, SHARDS)
MARKUP, SPACE, TRAIN, VALID = "markup", "white space, boilerplate", "training", "validation"


def stage_of(drop: Drop) -> str:
    """The stage at which a document of this verdict left."""
    if drop == Drop.KEPT:
        return SHARDS
    own = {Drop.EXACT_DUPLICATE: TEXTS, Drop.NEAR_DUPLICATE: NEAR, Drop.REPEATED_URL: URLS}
    return own.get(drop, READING if drop < FIRST_REFUSAL else FILTERS)


def documents(manifest: Manifest) -> Mapping[tuple[str, str, str], int]:
    """Documents by (source, stage, outcome)."""
    found: Counter[tuple[str, str, str]] = Counter()
    for balance in manifest.sources:
        for label, dropped in balance.dropped.items():
            found[balance.name, stage_of(_drop(label)), label] += dropped.documents
    for shard in manifest.shards:
        found[shard.source, SHARDS, TRAIN if shard.split == "train" else VALID] += shard.documents
    return found


def raw_bytes(manifest: Manifest) -> Mapping[tuple[str, str, str], int]:
    """Bytes of raw records by (source, stage, outcome)."""
    found: Counter[tuple[str, str, str]] = Counter()
    held_out = {entry.source: entry.bytes for entry in manifest.validation}
    for balance in manifest.sources:
        found[balance.name, READING, MARKUP] += balance.markup_bytes
        found[balance.name, NORMALISING, SPACE] += balance.trimmed_bytes
        for label, dropped in balance.dropped.items():
            found[balance.name, stage_of(_drop(label)), label] += dropped.bytes
        found[balance.name, SHARDS, VALID] += held_out.get(balance.name, 0)
        found[balance.name, SHARDS, TRAIN] += balance.text_bytes - held_out.get(balance.name, 0)
    return found


def tokens(manifest: Manifest) -> Mapping[tuple[str, str, str], int]:
    """Tokens by (source, stage, outcome): what was dropped was never encoded."""
    found: Counter[tuple[str, str, str]] = Counter()
    for shard in manifest.shards:
        found[shard.source, SHARDS, TRAIN if shard.split == "train" else VALID] += shard.tokens
    return found


def picture(manifest: Manifest, ways: Mapping[tuple[str, str, str], int], label: Label, says: str) -> Markup:
    """The ways as ribbons."""
    ways = {way: value for way, value in ways.items() if value > 0}
    into: Counter[tuple[str, str]] = Counter()
    out: Counter[tuple[str, str]] = Counter()
    for (source, stage, outcome), value in ways.items():
        into[source, stage] += value
        out[stage, outcome] += value
    sources = [balance.name for balance in manifest.sources if any(way[0] == balance.name for way in ways)]
    stages = [stage for stage in _STAGES if any(way[1] == stage for way in ways)]
    last = {TRAIN: 1, VALID: 2}
    outcomes = sorted(
        {way[2] for way in ways}, key=lambda name: (_first(name, out, stages), last.get(name, 0), name)
    )
    flows = [Flow(0, source, stage, value) for (source, stage), value in into.items()]
    flows += [Flow(1, stage, name, value) for (stage, name), value in out.items()]
    style = {(1, stage): "kept" if stage == SHARDS else "gone" for stage in stages}
    style |= {(2, name): "kept" if name in last else "gone" for name in outcomes}
    return sankey([sources, stages, outcomes], flows, label, says, style)


def _first(outcome: str, out: Mapping[tuple[str, str], int], stages: list[str]) -> int:
    return min(stages.index(stage) for stage, name in out if name == outcome)


def _drop(label: str) -> Drop:
    return Drop[label.upper().replace(" ", "_")]
