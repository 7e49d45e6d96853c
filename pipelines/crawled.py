"""What is known of kept documents beside their text: domains, dates, languages, licences, opt-outs; per source.

Crawls write it down as they read (`.facts.arrow`), the ledger has the language where a recipe asked for it. What a
format does not know cannot be had back: it is counted as unknown, never guessed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from corpus.drops import Drop
from corpus.manifest import Manifest
from corpus.part import read_part
from corpus.provenance import Ledger
from corpus.table import Columns, concat, cut
from corpus.url import canonical_url, host_of
from pipelines.steps.blocks import Blocks, ledger_starts

_COLUMNS = ("source", "drop", "text_bytes", "language")
_DAY = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass
class Known:
    """What the kept documents of one source say of themselves.

    Attributes:
        urls: Documents that name a host.
        host_documents: Of each host, without a leading `www.`.
        host_bytes: Of their text.
        dated: Documents with a day.
        first, last: The earliest and the latest day, as YYYY-MM-DD; "" where there is none.
        stated: Language -> documents whose record states it.
        found: Language -> documents that the recipe's own rule took for it.
        licences: What records state -> documents.
        opt_outs: Likewise.
    """

    urls: int = 0
    host_documents: Counter[str] = field(default_factory=Counter)
    host_bytes: Counter[str] = field(default_factory=Counter)
    dated: int = 0
    first: str = ""
    last: str = ""
    stated: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    opt_outs: Counter[str] = field(default_factory=Counter)

    @property
    def languages(self) -> Counter[str]:
        """What the rule found, or where it was not asked, what records state."""
        return self.found or self.stated

    def see_host(self, url: bytes, size: int) -> None:
        """Counts a document under its host."""
        host = host_of(canonical_url(url)).decode("utf-8", "replace").removeprefix("www.")
        if host:
            self.urls += 1
            self.host_documents[host] += 1
            self.host_bytes[host] += size

    def see_day(self, date: bytes) -> None:
        """Takes note of a document's day, if it is one."""
        day = _DAY.match(date.decode("ascii", "replace"))
        if day:
            self.dated += 1
            self.first = min(self.first or day[0], day[0])
            self.last = max(self.last, day[0])


def known_of(store: str, manifest: Manifest) -> Mapping[str, Known]:
    """What is known, by source; read from the ledger and the facts, which are read once."""
    found: defaultdict[str, Known] = defaultdict(Known)
    names = [source.name for source in manifest.recipe.source]
    labels = _labels(manifest)
    for columns, facts in _documents(store, manifest, bool(labels)):
        kept = columns["drop"] == Drop.KEPT
        for number in np.unique(columns["source"][kept]).tolist():
            mine = kept & (columns["source"] == number)
            known = found[names[number]]
            asked = columns["language"][mine & (columns["language"] >= 0)]
            values, counts = np.unique(asked, return_counts=True)
            known.found.update({labels[v]: c for v, c in zip(values.tolist(), counts.tolist(), strict=True)})
            _take_facts(known, mine, columns["text_bytes"], facts)
    return {name: found[name] for name in names}


def _labels(manifest: Manifest) -> list[str]:
    """The languages by number, as the stages say that asked for them."""
    for stage in manifest.stages:
        if "language" in stage.rules:
            return list(stage.rules["language"]["labels"])
    return []


def _documents(store: str, manifest: Manifest, asked: bool) -> Iterator[tuple[Columns, Columns]]:
    """Block by block, its ledger rows and its facts; blocks of which nothing is known are passed over."""
    blocks = Blocks.sealed_in(store, manifest)
    starts = ledger_starts(manifest)
    for number, url in enumerate(Ledger.sealed_in(store, manifest).urls):
        group = blocks.group(number)
        if not (asked or any(blocks.facts[block] for block in group)):
            continue
        rows = concat(read_part(url, _COLUMNS))
        first = starts[group.start]
        for block in group:
            yield cut(rows, starts[block] - first, starts[block + 1] - first), blocks.read_facts(block)


def _take_facts(known: Known, mine: NDArray[np.bool_], sizes: NDArray[np.int64], facts: Columns) -> None:
    for row in np.flatnonzero(mine[facts["row"]]).tolist() if facts else ():
        known.see_host(facts["url"][row], int(sizes[facts["row"][row]]))
        known.see_day(facts["date"][row])
        for name, counter in (
            ("language", known.stated),
            ("licence", known.licences),
            ("opt_out", known.opt_outs),
        ):
            if value := facts[name][row].decode("utf-8", "replace"):
                counter[value] += 1
