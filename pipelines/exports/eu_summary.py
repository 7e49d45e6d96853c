"""A draft of the EU's public summary of training content (AI Act, Article 53(1)(d)), by the template's sections.

Only what was measured is filled in: sizes, domains, dates, languages. Which section a source belongs to, and every
legal statement, needs a human.

Source: European Commission, Explanatory Notice and Template, C(2025) 5235 final of 24 July 2025 and C(2025) 8311
final of 5 December 2025; their wording was had from published summaries and secondary pages, not from the PDF.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipelines.crawled import Known
from pipelines.exports import markdown
from pipelines.exports.questions import Asked
from pipelines.exports.words import domain_words
from pipelines.sealed_corpus import SealedCorpus

# Source: the template, section 1.3: the bands of text, in tokens.
_BANDS = ((10**9, "Less than 1 billion tokens"), (10**13, "1 billion to 10 trillion tokens"))
_ABOVE = "More than 10 trillion tokens"
# Source: the template, section 2.3: the top 10% of domains by size of content; SMEs: 5% or 1,000, the fewer.
_DOMAIN_PERCENT, _SME_PERCENT, _SME_DOMAINS = 10, 5, 1000


def size_band(tokens: int) -> str:
    """The template's band for so many tokens of text."""
    return next((band for below, band in _BANDS if tokens < below), _ABOVE)


def eu_summary(corpus: SealedCorpus, known: Mapping[str, Known], asked: Asked) -> bytes:
    """The draft, UTF-8 Markdown."""
    documents: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for one in known.values():
        documents.update(one.host_documents)
        sizes.update(one.host_bytes)
    hosts = sorted(sizes, key=lambda host: (-sizes[host], host))
    top = _share(len(hosts), _DOMAIN_PERCENT)
    values = {
        "corpus": corpus,
        "known": known,
        "band": size_band(corpus.tokens),
        "domains": {s.said.name: domain_words(known[s.said.name], s.balance.kept) for s in corpus.sources},
        "latest": max((one.last for one in known.values()), default=""),
        "undated": [name for name, one in known.items() if not one.dated],
        "hosts": len(hosts),
        "top": [(host, documents[host], sizes[host]) for host in hosts[:top]],
        "sme": min(_share(len(hosts), _SME_PERCENT), _SME_DOMAINS),
        "hosted_bytes": sizes.total(),
    }
    return markdown.render("eu_summary.md", asked, values)


def _share(hosts: int, percent: int) -> int:
    """So many hundredths of the hosts, rounded up: 10% of three is one."""
    return -(-hosts * percent // 100)
