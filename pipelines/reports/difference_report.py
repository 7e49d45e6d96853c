"""The difference between two corpora as one page: the verdict first, then what changed, then what came of it.

It says what `audit.py diff` says, of the two stores alone, and is the same whenever it is made.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.marks import Pair, before_after
from corpus.page import count, render, size
from corpus.recipe import with_overrides
from pipelines.auditing.changes import ABSENT, Change
from pipelines.auditing.difference import Counts, Difference
from pipelines.auditing.difference_text import GRADES
from pipelines.auditing.first_divergence import Divergence
from pipelines.auditing.side import DECIDING, Side, load_side
from pipelines.reports import moved_documents, stage_arcs
from pipelines.reports.excerpts import redacted

_ROWS = 30  # unpublished: our choice; of a list, before the rest is only counted: a page stays below 500 kB
_TEMPLATES = Path(__file__).parent / "templates"
_URL = re.compile(r'\w+://[^\s"]+')
_MEASURES = (("documents", "kept", count), ("bytes", "text_bytes", size), ("tokens", "tokens", count))
_STYLES = {"A": "good", "B": "good", "C": "", "F": "bad"}


@dataclass(frozen=True)
class Table:
    """What differs of one kind: rows of cells, how many more there are, and what is said where there is none."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    more: int
    none: str


def difference_report(found: Difference, public: bool = False) -> bytes:
    """The page.

    Args:
        found: Of two corpora whose stores are at hand.
        public: Whether samples and URLs stay out.

    Raises:
        SourceError: A part of a store is missing.
        IntegrityError: A store contradicts itself.
    """
    first, second = (load_side(ref) for ref in found.refs)
    found = _without_urls(found) if public else found
    line = stage_arcs.stations(found, first, second)
    title, _, rest = GRADES[found.grade].partition(": ")
    changes = found.documents
    groups = moved_documents.groups(changes, first, second, public) if changes is not None else []
    commits = [side.environment.get("code", {}).get("commit", "") for side in (first, second)]
    values: dict[str, Any] = {
        "found": found,
        "sides": (first, second),
        "public": public,
        "verdict": (_STYLES[found.grade], title, rest or "every file has the same bytes"),
        "totals": _totals(found),
        "tables": _tables(found),
        "pictures": _pictures(found),
        "stages": line,
        "arcs": stage_arcs.picture(line),
        "groups": groups,
        "hidden": moved_documents.count_groups(changes) - len(groups) if changes is not None else 0,
        "moved": moved_documents.picture(groups),
        "divergence": _divergence(found.divergence) if found.divergence is not None else None,
        "commits": commits,
        "overrides": _overrides(found, first, second),
    }
    return render(_TEMPLATES, "difference.html", values)


def _without_urls(found: Difference) -> Difference:
    """The same, where addresses on the web stay out of what changed and of what explains it."""

    def clean(changes: Iterable[Change]) -> tuple[Change, ...]:
        return tuple(Change(c.key, _URL.sub("[URL]", c.old), _URL.sub("[URL]", c.new)) for c in changes)

    return msgspec.structs.replace(
        found,
        recipe=clean(found.recipe),
        environment=clean(found.environment),
        stages=tuple(msgspec.structs.replace(stage, rules=clean(stage.rules)) for stage in found.stages),
        causes=tuple(_URL.sub("[URL]", cause) for cause in found.causes),
    )


def change_in_words(before: int, after: int) -> str:
    """How much more or less, as a person reads it: `−11.1%`; `new` and `gone` where there was or is nothing."""
    if before == after:
        return "the same"
    if not before or not after:
        return "gone" if before else "new"
    share = abs(100 * (after - before) / before)
    said = f"{share:,.1f}%" if share >= 0.05 else f"{share:.1g}%" if share >= 0.001 else "<0.001%"
    return ("+" if after > before else "−") + said


