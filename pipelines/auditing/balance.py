"""The conservation law of a sealed corpus as a table: what each source had, what each stage took, what is left.

Everything is counted anew: rows from the ledger, posts from the blocks, tokens from the placements. The law of a
source, in each column that holds numbers: what was read = what each stage took + what was kept. Bytes are those of
the raw record where it could not be read, else those of the text; markup and trimmed whitespace are what lies
between. Tokens are of what was kept: nothing else was encoded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.drops import Drop
from corpus.ledger import FIRST_REFUSAL, TALLIED, tally
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import read_part
from corpus.provenance import SHARDS_STAGE, Ledger, read_placement
from corpus.shard import read_starts
from corpus.table import Columns, concat
from pipelines.steps.blocks import BLOCK_STAGES, COMMENTS, ROWS, Blocks, ledger_starts

_PLACED = ("documents", "text_bytes", "tokens")


@dataclass(frozen=True)
class Line:
    """What one stage took of a source, what was read, or what is left; None where a column asks nothing."""

    stage: str
    records: int | None
    documents: int | None
    raw_bytes: int | None
    bytes: int
    tokens: int | None = None


@dataclass(frozen=True)
class Account:
    """The law of one source, or of one input.

    Attributes:
        name: Whose.
        read: What there was.
        lines: Where it went; they add up to it.
        faults: What does not add up, in words; empty where the law holds.
    """

    name: str
    read: Line
    lines: tuple[Line, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Balance:
    """The whole law.

    Attributes:
        sources: An account per source, then one per input that had records nobody could read.
        inputs: An account per input.
    """

    sources: tuple[Account, ...]
    inputs: tuple[Account, ...]

    @property
    def faults(self) -> list[str]:
        """Everything that does not add up."""
        return [fault for account in (*self.sources, *self.inputs) for fault in account.faults]


@dataclass(frozen=True)
class _Sums:
    """What was counted: "<source>/<drop>/<field>", "<source's name>/<field>" of placements, bytes by input."""

    ledger: Counter[str]
    placed: Counter[str]
    inputs: Counter[str]


def balance(ref: str) -> Balance:
    """Counts everything anew and sets it beside what the manifest states.

    Args:
        ref: For instance build/refs/sample/1.0.0.

    Raises:
        SourceError: No such ref, or a part is missing.
    """
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    sums = _Sums(Counter(), _placed(store, manifest), Counter())
    _count_ledger(store, manifest, sums)
    recipe = manifest.recipe
    names = [source.name for source in recipe.source] + [f"{entry.name} (unreadable)" for entry in recipe.input]
    sources = [_source(manifest, sums, number, name) for number, name in enumerate(names)]
    return Balance(
        tuple(a for a in sources if a.read.documents or a.name in names[: len(recipe.source)]),
        tuple(_input(manifest, sums, entry.name) for entry in recipe.input),
    )


def _count_ledger(store: str, manifest: Manifest, sums: _Sums) -> None:
    """Every row of the ledger, group by group, and of how many records each is made."""
    blocks = Blocks.sealed_in(store, manifest)
    input_of = np.array([[e.name for e in manifest.recipe.input].index(b.input) for b in manifest.blobs])
    with_posts = {
        part.name.removesuffix(COMMENTS)
        for stage in manifest.stages
        if stage.name in BLOCK_STAGES
        for part in stage.parts
        if part.name.endswith(COMMENTS)
    }
    starts = ledger_starts(manifest)
    for group, url in enumerate(Ledger.sealed_in(store, manifest).urls):
        rows = concat(read_part(url, ("blob", *TALLIED)))
        if not rows:
            continue
        sums.ledger.update(tally(rows))
        records = _records(blocks, np.diff(starts), group, with_posts)
        cell = rows["source"].astype(np.int64) * 256 + rows["drop"]
        for value, count in _added(cell, records):
            sums.ledger[f"{value // 256}/{value % 256}/records"] += count
        for field, column in (("records", records), ("raw_bytes", rows["raw_bytes"])):
            for number, count in _added(input_of[rows["blob"]], column):
                sums.inputs[f"{manifest.recipe.input[number].name}/{field}"] += count


def _added(cell: NDArray[np.int64], column: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The sum of a column for each value that a cell has."""
    cells, which = np.unique(cell, return_inverse=True)
    sums = np.zeros(len(cells), np.int64)
    np.add.at(sums, which, column)
    return list(zip(cells.tolist(), sums.tolist(), strict=True))


