"""What a corpus does not know of itself, said as such: an auditor must not have to guess what was not measured."""

from __future__ import annotations

from collections.abc import Mapping

from corpus.page import count, percent
from pipelines.crawled import Known
from pipelines.sealed_corpus import NOASSERTION, SealedCorpus


def unknowns(corpus: SealedCorpus, known: Mapping[str, Known]) -> list[tuple[str, str]]:
    """(what is not known, of how much and why), in the order of their weight."""
    manifest, found = corpus.manifest, []
    silent = [source for source in corpus.sources if source.said.licence == NOASSERTION]
    if silent:
        share = percent(sum(source.tokens for source in silent), corpus.tokens)
        names = ", ".join(source.said.name for source in silent)
        found.append(("licence", f"nobody asserts one for {share} of the tokens: {names}"))
    for words, has in (
        ("where it was published", {name: one.urls for name, one in known.items()}),
        ("when it was fetched", {name: one.dated for name, one in known.items()}),
    ):
        silent = [source for source in corpus.sources if source.balance.kept and not has[source.said.name]]
        if silent:
            documents = sum(source.balance.kept for source in silent)
            names = ", ".join(source.said.name for source in silent)
            found.append((words, f"{count(documents)} kept documents, their formats carry none: {names}"))
    rule = manifest.recipe.duplicates
    counts = [stage.counts for stage in manifest.stages]
    crowded = sum(stage.get("in_large_buckets", 0) for stage in counts)
    found.append(
        (
            "near-duplicates that were missed",
            f"pairs that share none of the {rule.bands} bands are never compared; the curve above says how likely"
            + (f"; {count(crowded)} records lay in buckets too large for all their pairs" if crowded else ""),
        )
    )
    if manifest.damage:
        paths = ", ".join(entry.path for entry in manifest.damage[:5])
        found.append(("the rest of damaged files", f"{len(manifest.damage)} kept up to their damage: {paths}"))
    code = corpus.run.get("code", {})
    if not code:
        found.append(("the code's commit", "it was not built from a checkout"))
    elif code.get("difference") != "none":
        found.append(("the code", f"it differed from commit {code.get('commit', '')[:12]}"))
    found.append(("personal data and rights of others", "no measurement can tell; a person must judge"))
    return found
