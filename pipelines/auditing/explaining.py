"""Why a document is in a corpus or not: its ledger row in words, and those of the documents it lost to.

A document that lost may have lost to one that lost in its turn: the first page of a URL may hold the text of
another. The rows are followed to the one that stayed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.drops import Drop
from corpus.errors import IntegrityError, SourceError
from corpus.ledger import FIRST_REFUSAL
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import read_part
from corpus.recipe import Recipe
from corpus.table import Columns, row_count, take
from pipelines.auditing.finding import find_text, find_url
from pipelines.auditing.tracing import known_facts, shown
from pipelines.steps.blocks import Blocks

_SHOWN = 20
_LEDGER = re.compile(r"reduce-(\d+)-ledger\.parquet")


@dataclass(frozen=True)
class Verdict:
    """What became of one document.

    Attributes:
        doc_id: 32 hex digits.
        source: Its source's name, or the input's whose record could not be read.
        record: Its file, its number there, where it starts in the uncompressed stream and its bytes.
        facts: What its crawl knew of it: url, date, ...; empty where its format knows nothing.
        drop: The verdict.
        words: The same, as a person reads it.
        winner: The id of the document it lost to; "" where it lost to none.
        licence: Of its source.
        measured: What the rules measured, each value beside the threshold, in words.
        losers: Of a document that is kept, those that lost to it, each with the reason, in words.
    """

    doc_id: str
    source: str
    record: tuple[str, int, int, int]
    facts: dict[str, str]
    drop: Drop
    words: str
    winner: str
    licence: str
    measured: tuple[str, ...]
    losers: tuple[str, ...]


def explain_all(ref: str, asked: str) -> list[list[Verdict]]:
    """The same for every document of a text or URL, `text:...` or `url:...`, or for the one document named.

    Raises:
        SourceError: No such ref, or no such document.
        IntegrityError: The store contradicts itself.
    """
    kind, _, wanted = asked.partition(":")
    if kind not in ("text", "url"):
        return [explain(ref, asked)]
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    find = find_text if kind == "text" else find_url
    return [explain(ref, doc_id) for doc_id in find(store, manifest, wanted)]


def explain(ref: str, document: str) -> list[Verdict]:
    """The verdict on a document, then on the one it lost to, up to one that stayed.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        document: Its id, alone or as `doc:<id>`, or its record as `<file>:<number>`; of a chain, the first
            comment's.

    Raises:
        SourceError: No such ref or document.
        IntegrityError: The store contradicts itself.
    """
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    document = document.removeprefix("doc:")
    found = [_verdict(store, manifest, _asked(manifest, document), document)]
    while found[-1].winner:
        winner = found[-1].winner
        if winner in {verdict.doc_id for verdict in found}:
            raise IntegrityError(
                "documents lost to each other", where=winner, remedy="run audit.py verify on this corpus"
            )
        found.append(_verdict(store, manifest, _has_id(winner), winner))
    if found[-1].drop == Drop.KEPT:
        found[-1] = replace(found[-1], losers=tuple(_losers(store, manifest, found[-1].doc_id)))
    return found


def _losers(store: str, manifest: Manifest, winner: str) -> Iterator[str]:
    """Those that lost to a document, in the ledger's order."""
    wanted = np.frombuffer(bytes.fromhex(winner), np.uint8)
    folder = manifest.stage_folder(store, "verdicts")
    columns = ("doc_id", "blob", "record", "drop", "winner", "via", "inter", "union")
    for part in manifest.stage("verdicts").parts:
        for rows in read_part(storage.join(folder, part.name), columns) if _LEDGER.fullmatch(part.name) else ():
            for row in np.flatnonzero((rows["winner"] == wanted).all(axis=1)).tolist():
                one = take(rows, np.array([row]))
                path, record = manifest.blobs[int(one["blob"][0])].path, int(one["record"][0])
                drop, doc_id, via = Drop(one["drop"][0]), *(one[n][0].tobytes().hex() for n in ("doc_id", "via"))
                jaccard = _jaccard(one) if drop == Drop.NEAR_DUPLICATE else ""
                linked = f", by way of {via}" if via != winner else ""
                yield f"{doc_id}, {path}:{record}, {drop.label}{jaccard}{linked}"


def _jaccard(row: Columns) -> str:
    """The exact Jaccard of a near-duplicate's row, cut to four places so that nothing below 1 reads as 1."""
    shared, union = int(row["inter"][0]), int(row["union"][0])
    return f", Jaccard .{10000 * shared // union:04d}" if shared < union else ", Jaccard 1"


Wanted = Callable[[Columns], NDArray[np.bool_]]


def _asked(manifest: Manifest, document: str) -> Wanted:
    if re.fullmatch("[0-9a-f]{32}", document):
        return _has_id(document)
    path, _, number = document.rpartition(":")
    blobs = [index for index, blob in enumerate(manifest.blobs) if blob.path == path]
    if not blobs or not number.isdecimal():
        raise SourceError(
            "this is no document",
            where=document,
            remedy="write its id of 32 hex digits, or <file>:<record> with a file of the recipe",
        )
    return lambda rows: (rows["blob"] == blobs[0]) & (rows["record"] == int(number))


def _has_id(doc_id: str) -> Wanted:
    wanted = np.frombuffer(bytes.fromhex(doc_id), np.uint8)
    return lambda rows: (rows["doc_id"] == wanted).all(axis=1)


