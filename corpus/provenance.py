"""Placement: which document each range of a shard's tokens is, and the way back from a token to its record.

Columns of `<shard>.placement.parquet`, a row per document in the shard's order:

    ledger   uint32    the number of the part of the ledger that has its row
    row      uint32    its row there

The rest is said once: which tokens are the document's by the shard's index, all else by its ledger row. So a
placement is five bytes a document at most, and joins to the ledger in any tool that numbers a Parquet file's rows.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.drops import Drop
from corpus.errors import IntegrityError, SourceError
from corpus.ledger import LEDGER_STAGE, ledger_part
from corpus.manifest import Manifest, ShardEntry
from corpus.part import read_row
from corpus.shard import find_document
from corpus.table import Columns

SHARDS_STAGE = "shards"
_LEDGER = ("doc_id", "source", "blob", "record", "offset", "raw_bytes", "text_bytes", "drop")


class Placed(msgspec.Struct, frozen=True):
    """Where one document of a shard lies, and where it is from.

    Attributes:
        number: Its number in the shard.
        first_token, tokens: Its tokens in the shard, the end-of-document id included.
        ledger, row: Its ledger row.
        doc_id: 32 hex digits.
        source: Its source's index in the recipe.
        blob: Index of its file in the manifest's blobs; of a chain, its first comment's.
        record: The record's number in that file.
        offset, raw_bytes: Where it starts in the uncompressed stream, and how much of it it takes.
        text_bytes: Bytes of the normalised text.
    """

    number: int
    first_token: int
    tokens: int
    ledger: int
    row: int
    doc_id: str
    source: int
    blob: int
    record: int
    offset: int
    raw_bytes: int
    text_bytes: int


def placement_columns(ledger: NDArray[np.uint32], row: NDArray[np.uint32]) -> Columns:
    """The placement of documents that stand in this order."""
    return {"ledger": ledger, "row": row}


def placement_url(manifest: Manifest, store: str, shard: str) -> str:
    """Where the placement of a shard lies."""
    return storage.join(manifest.stage_folder(store, SHARDS_STAGE), f"{shard}.placement.parquet")


def find_shard(manifest: Manifest, name: str) -> ShardEntry:
    """The shard of that name.

    Raises:
        SourceError: The corpus has no such shard.
    """
    for shard in manifest.shards:
        if shard.name == name:
            return shard
    known = ", ".join(shard.name for shard in manifest.shards[:12])
    raise SourceError("the corpus has no such shard", where=name, remedy=f"choose one of: {known} ...")


def locate(manifest: Manifest, store: str, shard: ShardEntry, token: int) -> Placed:
    """The document that holds a token of a shard: three looks into its index, its placement and the ledger.

    Raises:
        SourceError: The shard has fewer tokens.
        IntegrityError: Index, placement and ledger contradict each other.
    """
    if not 0 <= token < shard.tokens:
        raise SourceError(
            f"the shard has {shard.tokens} tokens", where=f"{shard.name}:{token}", remedy="name a smaller position"
        )
    number, first, tokens = find_document(
        storage.join(manifest.stage_folder(store, SHARDS_STAGE), shard.name), token
    )
    try:
        at = read_row(placement_url(manifest, store, shard.name), number)
        ledger, row = int(at["ledger"][0]), int(at["row"][0])
        url = storage.join(manifest.stage_folder(store, LEDGER_STAGE), ledger_part(ledger))
        found = read_row(url, row, _LEDGER)
    except IndexError as error:
        raise _contradiction(shard, token) from error
    if found["drop"][0] != Drop.KEPT:
        raise _contradiction(shard, token)
    return Placed(
        number,
        first,
        tokens,
        ledger,
        row,
        found["doc_id"][0].tobytes().hex(),
        *(int(found[name][0]) for name in _LEDGER[1:-1]),
    )


def _contradiction(shard: ShardEntry, token: int) -> IntegrityError:
    return IntegrityError(
        "the shard's index, its placement and the ledger contradict each other",
        where=f"{shard.name}:{token}",
        remedy="run audit.py verify on this corpus",
    )
