"""From a token back to its record: shard -> document -> ledger row -> file, record, offset -> the raw record.

The id of a document is a digest of its raw record: where the sources are at hand, the record proves itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from corpus import storage
from corpus.document import Texts, document_id
from corpus.errors import IntegrityError, SourceError
from corpus.language import NOT_ASKED
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import read_part
from corpus.provenance import Ledger, Placed, find_shard, locate
from corpus.readers.hacker_news import record_key
from corpus.readers.record import Lines
from corpus.readers.reddit import base36, parse
from corpus.recipe import DUMPS
from corpus.shard import read_tokens
from corpus.table import Columns, concat, take
from pipelines.auditing.raw_records import input_of, read_raw
from pipelines.steps.blocks import COMMENTS, ROWS, Blocks, block_of, ledger_starts

_MEASURED = ("words", "letters_percent", "repeated_lines_percent", "repairs", "language_percent")
_VOCABULARY = "map-00000-vocabulary.arrow"


@dataclass(frozen=True)
class RawRecord:
    """One record of a source: its file, its place there, and its bytes where the sources are at hand."""

    path: str
    record: int
    offset: int
    raw_bytes: int
    name: str
    raw: bytes | None


@dataclass(frozen=True)
class Trace:
    """All that is known of the document that holds a token.

    Attributes:
        placed: Its place in the shard.
        token: The token asked for, its bytes, and how many bytes of the document stand before it.
        source: The source's name, title and licence.
        rules: What the filters measured.
        text: The normalised text.
        facts: What its crawl knew of it: url, date, ...; empty where its format knows nothing.
        records: Its raw records: one, or a thread's or story's posts in order.
        proved: Whether the records' bytes give the document's id; None where the sources are not at hand.
    """

    placed: Placed
    token: tuple[int, bytes, int]
    source: tuple[str, str, str]
    rules: dict[str, int]
    text: bytes
    facts: dict[str, str]
    records: list[RawRecord]
    proved: bool | None


def trace(ref: str, address: str, data: str | None) -> Trace:
    """Follows `<shard>:<token>` to its source.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        address: A shard's name and a token's position in it.
        data: The folder of the raw files, or None.

    Raises:
        SourceError: No such ref, shard or token; or a raw file is missing.
        IntegrityError: The store contradicts itself.
    """
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    found = find(store, manifest, address)
    if data is None:
        return found
    read: dict[str, dict[int, bytes]] = {}
    for path, numbers in records_by_file([found]).items():
        read[path] = read_raw(manifest, data, path, numbers)
    return prove(manifest, found, read)


def find(store: str, manifest: Manifest, address: str) -> Trace:
    """Follows a token to the address of its record, which is not read.

    Raises:
        SourceError: No such shard or token.
        IntegrityError: The store contradicts itself.
    """
    name, colon, position = address.rpartition(":")
    if not colon or not position.isdecimal():
        raise SourceError("this is no token", where=address, remedy="write it as <shard>:<position>")
    shard = find_shard(manifest, name)
    placed = locate(manifest, store, shard, int(position))
    blocks = Blocks.sealed_in(store, manifest)
    ledger = Ledger.sealed_in(store, manifest)
    at = block_of(ledger_starts(manifest), int(ledger.starts[placed.ledger]) + placed.row)
    source = manifest.recipe.source[placed.source]
    rules = {
        name: int(value[0])
        for name, value in ledger.row(placed.ledger, placed.row, _MEASURED).items()
        if value[0] != NOT_ASKED
    }
    return Trace(
        placed=placed,
        token=_token(store, manifest, name, int(position), placed),
        source=(source.name, source.title, source.licence),
        rules=rules,
        text=_text(blocks, *at),
        facts=known_facts(blocks, *at),
        records=_records(manifest, blocks, placed, *at),
        proved=None,
    )


def records_by_file(traces: Sequence[Trace]) -> dict[str, set[int]]:
    """The records of some traces, file by file, so that each file is read once."""
    wanted: dict[str, set[int]] = {}
    for found in traces:
        for record in found.records:
            wanted.setdefault(record.path, set()).add(record.record)
    return wanted


def prove(manifest: Manifest, found: Trace, read: Mapping[str, Mapping[int, bytes]]) -> Trace:
    """The trace with its records' bytes, and whether they give the document's id.

    Args:
        read: What `read_raw` gave of each file.
    """
    records = [replace(record, raw=read[record.path].get(record.record)) for record in found.records]
    whole = all(record.raw is not None for record in records)
    proved = whole and _identity(found.source[0], manifest, records) == found.placed.doc_id
    return replace(found, records=records, proved=proved)


def _token(store: str, manifest: Manifest, name: str, position: int, placed: Placed) -> tuple[int, bytes, int]:
    stem = storage.join(manifest.stage_folder(store, "shards"), name)
    ids = read_tokens(stem, placed.first_token, position + 1).tolist()
    spelt = concat(read_part(storage.join(manifest.stage_folder(store, "vocabulary"), _VOCABULARY)))["token"]
    return ids[-1], spelt[ids[-1]], sum(len(spelt[token]) for token in ids[:-1])


def _text(blocks: Blocks, block: int, row: int) -> bytes:
    for rows, texts in blocks.read_text(block):
        found = np.flatnonzero(rows == row)
        if len(found):
            return texts[int(found[0])]
    raise IntegrityError(
        "the block has no text for a document that is kept",
        where=f"{blocks.text[block]}, row {row}",
        remedy="run audit.py verify on this corpus",
    )


def known_facts(blocks: Blocks, block: int, row: int) -> dict[str, str]:
    """What is known of a document beside its text: url, date, ...; nothing where its format knows nothing."""
    facts = blocks.read_facts(block)
    rows = np.flatnonzero(facts["row"] == row) if facts else np.zeros(0, np.intp)
    if not len(rows):
        return {}
    named = {name: column[int(rows[0])].decode() for name, column in facts.items() if name != "row"}
    return {name: value for name, value in named.items() if value}


def _records(manifest: Manifest, blocks: Blocks, placed: Placed, block: int, row: int) -> list[RawRecord]:
    """The record of a document, or the posts of a thread or story."""
    blob = manifest.blobs[placed.blob]
    if input_of(manifest, blob.path).reader not in DUMPS:
        return [RawRecord(blob.path, placed.record, placed.offset, placed.raw_bytes, "", None)]
    comments = concat(read_part(blocks.rows[block].removesuffix(ROWS) + COMMENTS))
    mine: Columns = take(comments, comments["row"] == row)
    columns = zip(
        *(mine[n].tolist() for n in ("blob", "record", "offset", "raw_bytes", "kind", "id")), strict=True
    )
    return [
        RawRecord(manifest.blobs[blob].path, record, offset, size, _post_name(kind, own), None)
        for blob, record, offset, size, kind, own in columns
    ]


def _post_name(kind: int, own: int) -> str:
    """As its site writes it: Reddit's ids have kinds, 1 and 3, Hacker News's none."""
    return f"t{kind}_{base36(own)}" if kind else str(own)


def _identity(source: str, manifest: Manifest, records: list[RawRecord]) -> str:
    """The document id that the raw records give, as hex."""
    raws = [record.raw or b"" for record in records]
    if not records[0].name:
        return document_id(source, f"{records[0].path}:{records[0].record}", raws[0]).hex()
    names = [record.name for record in records]
    if input_of(manifest, records[0].path).reader == "hacker-news":
        key = record_key(names)
    else:
        key = f"t3_{base36(int(parse(_first_line(records[0])).thread[0]))}:{','.join(names)}"
    return document_id(source, key, b"".join(hashlib.sha256(raw).digest() for raw in raws)).hex()


def _first_line(record: RawRecord) -> Lines:
    one = np.array([record.record]), np.array([record.offset]), np.array([record.raw_bytes])
    return Lines(one[0], one[1], Texts.from_list([record.raw or b""]), one[2], np.zeros(1, np.uint8))


def describe(found: Trace, address: str) -> str:
    """The trace as a person reads it; raw bytes are cut short and control characters are shown, not sent."""
    token, token_bytes, before = found.token
    name, title, licence = found.source
    values = ", ".join(f"{label.replace('_', ' ')} {value}" for label, value in found.rules.items())
    lines = [
        f"token      {address}: id {token}, {shown(token_bytes, 40)}",
        f"document   {found.placed.doc_id}, number {found.placed.number} of its shard, tokens "
        f"{found.placed.first_token}..{found.placed.first_token + found.placed.tokens - 1}",
        f"text       {len(found.text):,} bytes; the token stands at byte {before:,}: "
        f"{shown(found.text[max(0, before - 60) : before + 60], 200)}",
        f"measured   {values}",
        f"source     {name} ({title or 'no title'}), licence {licence}",
    ]
    if found.facts:
        lines.append(
            "known      " + ", ".join(f"{name} {shown(v.encode(), 120)}" for name, v in found.facts.items())
        )
    for record in found.records[:20]:
        lines.append(
            f"record     {record.path}, record {' '.join(filter(None, [f'{record.record:,}', record.name]))}, "
            f"{record.raw_bytes:,} bytes at {record.offset:,} of its uncompressed stream"
        )
        if record.raw is not None:
            lines.append(f"           {shown(record.raw, 160)}")
    if len(found.records) > 20:
        lines.append(f"           and {len(found.records) - 20:,} more comments")
    lines.append(
        {
            None: "proof      not tried: name the folder of the raw files with --data to read the record itself",
            True: "proof      the raw records give this document id: this is where the token is from",
            False: "proof      FAILED: the raw records there do not give this document id",
        }[found.proved]
    )
    return "\n".join(lines)


def shown(data: bytes, limit: int) -> str:
    """Bytes as a person may see them, cut short and without control characters."""
    text = data.decode("utf-8", "replace")
    return repr(text[:limit]) + (" ..." if len(text) > limit else "")
