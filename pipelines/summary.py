"""What a person sees when a build is done: a table per source, what was not chosen, where it lies, what next."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from corpus.drops import Drop
from corpus.manifest import Manifest
from corpus.minhash import recall
from pipelines.progress import megabytes

# OPT, arXiv 2205.01068, section 2.3: taking the longest chain "reduced the corpus by about 66%".
PAPER_CHAIN_PERCENT = 34
_LOST = {"url": Drop.REPEATED_URL.label, "exact": Drop.EXACT_DUPLICATE.label, "near": Drop.NEAR_DUPLICATE.label}


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns of text, the first `left` of them flush left, numbers flush right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def summary(manifest: Manifest, store: str) -> str:
    """The closing tables of a build."""
    parts = [_sources(manifest), _dropped(manifest), _near(manifest), _inputs(manifest)]
    parts += [_chains(manifest), _damage(manifest), _next(manifest, store)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sources(manifest: Manifest) -> str:
    tokens: Counter[tuple[str, str]] = Counter()
    for shard in manifest.shards:
        tokens[shard.source, shard.split] += shard.tokens
    valid = {entry.source: entry for entry in manifest.validation}
    by_url = any(stage.name == "urls" for stage in manifest.stages)
    lost = {name: label for name, label in _LOST.items() if by_url or name != "url"}
    header = ["source", "raw", "documents", "refused", *lost, "kept", "text", "tokens", "validation"]
    rows, total = [], Counter[int]()
    for balance in manifest.sources:
        to_others = [
            balance.dropped[label].documents if label in balance.dropped else 0 for label in lost.values()
        ]
        refused = sum(dropped.documents for dropped in balance.dropped.values()) - sum(to_others)
        held_out = valid[balance.name].bytes if balance.name in valid else 0
        values = [
            balance.raw_bytes,
            balance.documents,
            refused,
            *to_others,
            balance.kept,
            balance.text_bytes,
            tokens[balance.name, "train"] + tokens[balance.name, "valid"],
            held_out,
        ]
        total.update(dict(enumerate(values)))
        rows.append([balance.name, *_cells(header[1:], values)])
    rows.append(["all", *_cells(header[1:], [total[column] for column in range(len(header) - 1)])])
    return table(header, rows)


def _cells(header: Sequence[str], values: Sequence[int]) -> list[str]:
    sizes = ("raw", "text", "validation")
    return [
        megabytes(value) if name in sizes else f"{value:,}" for name, value in zip(header, values, strict=True)
    ]


def _dropped(manifest: Manifest) -> str:
    reasons: Counter[str] = Counter()
    for balance in manifest.sources:
        reasons.update({label: dropped.documents for label, dropped in balance.dropped.items()})
    repaired = sum(balance.repairs for balance in manifest.sources)
    said = ", ".join(f"{count:,} {label}" for label, count in reasons.items())
    lines = textwrap.wrap(f"dropped: {said or 'nothing'}", 100, subsequent_indent="  ")
    blocks: Counter[str] = Counter()
    for stage in manifest.stages:
        for key, count in stage.counts.items():
            if key.startswith("refused/"):
                blocks[key.split("/", 2)[2]] += count
    said = ", ".join(f"{count:,} {words}" for words, count in blocks.most_common())
    lines += textwrap.wrap(f"foreign rules: {said}", 100, subsequent_indent="  ") if said else []
    if repaired:
        lines.append(f"repaired: {repaired:,} x U+FFFD for what was no valid Unicode")
    return "\n".join(lines)


def _near(manifest: Manifest) -> str:
    """How near-duplicates were looked for, and what the bands find of all there are, by Jaccard."""
    rule = manifest.recipe.duplicates
    jaccards = sorted({50, 70, 80, 90, rule.threshold_percent, 97, 99})
    curve = ", ".join(f".{j:02} {100 * recall(j / 100, rule.bands, rule.rows):.4g}%" for j in jaccards if j < 100)
    counts: Counter[str] = Counter()
    for stage in manifest.stages:
        counts.update(stage.counts)
    lines = [
        f"near-duplicates: Jaccard of word {rule.ngram}-grams at least .{rule.threshold_percent}, "
        f"policy {rule.policy}",
        f"  {rule.bands} bands of {rule.rows} rows find, by Jaccard: {curve}",
        f"  {counts['pairs_verified']:,} candidate pairs, each compared exactly; "
        f"{counts['pairs_below']:,} were below",
    ]
    if counts["in_large_buckets"]:
        lines.append(f"  {counts['in_large_buckets']:,} records lay in buckets too large for all their pairs")
    return "\n".join(lines)


def _inputs(manifest: Manifest) -> str:
    lines = []
    for entry in manifest.inputs:
        lines.append(
            f"input {entry.name}: {entry.blobs:,} files, {megabytes(entry.file_bytes)} on disk, "
            f"{megabytes(entry.stream_bytes)} unpacked, {entry.records:,} records"
        )
        for label, (count, size) in sorted(entry.unchosen.items(), key=lambda item: -item[1][1]):
            lines.append(f"  not chosen: {label or 'no label'}: {count:,} records, {megabytes(size)}")
    return "\n".join(lines)


def _chains(manifest: Manifest) -> str:
    counts: Counter[str] = Counter()
    for stage in manifest.stages:
        counts.update({k.rpartition("/")[2]: v for k, v in stage.counts.items() if k.startswith("chains/")})
    if not counts["chars_live"]:
        return ""
    share = 100 * counts["chars_chosen"] / counts["chars_live"]
    return (
        f"reddit: {counts['threads']:,} threads, {counts['comments']:,} comments, the longest chains hold "
        f"{counts['chosen']:,} of {counts['live']:,} with text\n"
        f"  and {share:.1f}% of their characters; the paper keeps about {PAPER_CHAIN_PERCENT}%"
    )


def _damage(manifest: Manifest) -> str:
    if not manifest.damage:
        return ""
    lines = [f"{len(manifest.damage)} damaged files, kept up to their damage as the recipe allows:"]
    lines += [f"  {entry.path}: {entry.what}" for entry in manifest.damage]
    return "\n".join(lines)


def _next(manifest: Manifest, store: str) -> str:
    ref = f"{store}/refs/{manifest.name}/{manifest.version}"
    shard = next((shard.name for shard in manifest.shards if shard.tokens > 1000), "")
    lines = [f"it lies in {ref}; to go on:", f"  python pipelines/audit.py verify {ref}"]
    if shard:
        lines.append(f"  python pipelines/audit.py trace {ref} {shard}:1000")
    return "\n".join(lines)
