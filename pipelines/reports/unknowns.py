"""What a corpus does not know of itself, said as such: an auditor must not have to guess what was not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corpus.manifest import Manifest
from corpus.page import count, percent
from pipelines.reports.crawls import Crawl


def unknowns(manifest: Manifest, known: Sequence[Crawl], statement: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what is not known, of how much and why), in the order of their weight."""
    tokens = {source.name: 0 for source in manifest.recipe.source}
    for shard in manifest.shards:
        tokens[shard.source] += shard.tokens
    whole = sum(tokens.values())
    kept = {balance.name: balance.kept for balance in manifest.sources}
    found = []

    silent = [source.name for source in manifest.recipe.source if source.licence == "NOASSERTION"]
    if silent:
        of = sum(tokens[name] for name in silent)
        found.append(
            ("licence", f"nobody asserts one for {percent(of, whole)} of the tokens: {', '.join(silent)}")
        )
    for words, has in (
        ("where it was published", [bool(crawl.hosts) for crawl in known]),
        ("when it was fetched", [crawl.dated > 0 for crawl in known]),
    ):
        names = [s.name for s, knows in zip(manifest.recipe.source, has, strict=True) if not knows]
        names = [name for name in names if kept.get(name)]
        if names:
            documents = sum(kept[name] for name in names)
            why = "their formats carry none"
            found.append((words, f"{count(documents)} kept documents, {why}: {', '.join(names)}"))
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
    code = statement["predicate"]["buildDefinition"]["internalParameters"].get("code", {})
    if not code:
        found.append(("the code's commit", "it was not built from a checkout"))
    elif code.get("difference") != "none":
        found.append(("the code", f"it differed from commit {code.get('commit', '')[:12]}"))
    found.append(("personal data and rights of others", "no measurement can tell; a person must judge"))
    return found
