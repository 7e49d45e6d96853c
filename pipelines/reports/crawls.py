"""What crawls knew of the documents that were kept: whose pages they are, when fetched, and what they allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from corpus.drops import Drop
from corpus.manifest import Manifest
from corpus.table import row_count
from corpus.url import canonical_url, host_of
from pipelines.reports.ledger_scan import ledger_rows
from pipelines.steps.blocks import Blocks


@dataclass
class Crawl:
    """What is known of one source's kept documents beside their text.

    Attributes:
        dated: Documents with a date; `first` and `last` are the earliest and latest, as written.
        hosts: Bytes of text by host, `www.` taken off; documents without a URL are in none.
        languages: Documents by the language their source stated.
        opted_out: Documents whose source carries an opt-out signal.
    """

    documents: int = 0
    dated: int = 0
    first: str = ""
    last: str = ""
    hosts: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    opted_out: int = 0


def crawls(store: str, manifest: Manifest, blocks: Blocks) -> Sequence[Crawl]:
    """The crawl of each source, in the recipe's order; all empty where no format knows anything."""
    found = [Crawl() for _ in manifest.recipe.source]
    if not any(blocks.facts):
        return found
    for rows in ledger_rows(store, manifest, blocks, ["source", "drop", "text_bytes"]):
        kept = rows["drop"] == Drop.KEPT
        for block in np.unique(rows["at_block"][kept]).tolist():
            facts = blocks.read_facts(block)
            if not facts:
                continue
            mine = np.flatnonzero(kept & (rows["at_block"] == block))
            place = {int(row): int(at) for row, at in zip(rows["at_row"][mine], mine, strict=True)}
            for number in range(row_count(facts)):
                at = place.get(int(facts["row"][number]))
                if at is not None:
                    known = {
                        name: facts[name][number].decode("utf-8", "replace") for name in facts if name != "row"
                    }
                    _count(found[int(rows["source"][at])], known, int(rows["text_bytes"][at]))
    return found


def _count(crawl: Crawl, known: dict[str, str], text_bytes: int) -> None:
    crawl.documents += 1
    date = known.get("date", "")
    if date:
        crawl.dated += 1
        crawl.first = min(filter(None, (crawl.first, date)))
        crawl.last = max(crawl.last, date)
    host = host_of(canonical_url(known.get("url", "").encode())).decode("utf-8", "replace")
    if host:
        crawl.hosts[host.removeprefix("www.")] += text_bytes
    if known.get("language"):
        crawl.languages[known["language"]] += 1
    crawl.opted_out += bool(known.get("opt_out"))
