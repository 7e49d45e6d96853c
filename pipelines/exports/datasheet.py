"""The datasheet: what was counted is filled in, what was decided or judged needs a human.

Source: Gebru et al., "Datasheets for Datasets", Communications of the ACM 64(12), 2021. Questions that a text
corpus does not raise (labels, relationships between instances) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.crawled import Known
from pipelines.exports import markdown
from pipelines.exports.questions import Asked
from pipelines.exports.words import domain_words, drop_words, rule_words
from pipelines.sealed_corpus import SealedCorpus


def datasheet(corpus: SealedCorpus, known: Mapping[str, Known], asked: Asked) -> bytes:
    """The datasheet, UTF-8 Markdown."""
    sources = corpus.sources
    values = {
        "corpus": corpus,
        "domains": {s.said.name: domain_words(known[s.said.name], s.balance.kept) for s in sources},
        "records": sum(source.balance.documents for source in sources),
        "repairs": sum(source.balance.repairs for source in sources),
        "rules": rule_words(corpus),
        "drops": drop_words(corpus),
    }
    return markdown.render("datasheet.md", asked, values)
