"""What several exports say of a corpus in the same words."""

from __future__ import annotations

from collections import Counter

from corpus.page import count
from pipelines.crawled import Known
from pipelines.sealed_corpus import SealedCorpus


def rule_words(corpus: SealedCorpus) -> list[str]:
    """How documents were made, in the order of the pipeline; numbers are the recipe's."""
    recipe = corpus.manifest.recipe
    said = []
    for source in recipe.source:
        text = recipe.text_of(source.name)
        rules = [*text.normalise, *(block.name for block in text.blocks)]
        said.append(f"{source.name}: {', '.join(rules) or 'no rule'}; min words {text.filters.min_words}")
        if text.language.keep:
            said[-1] += f"; language {', '.join(text.language.keep)}"
    rule = recipe.duplicates
    return [
        *said,
        "of documents with the same text one stays, of the source that stands first in the recipe",
        f"near-duplicates: Jaccard of word {rule.ngram}-grams at least {rule.threshold_percent}/100, candidates "
        f"by MinHash ({rule.bands} bands of {rule.rows} rows), every pair compared exactly, policy {rule.policy}",
        f"tokens: {corpus.manifest.vocabulary['name']}, {count(corpus.manifest.vocabulary['size'])} ids",
    ]


def drop_words(corpus: SealedCorpus) -> str:
    """What is not in the corpus of what was read, by reason; the ledger has a row for each."""
    reasons: Counter[str] = Counter()
    for balance in corpus.manifest.sources:
        reasons.update({label: dropped.documents for label, dropped in balance.dropped.items()})
    said = [f"{count(number)} {label}" for label, number in reasons.items()]
    if corpus.manifest.damage:
        said.append(f"{len(corpus.manifest.damage)} files read only up to their damage")
    return ", ".join(said) or "nothing was dropped"


def domain_words(known: Known, kept: int) -> str:
    """How much is known of where and when a source's documents were had."""
    if not (known.urls or known.dated):
        return "its files hold neither URL nor date"
    days = f", {known.first} to {known.last}" if known.dated else ""
    return (
        f"{count(known.urls)} of {count(kept)} documents have a URL ({count(len(known.host_documents))} hosts), "
        f"{count(known.dated)} a date{days}"
    )
