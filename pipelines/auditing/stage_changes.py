"""Which stages of two corpora say different things, and what recorded change explains each.

What a stage says is decided by its rules and by what it was given, both of which its seal states. A stage that was
given the same and says something else is explained by the machinery alone, code or libraries; or by nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from corpus.manifest import StageEntry
from pipelines.auditing.changes import Change, changes
from pipelines.auditing.side import Side

_FILE = re.compile(r"\d+ [^/]+/(?P<path>.+) (?P<sha256>[0-9a-f]{64})")


class StageChange(msgspec.Struct, frozen=True):
    """A stage whose rules or rows differ.

    Attributes:
        name: The stage's.
        present: Whether the first and the second corpus have it.
        rules: Parameters and versions of rules that differ.
        files: Paths of its input files that differ, or are given to one of the two alone.
        after: Earlier stages it reads that say something else.
        parts: Names of the parts whose rows differ, or that one of the two has alone.
    """

    name: str
    present: tuple[bool, bool]
    rules: tuple[Change, ...]
    files: tuple[str, ...]
    after: tuple[str, ...]
    parts: tuple[str, ...]

    def causes(self, recipe: Sequence[Change], machinery: Sequence[Change]) -> tuple[str, ...]:
        """What explains that its rows differ, the likeliest first; nothing where nothing recorded does.

        Args:
            recipe: What differs between the recipes: it decides which stages there are.
            machinery: What differs between code, libraries and interpreters.
        """
        found = [f"other bytes of {path}" for path in self.files]
        found += [f"rule {change}" for change in self.rules]
        if not all(self.present):
            found += [f"recipe {change}" for change in recipe]
        found += [f"stage {name} says something else" for name in self.after]
        return tuple(found or [f"machinery {change}" for change in machinery])


def stage_changes(first: Side, second: Side) -> tuple[StageChange, ...]:
    """The stages that differ in rules or rows, in the order of the pipeline."""
    found = []
    for name in in_order(first, second):
        one, other = _stage(first, name), _stage(second, name)
        if one is None or other is None:
            found.append(StageChange(name, (one is not None, other is not None), (), (), (), ()))
            continue
        rules = changes(one.rules, other.rules)
        parts = _other_parts(one, other)
        if rules or parts:
            files, after = _other_inputs(first, second, name)
            found.append(StageChange(name, (True, True), rules, files, after, parts))
    return tuple(found)


def in_order(first: Side, second: Side) -> list[str]:
    """The stages of both; one that the second has alone stands where the second has it."""
    names = [stage.name for stage in first.manifest.stages]
    at = 0
    for stage in second.manifest.stages:
        if stage.name in names:
            at = names.index(stage.name) + 1
        else:
            names.insert(at, stage.name)
            at += 1
    return names


def _stage(side: Side, name: str) -> StageEntry | None:
    return next((stage for stage in side.manifest.stages if stage.name == name), None)


def _other_parts(one: StageEntry, other: StageEntry) -> tuple[str, ...]:
    before, after = ({part.name: (part.rows, part.logical) for part in stage.parts} for stage in (one, other))
    return tuple(name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name))


def _other_inputs(first: Side, second: Side, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files and the earlier stages that only one of the two stages was given as they are."""
    one, other = set(first.sealed(name).inputs), set(second.sealed(name).inputs)
    files = {_file(text) for text in one} ^ {_file(text) for text in other}
    after = set()
    for side, alone in ((first, one - other), (second, other - one)):
        after |= {stage.name for stage in side.manifest.stages if side.sealed(stage.name).digest in alone}
    order = in_order(first, second)
    return tuple(sorted({path for path, _ in files})), tuple(sorted(after, key=order.index))


def _file(text: str) -> tuple[str, str]:
    """An input file's path and digest: its number says nothing of what it holds."""
    found = _FILE.fullmatch(text)
    return (found["path"], found["sha256"]) if found else ("", "")
