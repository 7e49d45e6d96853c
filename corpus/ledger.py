"""The ledger: a row for every record that became a document or could not be read, and the law its sums obey.

Columns of a ledger part (Parquet, in the order of blob and record):

    doc_id          16 bytes    the occurrence
    source          uint16      index of the source in the recipe; from `len(source)` on, an input whose records
                                could not be told apart (a broken line of a Pile shard belongs to no set)
    blob            uint32      index of the file in the manifest's blobs; of a chain, its first comment's
    record          int64       the record's number in that file
    offset          int64       where it starts in the uncompressed stream
    raw_bytes       int64       bytes of the stream it takes; of a chain, all its comments'
    extracted_bytes int64       bytes of the text the reader took out of it
    text_bytes      int64       bytes of the normalised text
    drop            uint8       `Drop`: kept, why not, or a duplicate
    repairs         int32       characters that were no valid Unicode and became U+FFFD
    words, letters_percent, repeated_lines_percent   int32   what the filters measured
    language        int32       the likeliest language, an index of the labels in the rules of the stage that read
                                it; -1: not asked, or nothing to tell it by
    language_percent int32      the share of the languages the recipe keeps; -1: not asked
    block, reason   int32       of a text that a block refused: the block's index in the source's list, and the
                                reason's among those of the block, both in the same rules; else -1
    winner          16 bytes    of a duplicate or a repeated URL: the document that stayed; else zeros
    via             16 bytes    of the same: the document it was compared with, which is the winner, but under
                                the policy `component` the next on the way to it
    inter, union    int32       of a near-duplicate: its Jaccard with that document; else 0

Conservation, per source: raw bytes = text + markup + trimmed + dropped; per input: the bytes of the streams = raw
bytes of its sources + what was not chosen. Counts are sums over sealed rows, never an engine's metrics.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from corpus.drops import Drop
from corpus.errors import IntegrityError
from corpus.table import Columns

_FIELDS = ("documents", "raw_bytes", "extracted_bytes", "text_bytes", "repairs")
TALLIED = ("source", "drop", *_FIELDS[1:])  # the columns that `tally` reads
LEDGER_STAGE, LEDGER_SUFFIX = "verdicts", "ledger.parquet"
FIRST_REFUSAL = Drop.EMPTY  # below it, a record could not be read and its raw bytes are what is dropped


class Dropped(msgspec.Struct, frozen=True):
    """What one reason took from a source: documents, and bytes of text (of raw record where it was unreadable)."""

    documents: int
    bytes: int


class SourceBalance(msgspec.Struct, frozen=True):
    """The conservation law of one source, in documents and bytes.

    raw_bytes = text_bytes + markup_bytes + trimmed_bytes + dropped bytes; documents = kept + dropped documents.
    """

    name: str
    documents: int
    raw_bytes: int
    markup_bytes: int
    trimmed_bytes: int
    dropped: dict[str, Dropped]
    kept: int
    text_bytes: int
    repairs: int


class InputBalance(msgspec.Struct, frozen=True):
    """The conservation law of one input, in records and bytes.

    records = documents' records + unchosen records; stream_bytes = documents' raw bytes + unchosen bytes.
    """

    name: str
    blobs: int
    file_bytes: int
    stream_bytes: int
    records: int
    document_records: int
    document_bytes: int
    unchosen: dict[str, tuple[int, int]]


def tally(rows: Columns) -> dict[str, int]:
    """Sums of a table of ledger rows: "<source>/<drop>/<field>" -> integer."""
    cell = rows["source"].astype(np.int64) * 256 + rows["drop"]
    cells, which = np.unique(cell, return_inverse=True)
    counts: dict[str, int] = {}
    for field in _FIELDS:
        values = np.ones(len(cell), np.int64) if field == "documents" else rows[field].astype(np.int64)
        sums = np.zeros(len(cells), np.int64)
        np.add.at(sums, which, values)
        for number, total in zip(cells.tolist(), sums.tolist(), strict=True):
            counts[f"{number // 256}/{number % 256}/{field}"] = total
    return counts


def balances(counts: Mapping[str, int], names: list[str]) -> list[SourceBalance]:
    """The balance of every source from summed tallies; sources without a document included."""
    found = []
    for index, name in enumerate(names):

        def total(field: str, drop: int, index: int = index) -> int:
            return counts.get(f"{index}/{drop}/{field}", 0)

        drops = [drop for drop in Drop if total("documents", drop)]
        unread = [drop for drop in drops if Drop.KEPT < drop < FIRST_REFUSAL]
        read = [drop for drop in drops if drop not in unread]
        extracted = sum(total("extracted_bytes", drop) for drop in read)
        dropped = {
            drop.label: Dropped(
                total("documents", drop), total("raw_bytes" if drop in unread else "text_bytes", drop)
            )
            for drop in drops
            if drop != Drop.KEPT
        }
        found.append(
            SourceBalance(
                name=name,
                documents=sum(total("documents", drop) for drop in drops),
                raw_bytes=sum(total("raw_bytes", drop) for drop in drops),
                markup_bytes=sum(total("raw_bytes", drop) for drop in read) - extracted,
                trimmed_bytes=extracted - sum(total("text_bytes", drop) for drop in read),
                dropped=dropped,
                kept=total("documents", Drop.KEPT),
                text_bytes=total("text_bytes", Drop.KEPT),
                repairs=sum(total("repairs", drop) for drop in drops),
            )
        )
    return found


def check_source(balance: SourceBalance) -> None:
    """The law of one source.

    Raises:
        IntegrityError: Documents or bytes are lost or invented.
    """
    documents = balance.kept + sum(dropped.documents for dropped in balance.dropped.values())
    size = balance.text_bytes + balance.markup_bytes + balance.trimmed_bytes
    size += sum(dropped.bytes for dropped in balance.dropped.values())
    _require(documents, balance.documents, "documents", f"source {balance.name}")
    _require(size, balance.raw_bytes, "raw bytes", f"source {balance.name}")


def check_input(balance: InputBalance) -> None:
    """The law of one input.

    Raises:
        IntegrityError: Records or bytes of its files are lost or invented.
    """
    records = balance.document_records + sum(records for records, _ in balance.unchosen.values())
    size = balance.document_bytes + sum(size for _, size in balance.unchosen.values())
    _require(records, balance.records, "records", f"input {balance.name}")
    _require(size, balance.stream_bytes, "bytes of the uncompressed streams", f"input {balance.name}")


def _require(found: int, expected: int, what: str, where: str) -> None:
    if found != expected:
        raise IntegrityError(
            f"conservation does not hold: {found} {what} are accounted for, {expected} were read",
            where=where,
            remedy="do not use this corpus; build it again, and report this with the recipe if it repeats",
        )