def _records(blocks: Blocks, rows_of: NDArray[np.int64], group: int, with_posts: set[str]) -> NDArray[np.int64]:
    """int64[n], of how many records each ledger row of a group is made: one, or a thread's or story's posts."""
    counts = []
    for block in blocks.group(group):
        stem = blocks.rows[block].removesuffix(ROWS)
        count = np.ones(rows_of[block], np.int64)
        if stem.rpartition("/")[2] in with_posts:
            rows: Columns = concat(read_part(stem + COMMENTS, ["row"]))
            count = np.maximum(np.bincount(rows["row"], minlength=len(count)), count)
        counts.append(count)
    return np.concatenate(counts)


def _placed(store: str, manifest: Manifest) -> Counter[str]:
    """Documents, text bytes and tokens of each source, by the placements of its shards."""
    ledger, folder = Ledger.sealed_in(store, manifest), manifest.stage_folder(store, SHARDS_STAGE)
    size = np.concatenate(
        [np.zeros(0, np.int64), *(rows["text_bytes"] for _, rows in ledger.read(["text_bytes"]))]
    )
    sums: Counter[str] = Counter()
    for shard in manifest.shards:
        places = ledger.places(read_placement(manifest, store, shard.name))
        tokens = int(read_starts(storage.join(folder, shard.name))[-1])
        counts = len(places), int(size[places].sum()), tokens
        sums.update({f"{shard.source}/{field}": n for field, n in zip(_PLACED, counts, strict=True)})
    return sums


def _source(manifest: Manifest, sums: _Sums, number: int, name: str) -> Account:
    def total(field: str, drops: list[Drop]) -> int:
        return sum(sums.ledger[f"{number}/{drop}/{field}"] for drop in drops)

    every = list(Drop)
    read = [drop for drop in Drop if not Drop.KEPT < drop < FIRST_REFUSAL]
    raw, extracted = total("raw_bytes", every), total("extracted_bytes", read)
    lines = []
    for drop in [*every[1:], Drop.KEPT]:
        if drop == FIRST_REFUSAL and total("documents", read):
            lines.append(Line("markup taken off", None, None, None, total("raw_bytes", read) - extracted))
            lines.append(Line("normalised away", None, None, None, extracted - total("text_bytes", read)))
        if not total("documents", [drop]) and drop != Drop.KEPT:
            continue
        field = "text_bytes" if drop in read else "raw_bytes"
        records, documents, size, lost = (total(f, [drop]) for f in ("records", "documents", "raw_bytes", field))
        tokens = sums.placed[f"{name}/tokens"] if drop == Drop.KEPT else None
        lines.append(Line(_stage_of(drop), records, documents, size, lost, tokens))
    whole = Line("read", total("records", every), total("documents", every), raw, raw)
    return Account(name, whole, tuple(lines), tuple(_faults(manifest, sums, name, whole, lines)))


def _stage_of(drop: Drop) -> str:
    """The stage that gives this verdict, and the verdict."""
    if drop == Drop.KEPT:
        return "kept"
    stage = "unreadable" if drop < FIRST_REFUSAL else "refused" if drop < Drop.EXACT_DUPLICATE else "duplicates"
    return f"{stage}: {drop.label}"


