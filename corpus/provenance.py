"""Placement: where each kept document lies in a shard, and the way back from a token to its record.

Columns of `<shard>.placement.parquet`, a row per document in the shard's order:

    first_token  int64     position of its first token in the shard
    tokens       int64     how many, the end-of-document id included
    doc_id       16 bytes
    block, row   uint32    its address among the document blocks: its ledger row, its text, its comments
    blob         uint32    index of the file in the manifest's blobs; of a chain, its first comment's
    record       int64     the record's number in that file
    offset       int64     where it starts in the uncompressed stream
    raw_bytes    int64     how much of the stream it takes
    text_bytes   int64     bytes of the normalised text
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from corpus import storage
from corpus.errors import SourceError
from corpus.manifest import Manifest, ShardEntry
from corpus.table import Columns, from_batch, take

SHARDS_STAGE = "shards"


class Placed(msgspec.Struct, frozen=True):
    """Where one document of a shard lies."""

    number: int
    first_token: int
    tokens: int
    doc_id: str
    block: int
    row: int
    blob: int
    record: int
    offset: int
    raw_bytes: int
    text_bytes: int


def placement_columns(columns: Columns, tokens: NDArray[np.int64], start: int) -> Columns:
    """The placement of documents that stand in this order from a token on, of so many tokens each."""
    first = start + np.cumsum(tokens) - tokens
    kept = ("doc_id", "block", "row", "blob", "record", "offset", "raw_bytes", "text_bytes")
    return {"first_token": first, "tokens": tokens, **{name: columns[name] for name in kept}}


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
    """The document that holds a token of a shard.

    Raises:
        SourceError: The shard has fewer tokens.
    """
    if not 0 <= token < shard.tokens:
        raise SourceError(
            f"the shard has {shard.tokens} tokens", where=f"{shard.name}:{token}", remedy="name a smaller position"
        )
    url = storage.join(manifest.stage_folder(store, SHARDS_STAGE), f"{shard.name}.placement.parquet")
    seen = 0
    with storage.open_input(url) as file:
        table = pq.ParquetFile(file)
        for group in range(table.num_row_groups):
            statistics = table.metadata.row_group(group).column(0).statistics
            last = group + 1 == table.num_row_groups
            following = None if last else table.metadata.row_group(group + 1).column(0).statistics
            if statistics.min <= token and (following is None or token < following.min):
                columns = from_batch(table.read_row_group(group).combine_chunks().to_batches()[0])
                row = int(np.searchsorted(columns["first_token"], token, "right")) - 1
                return _placed(take(columns, np.array([row])), seen + row)
            seen += table.metadata.row_group(group).num_rows
    raise SourceError(
        "the placement ends before this token", where=url, remedy="run audit.py verify on this corpus"
    )


def _placed(columns: Columns, number: int) -> Placed:
    values = {name: int(columns[name][0]) for name in Placed.__struct_fields__ if name not in ("number", "doc_id")}
    return Placed(number=number, doc_id=columns["doc_id"][0].tobytes().hex(), **values)