def _verdict(store: str, manifest: Manifest, wanted: Wanted, document: str) -> Verdict:
    folder = manifest.stage_folder(store, "verdicts")
    for part in manifest.stage("verdicts").parts:
        ledger = _LEDGER.fullmatch(part.name)
        first = 0
        for rows in read_part(storage.join(folder, part.name)) if ledger else ():
            found = np.flatnonzero(wanted(rows))
            if ledger and len(found):
                facts = _facts(store, manifest, int(ledger[1]), first + int(found[0]))
                return _in_words(manifest, take(rows, found[:1]), facts)
            first += row_count(rows)
    raise SourceError(
        "the ledger has no such document",
        where=document,
        remedy="look for its file and record in the ledger: what a recipe does not choose has no row",
    )


def _facts(store: str, manifest: Manifest, group: int, row: int) -> dict[str, str]:
    """The facts of a group's n-th ledger row: its blocks' rows stand there one block after another."""
    blocks = Blocks.sealed_in(store, manifest)
    for block in blocks.group(group):
        count = row_count(blocks.read_rows(block, ["drop"]))
        if row < count:
            return known_facts(blocks, block, row)
        row -= count
    raise IntegrityError(
        "ledger and blocks differ", where=f"group {group}", remedy="run audit.py verify on this corpus"
    )


def _in_words(manifest: Manifest, row: Columns, facts: dict[str, str]) -> Verdict:
    recipe = manifest.recipe
    names = [source.name for source in recipe.source] + [f"{entry.name} (unreadable)" for entry in recipe.input]
    drop, winner, via = Drop(row["drop"][0]), *(row[name][0].tobytes().hex() for name in ("winner", "via"))
    number, read = int(row["source"][0]), drop == Drop.KEPT or drop >= FIRST_REFUSAL
    words = drop.label
    if drop == Drop.FOREIGN_RULE:
        words += f": {_refusal(manifest, row)}"
    if drop == Drop.NEAR_DUPLICATE:
        words += f" of {via}: {row['inter'][0]:,} of {row['union'][0]:,} shingles are shared{_jaccard(row)}"
    elif drop >= Drop.EXACT_DUPLICATE:
        words += f" of {winner}"
    record, offset, raw_bytes = (int(row[name][0]) for name in ("record", "offset", "raw_bytes"))
    return Verdict(
        doc_id=row["doc_id"][0].tobytes().hex(),
        source=names[number],
        record=(manifest.blobs[int(row["blob"][0])].path, record, offset, raw_bytes),
        facts=facts,
        drop=drop,
        words=words,
        winner=winner if drop >= Drop.EXACT_DUPLICATE else "",
        licence=recipe.source[number].licence if number < len(recipe.source) else "NOASSERTION",
        measured=_measured(recipe, number, row) if number < len(recipe.source) and read else (),
        losers=(),
    )


def _measured(recipe: Recipe, number: int, row: Columns) -> tuple[str, ...]:
    """What was measured of a text, beside its source's thresholds."""
    text = recipe.text_of(recipe.source[number].name)
    rules, largest = text.filters, f"at most {text.filters.max_bytes:,}" if text.filters.max_bytes else "no limit"
    found = [
        ("words", row["words"], f"at least {rules.min_words:,}"),
        ("bytes", row["text_bytes"], largest),
        ("letters percent", row["letters_percent"], f"at least {rules.min_letters_percent}"),
        ("repeated lines percent", row["repeated_lines_percent"], f"at most {rules.max_repeated_lines_percent}"),
    ]
    if text.language.keep:
        kept = ", ".join(text.language.keep)
        found.append((f"{kept} percent", row["language_percent"], f"at least {text.language.min_percent}"))
    return tuple(f"{name} {int(value[0]):,} ({threshold})" for name, value, threshold in found)


def _refusal(manifest: Manifest, row: Columns) -> str:
    """Which block refused it and in which words, by the lists in the rules of the stages that read."""
    name = manifest.recipe.source[int(row["source"][0])].name
    lists = [stage.rules["blocks"]["blocks"] for stage in manifest.stages if "blocks" in stage.rules]
    block = next(blocks[name] for blocks in lists if name in blocks)[int(row["block"][0])]
    return f"{block['name']}, {block['reasons'][int(row['reason'][0])]}"


def describe(found: list[Verdict]) -> str:
    """The verdicts as a person reads them; control characters are shown, not sent."""
    lines = []
    for verdict in found:
        path, record, offset, raw_bytes = verdict.record
        lines += [
            f"document   {verdict.doc_id}, source {verdict.source}",
            f"record     {path}, record {record:,}, {raw_bytes:,} bytes at {offset:,} of its uncompressed stream",
        ]
        if verdict.facts:
            known = (f"{name} {shown(value.encode(), 120)}" for name, value in verdict.facts.items())
            lines.append(f"known      {', '.join(known)}")
        if verdict.measured:
            lines.append(f"measured   {', '.join(verdict.measured)}")
        lines += [f"licence    {shown(verdict.licence.encode(), 80)}", f"verdict    {verdict.words}"]
        lines += [f"duplicate  {loser}" for loser in verdict.losers[:_SHOWN]]
        if len(verdict.losers) > _SHOWN:
            lines.append(f"           and {len(verdict.losers) - _SHOWN:,} more")
    return "\n".join(lines)
