"""The Hugging Face dataset card: YAML that the Hub indexes, then what a reader wants to know first.

Source: Hugging Face Hub, dataset card metadata specification (`datasetcard.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.crawled import Known
from pipelines.exports import markdown
from pipelines.exports.questions import Asked
from pipelines.exports.words import domain_words, drop_words, rule_words
from pipelines.sealed_corpus import NOASSERTION, SealedCorpus

# SPDX -> the Hub's own names; what it has no name for is `other`.
_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "BSD-3-Clause": "bsd-3-clause",
    "CC-BY-3.0": "cc-by-3.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-SA-3.0": "cc-by-sa-3.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC0-1.0": "cc0-1.0",
    "MIT": "mit",
    "ODC-By-1.0": "odc-by",
    "PDDL-1.0": "pddl",
    NOASSERTION: "unknown",
}
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B")
_LARGER = ("10B<n<100B", "100B<n<1T", "n>1T")


def dataset_card(corpus: SealedCorpus, known: Mapping[str, Known], asked: Asked) -> bytes:
    """The card, UTF-8 Markdown with YAML above."""
    licences = (answer,) if (answer := asked.ask("corpus.licence")) else corpus.licences
    values = {
        "corpus": corpus,
        "known": known,
        "licences": licences,
        "front_matter": markdown.front_matter(_metadata(corpus, known, licences)),
        "domains": {name: domain_words(known[name], _kept(corpus, name)) for name in known},
        "rules": rule_words(corpus),
        "drops": drop_words(corpus),
    }
    return markdown.render("dataset_card.md", asked, values)


def size_category(documents: int) -> str:
    """The Hub's band for a number of documents: powers of ten from a thousand on."""
    bands = (*_SIZES, *_LARGER)
    return next((band for power, band in enumerate(bands, start=3) if documents < 10**power), bands[-1])


def _kept(corpus: SealedCorpus, name: str) -> int:
    return next(source.balance.kept for source in corpus.sources if source.said.name == name)


def _metadata(corpus: SealedCorpus, known: Mapping[str, Known], licences: tuple[str, ...]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "pretty_name": corpus.subject,
        "license": [_LICENCES.get(licence, "other") for licence in licences],
        "size_categories": [size_category(corpus.documents)],
        "task_categories": ["text-generation"],
        "tags": ["tokentrail", f"sha256:{corpus.digest}"],
        "viewer": False,  # its files are token ids, which the viewer cannot show
    }
    if languages := sorted({label for one in known.values() for label in one.languages}):
        metadata["language"] = languages
    return metadata
