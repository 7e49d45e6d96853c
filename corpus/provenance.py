"""The ledger of a sealed corpus as one table, the placement of what it keeps, and the way from token to record.

Columns of `<shard>.placement.parquet`, a row per document in the shard's order:

    ledger   uint32    the number of the part of the ledger that has its row
    row      uint32    its row there

The rest is said once: which tokens are the document's by the shard's index, all else by its ledger row. So a
placement is five bytes a document at most, and joins to the ledger in any tool that numbers a Parquet file's rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.drops import Drop
from corpus.errors import IntegrityError, SourceError
from corpus.ledger import LEDGER_STAGE, LEDGER_SUFFIX
from corpus.manifest import Manifest, ShardEntry
from corpus.part import RowGroups, read_part, read_row, read_row_group, row_groups
from corpus.shard import find_document
from corpus.table import Columns, concat, row_count

SHARDS_STAGE = "shards"
_ADDRESS = ("doc_id", "source", "blob", "record", "offset", "raw_bytes", "text_bytes", "drop")


@dataclass(frozen=True, eq=False)
class Ledger:
    """The ledger of a sealed corpus: parts whose rows, one part after another, are one table.

    Attributes:
        urls: The parts, in order.
        starts: int64[parts + 1], at which row of the whole each part begins, and how many rows there are.
    """

    urls: tuple[str, ...]
    starts: NDArray[np.int64]

    @classmethod
    def sealed_in(cls, store: str, manifest: Manifest) -> Ledger:
        """The ledger of a corpus."""
        folder = manifest.stage_folder(store, LEDGER_STAGE)
        parts = [part for part in manifest.stage(LEDGER_STAGE).parts if part.name.endswith(LEDGER_SUFFIX)]
        starts = np.cumsum([0, *(part.rows for part in parts)], dtype=np.int64)
        return cls(tuple(storage.join(folder, part.name) for part in parts), starts)

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.starts[-1])

    def read(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, Columns]]:
        """All rows in batches: (at which row of the whole a batch begins, its columns)."""
        for url, first in zip(self.urls, self.starts.tolist(), strict=False):
            for rows in read_part(url, columns):
                yield first, rows
                first += row_count(rows)

    def find(self, doc_id: str) -> int | None:
        """At which row of the whole a document stands: 32 hex digits; None where there is none of this id.

        The first call reads every id and holds four bytes of each: the next ones take some milliseconds.
        """
        wanted = bytes.fromhex(doc_id)
        for place in np.flatnonzero(self._prefixes == np.frombuffer(wanted[:4], np.uint32)[0]).tolist():
            if self.row(*self.address(place), ["doc_id"])["doc_id"][0].tobytes() == wanted:
                return int(place)
        return None

    @cached_property
    def _prefixes(self) -> NDArray[np.uint32]:
        prefixes = np.zeros(self.rows, np.uint32)
        for first, rows in self.read(["doc_id"]):
            prefixes[first : first + row_count(rows)] = np.ascontiguousarray(rows["doc_id"]).view(np.uint32)[:, 0]
        return prefixes

    def find_record(self, blob: int, record: int) -> int | None:
        """At which row of the whole a record stands, of a chain its first comment; None where it has no row.

        The first call reads what the parts say of their row groups; then one or two of those are read.
        """
        wanted = {"blob": blob, "record": record}
        for part, bounds in enumerate(self._bounds):
            for group in np.flatnonzero(bounds.may_hold(wanted)).tolist():
                rows = read_row_group(self.urls[part], group, tuple(wanted))
                found = np.flatnonzero((rows["record"] == record) & (rows["blob"] == blob))
                if len(found):
                    return int(self.starts[part] + bounds.starts[group] + found[0])
        return None

    @cached_property
    def _bounds(self) -> tuple[RowGroups, ...]:
        return tuple(row_groups(url, ("blob", "record")) for url in self.urls)

    def address(self, place: int) -> tuple[int, int]:
        """The part that holds a row of the whole, and its row there."""
        part = int(np.searchsorted(self.starts, place, "right")) - 1
        return part, place - int(self.starts[part])

    def row(self, part: int, row: int, columns: Sequence[str] | None = None) -> Columns:
        """One row of a part, as a table of one.

        Raises:
            IndexError: There is none.
        """
        if not 0 <= part < len(self.urls):
            raise IndexError(f"part {part} of {len(self.urls)}")
        return read_row(self.urls[part], row, columns)

    def places(self, placement: Columns) -> NDArray[np.int64]:
        """int64[n], which rows of the whole a placement points to.

        Raises:
            IndexError: It points to a row that is not there.
        """
        part, row = placement["ledger"].astype(np.int64), placement["row"].astype(np.int64)
        if (part >= len(self.urls)).any() or (row >= np.diff(self.starts)[part]).any():
            raise IndexError("a placement points to no row of the ledger")
        places: NDArray[np.int64] = self.starts[part] + row
        return places


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


def read_placement(manifest: Manifest, store: str, shard: str) -> Columns:
    """The placement of a shard, whole: eight bytes a document."""
    return concat(read_part(_placement_url(manifest, store, shard)))


def _placement_url(manifest: Manifest, store: str, shard: str) -> str:
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
        at = read_row(_placement_url(manifest, store, shard.name), number)
        ledger, row = int(at["ledger"][0]), int(at["row"][0])
        found = Ledger.sealed_in(store, manifest).row(ledger, row, _ADDRESS)
    except (IndexError, KeyError) as error:  # what an older release placed has other columns
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
        *(int(found[name][0]) for name in _ADDRESS[1:-1]),
    )


def _contradiction(shard: ShardEntry, token: int) -> IntegrityError:
    return IntegrityError(
        "the shard's index, its placement and the ledger contradict each other",
        where=f"{shard.name}:{token}",
        remedy="run audit.py verify on this corpus",
    )
