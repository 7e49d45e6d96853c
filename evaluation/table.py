"""What a person sees at the end of a run: each score with its interval, beside chance and what others reached."""

from __future__ import annotations

from collections.abc import Sequence

from corpus.page import count
from evaluation.beside import FAMILIES, named, nearest
from evaluation.results import EstimateEntry, Results, ScoreEntry, TaskEntry

_UNVERIFIED = "* from memory: not verified in its source"


def summary(results: Results) -> str:
    """The closing tables of a run."""
    checkpoint = results.checkpoint
    head = f"{checkpoint.name}, {count(checkpoint.parameters)} parameters, sha256:{checkpoint.digest[:16]}"
    parts = [head, _scores(results), _averages(results), _perplexity(results), notes(results)]
    return "\n\n".join(part for part in parts if part) + f"\n\nresults sha256:{results.digest()}\n"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns of text, the first `left` of them flush left, the others flush right."""
    widths = [max(len(row[place]) for row in [header, *rows]) for place in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def decimal(value: str | None, digits: int = 2) -> str:
    """A number of results with fewer digits; "-" where there is none."""
    return "-" if value is None else f"{float(value):,.{digits}f}"


def estimated(found: EstimateEntry | None, digits: int = 2) -> str:
    """The number of an estimate, likewise."""
    return decimal(None if found is None else found.value, digits)


def ends(found: EstimateEntry | None, digits: int = 2) -> str:
    """An interval as a person reads it."""
    if found is None or found.low is None:
        return "-"
    return f"{decimal(found.low, digits)} to {decimal(found.high, digits)}"


def _scores(results: Results) -> str:
    if not results.scores:
        return ""
    header = ["task", "shots", "score", "s.e.", "95% interval", "chance", "n", *FAMILIES]
    rows = []
    for one in results.scores:
        task = results.task(one.task)
        found = [nearest(task.published, name, results.checkpoint.parameters, one.shots) for name in FAMILIES]
        rows.append(
            [
                task.title,
                str(one.shots),
                estimated(one.score),
                decimal(one.standard_error),
                ends(one.score),
                decimal(task.chance, 1),
                count(one.n),
                *("-" if each is None else named(each, name) for name, each in zip(FAMILIES, found, strict=True)),
            ]
        )
    starred = any("*" in cell for row in rows for cell in row[-len(FAMILIES) :])
    return columns(header, rows) + (f"\n{_UNVERIFIED}" if starred else "")


def _averages(results: Results) -> str:
    lines = []
    for one in results.averages:
        shots = shots_of(one.shots)
        if one.score is not None:
            error = "" if one.standard_error is None else f", standard error {decimal(one.standard_error)}"
            lines.append(f"average of the paper's tasks, {shots}: {decimal(one.score)}{error}")
        elif one.missing:
            lines.append(f"no average of the paper's tasks, {shots}: without {', '.join(one.missing)}")
    return "\n".join(lines)


def shots_of(shots: int) -> str:
    """A number of shots in words."""
    return f"{shots} shot" if shots == 1 else f"{shots} shots"


def _perplexity(results: Results) -> str:
    if not results.perplexity:
        return ""
    header = ["held out", "tokens", "per token", "95% interval", "per GPT-2 token", "per byte", "bits a byte"]
    rows = [
        [
            one.source,
            count(one.tokens),
            estimated(one.per_token, 3),
            ends(one.per_token, 3),
            estimated(one.per_gpt2_token, 3),
            estimated(one.per_byte, 4),
            estimated(one.bits_per_byte, 4),
        ]
        for one in results.perplexity
    ]
    return columns(header, rows)


def notes(results: Results) -> str:
    """What a score does not say of itself, a line each: what was left out, and what was not quite as asked."""
    limit = results.settings.limit
    lines = [] if limit is None else [f"limit: the first {count(limit)} items of each task alone"]
    lines += [f"{name}: not scored, its set is not there: {what}" for name, what in results.missing.items()]
    for source in results.perplexity:
        lines += [f"{source.source}: {count(found)} {reason}" for reason, found in source.skipped.items()]
    for one in results.scores:
        lines += [f"{_name(results.task(one.task), one)}: {note}" for note in score_notes(one)]
    return "\n".join(lines)


def score_notes(one: ScoreEntry) -> list[str]:
    """The same of one score."""
    said = []
    if one.skipped:
        left = ", ".join(f"{count(found)} {reason}" for reason, found in one.skipped.items())
        said.append(f"not scored: {left}")
    if one.items and one.shown_fewest < one.shots:
        said.append(f"{decimal(one.shown_mean, 1)} examples fitted in the mean, {one.shown_fewest} at least")
    if one.leave_one_out and one.shots:
        said.append("examples are drawn from the other rows that are scored")
    if one.ties:
        said.append(f"{count(one.ties)} ties of a right and a wrong answer: the first stands")
    return said


def _name(task: TaskEntry, one: ScoreEntry) -> str:
    return f"{task.title}, {shots_of(one.shots)}"
