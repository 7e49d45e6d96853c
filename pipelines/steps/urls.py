"""Pages that were crawled more than once, kept once (design: exchange by URL, before exact duplicates).

    urls   rows and facts of all blocks -> by URL -> the others of each URL, with the one that stays

Only documents compete: what could not be read, or a rule refused, neither stays nor stands in another's way. Of
the documents of one URL the first fetched stays, the article as it was published; of those fetched in one second,
as among duplicates, the one of the recipe's earlier source, then of the smallest id. A document without a date
comes after those with one; a document without a URL stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.drops import Drop
from corpus.table import Columns, take
from corpus.url import KEY_BYTES, canonical_url, url_key
from pipelines.external_sort import sort_rows
from pipelines.stage import Output
from pipelines.steps.blocks import Blocks
from pipelines.steps.duplicates import others_of_each, partition_of

URLS_VERSION: Final = 1
"""Raised with every change of which document of a URL stays."""

_UNDATED: Final = np.iinfo(np.int64).max
_ROW = ("doc_id", "source", "text_digest", "blob", "drop")


@dataclass(frozen=True)
class UrlsJob:
    """What the stage reads.

    Attributes:
        asks: bool[blobs], whether a blob's input keeps pages once.
    """

    blocks: Blocks
    asks: NDArray[np.bool_]
    partitions: int


def urls_map(job: UrlsJob, group: int, output: Output) -> None:
    """Sends (URL's key, rank, address) of every document that competes to its URL's partition."""
    for block in job.blocks.group(group):
        facts = job.blocks.read_facts(block, ["row", "url", "date"])
        if not facts:
            continue
        rows = take(job.blocks.read_rows(block, _ROW), facts["row"])
        canonical = [canonical_url(url) for url in facts["url"]]
        competes = job.asks[rows.pop("blob")] & (rows.pop("drop") == Drop.KEPT)
        live = np.flatnonzero(competes & np.array([len(url) > 0 for url in canonical], np.bool_))
        keys = b"".join(url_key(canonical[row]) for row in live.tolist())
        columns = take(rows, live)
        columns["key"] = np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES)
        columns["date"] = _seconds(facts["date"].take(live))
        columns["block"] = np.full(len(live), block, np.uint32)
        columns["row"] = facts["row"][live].astype(np.uint32)
        output.emit(partition_of(columns["key"], job.partitions), columns)
        output.tick(0, len(live))


def _seconds(dates: Texts) -> NDArray[np.int64]:
    """Seconds since 1970 of `2021-09-28T23:59:59Z`; of an unknown date the last there is."""
    moments = np.array([date.decode().removesuffix("Z") or "NaT" for date in dates], "datetime64[s]")
    return np.where(np.isnat(moments), _UNDATED, moments.astype(np.int64))


def urls_reduce(job: UrlsJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Of each URL the best ranked stays; writes the others with its id."""
    records = sort_rows(blocks, ("key", "date", "source", "doc_id", "block", "row"))
    losers = others_of_each(records, "key")
    kept = ("doc_id", "source", "text_digest", "block", "row", "winner")
    output.write_all("urls.arrow", ({name: table[name] for name in kept} for table in losers))