def _totals(found: Difference) -> Sequence[tuple[str, str, str]]:
    """(what, before and after, by how much) of the documents kept, their bytes and their tokens."""
    rows = []
    for what, field, unit in _MEASURES:
        before = sum(_of(source.first, field) for source in found.sources)
        after = sum(_of(source.second, field) for source in found.sources)
        said = unit(after) if before == after else f"{unit(before)} → {unit(after)}"
        rows.append((what, said, change_in_words(before, after)))
    return rows


def _of(counts: Counts | None, field: str) -> int:
    return 0 if counts is None else int(getattr(counts, field))


def _pictures(found: Difference) -> Sequence[tuple[str, Markup, int]]:
    """What each source kept before and after, measure by measure, and how many sources more there are."""
    pictures = []
    for what, field, unit in _MEASURES:
        rows = []
        for source in found.sources:
            before, after = _of(source.first, field), _of(source.second, field)
            if before or after:
                says = change_in_words(before, after)
                words = unit(after) if before == after else f"{unit(before)} → {unit(after)}, {says}"
                rows.append(Pair(source.name, before, after, words))
        drawn = before_after(rows[:_ROWS], f"{what} kept of each source, before and after")
        pictures.append((what, drawn, max(0, len(rows) - _ROWS)))
    return pictures


def _tables(found: Difference) -> Sequence[Table]:
    """What was recorded as changed, kind by kind."""
    sources = [change for change in found.recipe if change.key.split(".")[0] in ("source", "input")]
    rules: dict[Change, list[str]] = {}
    for stage in found.stages:
        for change in stage.rules:
            rules.setdefault(change, []).append(stage.name)
    plain = ("key", "a", "b")
    return [
        _table("Recipe", plain, [_cells(change) for change in found.recipe if change not in sources], "the same"),
        _table("Sources and inputs", plain, [_cells(change) for change in sources], "the same"),
        _table("Files", ("file", "a", "b"), [_file(change) for change in found.files], "the same, byte for byte"),
        _table(
            "Rules and their versions",
            ("rule", "a", "b", "of the stages"),
            [(*_cells(change), ", ".join(stages)) for change, stages in rules.items()],
            "the same",
        ),
        _table(
            "Environment",
            ("fact", "a", "b", "may move rows"),
            [(*_cells(c), "yes" if c.key.split(".")[0] in DECIDING else "no") for c in found.environment],
            "the same code, libraries and engine",
        ),
    ]


def _table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], none: str) -> Table:
    return Table(title, heads, rows[:_ROWS], max(0, len(rows) - _ROWS), none)


def _cells(change: Change) -> tuple[str, str, str]:
    return change.key, change.old, change.new


def _file(change: Change) -> tuple[str, str, str]:
    digests = [value if value == ABSENT else f"sha256 {value[:16]}" for value in (change.old, change.new)]
    return change.key, digests[0], digests[1]


def _divergence(at: Divergence) -> Mapping[str, Any]:
    """The first record that differs; what a text holds is redacted as everywhere."""
    columns = [
        (name, *(_drop(value) if name == "drop" else redacted(value) for value in values))
        for name, *values in at.columns
    ]
    return {"where": at.where, "doc_id": at.doc_id, "path": at.path, "columns": columns[:_ROWS]}


def _drop(value: str) -> str:
    """A verdict by its name."""
    return Drop(int(value)).label if value.isdecimal() else value


def _overrides(found: Difference, first: Side, second: Side) -> str:
    """What makes the second's recipe of the first's on a command line, if that can be said, and is so."""
    said = [f"{change.key}={_bare(change)}" for change in found.recipe]
    try:
        made = with_overrides(first.manifest.recipe, said)
    except RecipeError:
        return ""
    if not said or made.canonical() != second.manifest.recipe.canonical():
        return ""
    return " ".join(f"--set {shlex.quote(override)}" for override in said)


def _bare(change: Change) -> str:
    """A value as a person writes it on a command line: a version has no quotes."""
    return change.new.strip('"') if change.key == "version" else change.new