def _faults(manifest: Manifest, sums: _Sums, name: str, whole: Line, lines: list[Line]) -> list[str]:
    """What does not add up within a source, and where it differs from the manifest and the shards."""
    faults = _wrong_sums(f"source {name}", whole, lines)
    stated = next((entry for entry in manifest.sources if entry.name == name), None)
    kept = lines[-1]
    if stated is None:
        return faults if not whole.documents else [*faults, f"source {name}: the manifest does not state it"]
    tokens = sum(shard.tokens for shard in manifest.shards if shard.source == name)
    for what, found, expected in (
        ("documents, by the manifest", whole.documents, stated.documents),
        ("raw bytes, by the manifest", whole.raw_bytes, stated.raw_bytes),
        ("kept documents, by the manifest", kept.documents, stated.kept),
        ("kept bytes, by the manifest", kept.bytes, stated.text_bytes),
        ("kept documents, by the placement", kept.documents, sums.placed[f"{name}/documents"]),
        ("kept bytes, by the placement", kept.bytes, sums.placed[f"{name}/text_bytes"]),
        ("tokens, by the shards", kept.tokens, tokens),
    ):
        if found != expected:
            faults.append(f"source {name}: counted {found:,}, {expected:,} {what}")
    return faults


def _wrong_sums(whose: str, whole: Line, lines: list[Line]) -> list[str]:
    faults = []
    for column in ("records", "documents", "raw_bytes", "bytes"):
        there, found = getattr(whole, column), sum(getattr(line, column) or 0 for line in lines)
        if there is not None and found != there:
            faults.append(f"{whose}: {there:,} {column.replace('_', ' ')} were read, the rows add up to {found:,}")
    return faults


def _input(manifest: Manifest, sums: _Sums, name: str) -> Account:
    """The law of an input: what streamed by became documents or was not chosen."""
    stated = next(entry for entry in manifest.inputs if entry.name == name)
    counts: Counter[str] = Counter()
    for stage in manifest.stages:
        counts.update(stage.counts)
    records, size = counts[f"stream/{name}/records"], counts[f"stream/{name}/bytes"]
    lines = [
        Line("became documents", sums.inputs[f"{name}/records"], None, None, sums.inputs[f"{name}/raw_bytes"])
    ]
    for label in sorted(stated.unchosen):
        lost = (counts[f"unchosen/{name}/{field}/{label}"] for field in ("records", "bytes"))
        lines.append(Line(f"not chosen: {label or '(no label)'}", next(lost), None, None, next(lost)))
    whole = Line("read", records, None, None, size)
    faults = _wrong_sums(f"input {name}", whole, lines)
    if (records, size) != (stated.records, stated.stream_bytes):
        faults.append(
            f"input {name}: the manifest states {stated.records:,} records of {stated.stream_bytes:,} bytes"
        )
    return Account(name, whole, tuple(lines), tuple(faults))


def describe(found: Balance) -> str:
    """The tables as a person reads them, and whether every row adds up."""
    heads = ("records", "documents", "raw bytes", "bytes", "tokens")
    lines = []
    for kind, accounts in (("source", found.sources), ("input", found.inputs)):
        lines.append(f"{kind:<48}" + "".join(f"{head:>16}" for head in heads))
        for account in accounts:
            lines.append(_printed(account.name, account.read))
            lines += [_printed(f"  - {_safe(line.stage)}", line) for line in account.lines]
        lines.append("")
    rows = sum(len(account.lines) + 1 for account in (*found.sources, *found.inputs))
    said = [f"DOES NOT ADD UP  {_safe(fault)}" for fault in found.faults]
    return "\n".join([*lines, *(said or [f"counted anew: all {rows} rows add up, for every source and input"])])


def _printed(name: str, line: Line) -> str:
    numbers = line.records, line.documents, line.raw_bytes, line.bytes, line.tokens
    cells = (f"{'' if number is None else f'{number:,}':>16}" for number in numbers)
    return f"{name[:48]:<48}{''.join(cells)}".rstrip()


def _safe(text: str) -> str:
    """A label may come from a raw file: control characters are shown, not sent."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
