"""The difference between two corpora as a person reads it, the verdict first."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.auditing.changes import ABSENT, Change
from pipelines.auditing.difference import Difference
from pipelines.auditing.document_changes import DocumentChanges, Moved
from pipelines.auditing.tracing import shown
from pipelines.summary import table

_LINES = 20  # of a list, before the rest is only counted
GRADES = {
    "A": "bit-identical",
    "B": "logically identical: every row and token is the same",
    "C": "explained: a recorded change stands before every difference",
    "F": "UNEXPLAINED: nothing recorded explains the difference",
}


def describe(found: Difference) -> str:
    """The report of a comparison; control characters are shown, not sent."""
    head = [
        f"{name}  {ref}  sha256:{digest[:16]}"
        for name, ref, digest in zip("ab", found.refs, found.digests, strict=True)
    ]
    sections = [
        "\n".join([f"grade {found.grade}: {GRADES[found.grade]}", *head]),
        _listed("recipe", [_line(change) for change in found.recipe]),
        _listed("files", [_file(change) for change in found.files]),
        _listed("environment", [_line(change) for change in found.environment]),
        _listed("stages", _stages(found)),
        _containers(found),
        _sources(found),
        _documents(found.documents) if found.documents else "",
        _divergence(found),
    ]
    return "\n\n".join(section for section in sections if section)


def _listed(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    more = [f"  and {len(lines) - _LINES:,} more"] if len(lines) > _LINES else []
    return "\n".join([title, *(f"  {line}" for line in lines[:_LINES]), *more])


def _line(change: Change) -> str:
    return f"{change.key}: {_printable(change.old)} -> {_printable(change.new)}"


def _printable(value: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value[:200])


def _file(change: Change) -> str:
    path = shown(change.key.encode(), 200)[1:-1]
    if ABSENT in (change.old, change.new):
        return f"{'added' if change.old == ABSENT else 'removed'} {path}"
    return f"changed {path}: sha256 {change.old[:16]} -> {change.new[:16]}"


def _stages(found: Difference) -> list[str]:
    lines = []
    for stage in found.stages:
        if not all(stage.present):
            lines.append(f"{stage.name}: {'a' if stage.present[0] else 'b'} alone has it")
            continue
        rules = "".join(f"; {_line(change)}" for change in stage.rules)
        said = f"{len(stage.parts)} of its parts say something else" if stage.parts else "says the same"
        lines.append(f"{stage.name}: {said}{rules}")
    return lines


def _containers(found: Difference) -> str:
    """Only where no row differs: there it says why the grade is B."""
    if found.documents is not None or not found.containers:
        return ""
    return f"containers\n  {found.containers:,} files hold the same rows in other bytes"


def _sources(found: Difference) -> str:
    rows = []
    for source in found.sources:
        if source.first == source.second:
            continue
        cells = [source.name]
        for field in ("documents", "kept", "text_bytes", "tokens"):
            before, after = (getattr(counts, field, None) for counts in (source.first, source.second))
            cells.append(_number(before) if before == after else f"{_number(before)} -> {_number(after)}")
        rows.append(cells)
    return table(["source", "records", "kept", "text bytes", "tokens"], rows) if rows else ""


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _documents(found: DocumentChanges) -> str:
    left, both, came = found.texts
    lines = [
        f"{found.kept[0]:,} -> {found.kept[1]:,} kept; {found.same:,} in both as they were",
        f"{left:,} texts left, {came:,} came, {both:,} are in both",
    ]
    for moved in found.resplit:
        lines += [f"{moved.documents:,} went {moved.reason} ({moved.tokens:,} tokens)", *_examples(moved)]
    for title, groups in (("removed", found.removed), ("added, before", found.added)):
        for moved in groups:
            sign = "+" if groups is found.added else "-"
            lines += [
                f"{moved.documents:,} {title}: {moved.reason} ({sign}{moved.tokens:,} tokens)",
                *_examples(moved),
            ]
    for moved in found.changed:
        lines += [
            f"{moved.documents:,} with another text, source {moved.reason} ({moved.tokens:+,} tokens)",
            *_examples(moved),
        ]
    return "\n".join(["documents", *(f"  {line}" for line in lines)])


def _examples(moved: Moved) -> list[str]:
    return [
        f"    {example.doc_id}  {shown(example.record.encode(), 120)[1:-1]}  {example.words}".rstrip()
        for example in moved.examples
    ]


def _divergence(found: Difference) -> str:
    if found.divergence is None:
        return ""
    at = found.divergence
    lines = [at.where]
    if at.doc_id:
        lines.append(f"document {at.doc_id}" + (f" of {shown(at.path.encode(), 120)[1:-1]}" if at.path else ""))
    lines += [f"{column}: {before} -> {after}" for column, before, after in at.columns[:_LINES]]
    causes = [f"likely cause: {_printable(cause)}" for cause in found.causes[:3]]
    if len(found.causes) > 3:
        causes.append(f"and {len(found.causes) - 3:,} more")
    lines += causes or ["likely cause: nothing recorded explains it"]
    if found.unexplained:
        lines.append(f"unexplained: {', '.join(found.unexplained)}")
    return "\n".join(["first divergence", *(f"  {line}" for line in lines)])
