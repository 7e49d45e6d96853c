"""Why a document is in a corpus or not: its ledger row in words, and those of the documents it lost to.

A document that lost may have lost to one that lost in its turn: the first page of a URL may hold the text of
another. The rows are followed to the one that stayed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.drops import Drop
from corpus.errors import IntegrityError, SourceError
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import read_part
from corpus.table import Columns, row_count, take
from pipelines.auditing.tracing import known_facts, shown
from pipelines.steps.blocks import Blocks

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
    """

    doc_id: str
    source: str
    record: tuple[str, int, int, int]
    facts: dict[str, str]
    drop: Drop
    words: str
    winner: str


def explain(ref: str, document: str) -> list[Verdict]:
    """The verdict on a document, then on the one it lost to, up to one that stayed.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        document: Its id, or its record as `<file>:<number>`; of a chain, its first comment's.

    Raises:
        SourceError: No such ref or document.
        IntegrityError: The store contradicts itself.
    """
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    found = [_verdict(store, manifest, _asked(manifest, document), document)]
    while found[-1].winner:
        winner = found[-1].winner
        if winner in {verdict.doc_id for verdict in found}:
            raise IntegrityError(
                "documents lost to each other", where=winner, remedy="run audit.py verify on this corpus"
            )
        found.append(_verdict(store, manifest, _has_id(winner), winner))
    return found


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
    words = drop.label
    if drop == Drop.FOREIGN_RULE:
        words += f": {_refusal(manifest, row)}"
    if drop == Drop.NEAR_DUPLICATE:
        words += f" of {via}: {row['inter'][0]:,} of {row['union'][0]:,} shingles are shared"
    elif drop >= Drop.EXACT_DUPLICATE:
        words += f" of {winner}"
    record, offset, raw_bytes = (int(row[name][0]) for name in ("record", "offset", "raw_bytes"))
    return Verdict(
        doc_id=row["doc_id"][0].tobytes().hex(),
        source=names[int(row["source"][0])],
        record=(manifest.blobs[int(row["blob"][0])].path, record, offset, raw_bytes),
        facts=facts,
        drop=drop,
        words=words,
        winner=winner if drop >= Drop.EXACT_DUPLICATE else "",
    )


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
        lines.append(f"verdict    {verdict.words}")
    return "\n".join(lines)
