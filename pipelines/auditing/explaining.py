"""Why a document is in a corpus or not: its ledger row in words, and those of the documents it lost to.

A document that lost may have lost to one that lost in its turn: the first page of a URL may hold the text of
another. The rows are followed to the one that stayed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from corpus.drops import Drop
from corpus.errors import IntegrityError, SourceError
from corpus.ledger import FIRST_REFUSAL
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.provenance import Ledger
from corpus.recipe import Recipe
from corpus.table import Columns
from pipelines.auditing.finding import find_text, find_url
from pipelines.auditing.tracing import known_facts, shown
from pipelines.steps.blocks import Blocks, block_of, ledger_starts

_SHOWN = 20


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
    find, ledger = find_text if kind == "text" else find_url, Ledger.sealed_in(store, manifest)
    return [_explain(store, manifest, ledger, doc_id) for doc_id in find(store, manifest, wanted)]


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
    return _explain(store, manifest, Ledger.sealed_in(store, manifest), document.removeprefix("doc:"))


def _explain(store: str, manifest: Manifest, ledger: Ledger, document: str) -> list[Verdict]:
    found = [_verdict(store, manifest, ledger, _place(manifest, ledger, document))]
    while found[-1].winner:
        winner = found[-1].winner
        if winner in {verdict.doc_id for verdict in found}:
            raise IntegrityError(
                "documents lost to each other", where=winner, remedy="run audit.py verify on this corpus"
            )
        found.append(_verdict(store, manifest, ledger, _place(manifest, ledger, winner)))
    if found[-1].drop == Drop.KEPT:
        found[-1] = replace(found[-1], losers=tuple(_losers(manifest, ledger, found[-1].doc_id)))
    return found


def _losers(manifest: Manifest, ledger: Ledger, winner: str) -> Iterator[str]:
    """Those that lost to a document, in the ledger's order."""
    wanted = np.frombuffer(bytes.fromhex(winner), np.uint8)
    for first, rows in ledger.read(["winner"]):
        for row in np.flatnonzero((rows["winner"] == wanted).all(axis=1)).tolist():
            one = ledger.row(*ledger.address(first + row))
            path, record = manifest.blobs[int(one["blob"][0])].path, int(one["record"][0])
            drop, doc_id, via = Drop(one["drop"][0]), *(one[n][0].tobytes().hex() for n in ("doc_id", "via"))
            jaccard = _jaccard(one) if drop == Drop.NEAR_DUPLICATE else ""
            linked = f", by way of {via}" if via != winner else ""
            yield f"{doc_id}, {path}:{record}, {drop.label}{jaccard}{linked}"


def _jaccard(row: Columns) -> str:
    """The exact Jaccard of a near-duplicate's row, cut to four places so that nothing below 1 reads as 1."""
    shared, union = int(row["inter"][0]), int(row["union"][0])
    return f", Jaccard .{10000 * shared // union:04d}" if shared < union else ", Jaccard 1"


def _place(manifest: Manifest, ledger: Ledger, document: str) -> int:
    """The row of a document, by its id or its record."""
    if re.fullmatch("[0-9a-f]{32}", document):
        place = ledger.find(document)
    else:
        path, _, number = document.rpartition(":")
        blobs = [index for index, blob in enumerate(manifest.blobs) if blob.path == path]
        if not blobs or not number.isdecimal():
            raise SourceError(
                "this is no document",
                where=document,
                remedy="write its id of 32 hex digits, or <file>:<record> with a file of the recipe",
            )
        place = ledger.find_record(blobs[0], int(number))
    if place is None:
        raise SourceError(
            "the ledger has no such document",
            where=document,
            remedy="look for its file and record in the ledger: what a recipe does not choose has no row",
        )
    return place


def _verdict(store: str, manifest: Manifest, ledger: Ledger, place: int) -> Verdict:
    facts = known_facts(Blocks.sealed_in(store, manifest), *block_of(ledger_starts(manifest), place))
    return _in_words(manifest, ledger.row(*ledger.address(place)), facts)


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
