"""The report on a corpus: one page that an auditor can read without us.

It is made of the store alone and is the same whenever it is made; with the raw files at hand it also shows what
rules refused, of which the store keeps no text.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from corpus.manifest import Manifest
from corpus.marks import Bar, Curve, Threshold, bars, curves, histogram, matrix, plain
from corpus.minhash import recall
from corpus.page import count, percent, render, size
from pipelines.auditing.sampling import addresses
from pipelines.auditing.tracing import shown, trace
from pipelines.crawled import Known, known_of
from pipelines.reports import flow
from pipelines.reports.excerpts import excerpt, texts
from pipelines.reports.gallery import Curator
from pipelines.reports.ledger_scan import Clusters, LedgerScan, Rule, clusters, rules_of, scan
from pipelines.reports.unknowns import unknowns
from pipelines.sealed_corpus import SealedCorpus, SealedSource, load_sealed_corpus
from pipelines.steps.blocks import Blocks
from pipelines.steps.duplicates import COMPARED

TRACED = 10  # unpublished: our choice; tokens that a report follows to their records
_HOSTS = 8
_TEMPLATES = Path(__file__).parent / "templates"


def report(ref: str, data: str = "", public: bool = False) -> bytes:
    """The page.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        data: The folder of the raw files, or "".
        public: Whether samples and URLs stay out.

    Raises:
        SourceError: There is no such ref.
        IntegrityError: A link of the chain from ref to index does not hold, or a law is broken.
    """
    corpus = load_sealed_corpus(ref)
    manifest, store = corpus.manifest, corpus.store
    blocks = Blocks.sealed_in(store, manifest)
    rules = rules_of(manifest)
    found = scan(store, manifest, rules)
    grouped = clusters(store, manifest, found)
    known = known_of(store, manifest)
    gallery = None if public else Curator(store, manifest, blocks, data).gallery(found, rules)
    values: dict[str, Any] = {
        "manifest": manifest,
        "corpus": corpus,
        "public": public,
        "flows": _flows(manifest),
        "cards": [_card(source, known[source.said.name], public) for source in corpus.sources],
        "gallery": gallery,
        "pictures": _pictures(manifest, found, grouped, rules),
        "clusters": grouped,
        "stayed": {} if public else _stayed(blocks, grouped),
        "unknowns": unknowns(corpus, known),
        "traced": [] if public else _traced(corpus),
    }
    return render(_TEMPLATES, "corpus.html", values)


def _flows(manifest: Manifest) -> Sequence[tuple[str, Markup]]:
    def sized(value: float) -> str:
        return size(value)

    def counted(value: float) -> str:
        return count(int(value))

    return [
        (
            "documents",
            flow.picture(manifest, flow.documents(manifest), counted, "documents by source and outcome"),
        ),
        ("bytes", flow.picture(manifest, flow.raw_bytes(manifest), sized, "raw bytes by source and outcome")),
        ("tokens", flow.picture(manifest, flow.tokens(manifest), counted, "tokens by source and split")),
    ]


def _card(source: SealedSource, known: Known, public: bool) -> Mapping[str, Any]:
    named = known.host_bytes.total()
    hosts = sorted(known.host_bytes.items(), key=lambda item: (-item[1], item[0]))[:_HOSTS]
    return {
        "source": source.said,
        "balance": source.balance,
        "tokens": source.tokens,
        "known": known,
        "hosts": [] if public else [(host, percent(value, named)) for host, value in hosts],
    }


def _pictures(
    manifest: Manifest, found: LedgerScan, grouped: Clusters, rules: Sequence[Rule]
) -> Mapping[str, Markup]:
    words = next((rule for rule in rules if rule.column == "words"), None)
    cut = Threshold(int(words.thresholds.max()), words.says) if words is not None else None
    last = int(np.flatnonzero(found.lengths).max(initial=0)) + 1
    edges = [max(int(edge), 1) for edge in found.length_edges[1 : last + 1]]
    lengths = histogram(
        edges, found.lengths[1:last].tolist(), ("words in a document, doubling", "documents read"), cut, True
    )
    names = [source.name for source in manifest.recipe.source]
    return {
        "lengths": lengths,
        "jaccard": _jaccard(manifest),
        "recall": _recall(manifest),
        "sizes": _sizes(grouped),
        "matrix": matrix(
            names, grouped.pairs.tolist(), "duplicates of the row's source that lost to the column's"
        ),
    }


def _jaccard(manifest: Manifest) -> Markup:
    """How alike the pairs were that were compared; the stage counted floors of percents, so .95 is .95 exactly."""
    threshold = manifest.recipe.duplicates.threshold_percent
    counts = manifest.stage("evidence").counts
    named = [name for name in counts if name.startswith(COMPARED)]
    percents = {int(name.removeprefix(COMPARED)): counts[name] for name in named}
    lowest = min(percents, default=0) // 10 * 10
    edges = sorted({*range(lowest, 101, 2), threshold})
    found = [
        sum(percents.get(percent, 0) for percent in range(low, high + (high == 100)))
        for low, high in itertools.pairwise(edges)
    ]
    cut = Threshold(threshold / 100, f"from .{threshold} a pair is a duplicate", drops_above=True)
    return histogram([edge / 100 for edge in edges], found, ("Jaccard of the shingles", "pairs compared"), cut)


def _recall(manifest: Manifest) -> Markup:
    rule = manifest.recipe.duplicates
    points = [(percent / 200, recall(percent / 200, rule.bands, rule.rows)) for percent in range(201)]
    cut = Threshold(
        rule.threshold_percent / 100, f"{recall(rule.threshold_percent / 100, rule.bands, rule.rows):.2%}"
    )
    return curves([Curve("found", points)], ("Jaccard of a pair", "chance to be compared"), cut)


def _sizes(grouped: Clusters) -> Markup:
    """Clusters by how many documents they hold, in doubling classes."""
    classes: Counter[int] = Counter()
    for documents, clusters_of in grouped.sizes.items():
        classes[documents.bit_length()] += clusters_of
    rows = []
    for power, found in sorted(classes.items()):
        low, high = 1 << (power - 1), (1 << power) - 1
        name = f"{low} documents" if low == high else f"{plain(low)} to {plain(high)} documents"
        rows.append(Bar(name, found, f"{found:,} cluster{'s' if found > 1 else ''}", "gone"))
    return bars(rows, "clusters of duplicates by size")


def _stayed(blocks: Blocks, grouped: Clusters) -> Mapping[str, str]:
    """The beginning of what stayed of each of the largest clusters, by its id."""
    found = texts(blocks, [cluster.address for cluster in grouped.largest])
    return {cluster.doc_id: excerpt(found[cluster.address]) for cluster in grouped.largest}


def _traced(corpus: SealedCorpus) -> Sequence[Mapping[str, str]]:
    """Ten tokens that the corpus's own digest chooses, each followed to its record."""
    rows = []
    for address in addresses(corpus.manifest, corpus.digest, TRACED):
        found = trace(corpus.ref, address, None)
        record = found.records[0]
        rows.append(
            {
                "address": address,
                "token": shown(found.token[1], 40),
                "document": found.placed.doc_id,
                "place": f"{record.path}, record {record.record:,}, byte {record.offset:,}",
                "licence": found.source[2],
            }
        )
    return rows
