"""What differs between two trees of plain values, key by key: recipes, rules, environments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

ABSENT = "(absent)"


class Change(msgspec.Struct, frozen=True):
    """One key whose value differs.

    Attributes:
        key: Its path, dots between: `source.pile-cc.licence`; a list of named tables is entered by name.
        old: The value in JSON, or `ABSENT`.
        new: Likewise.
    """

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every key whose value differs, in the order of the keys."""
    before, after = _leaves(old, ""), _leaves(new, "")
    return tuple(
        Change(key, before.get(key, ABSENT), after.get(key, ABSENT))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def _leaves(value: Any, path: str) -> dict[str, str]:
    """The values below a path, in JSON; the order of a list of named tables is a value too: it is a rank."""
    named = isinstance(value, list | tuple) and all(isinstance(entry, dict) and "name" in entry for entry in value)
    if value and named:
        ranks = {path: json.dumps([entry["name"] for entry in value], ensure_ascii=False)}
        return ranks | _leaves({entry["name"]: entry for entry in value}, path)
    if isinstance(value, Mapping) and value:
        found: dict[str, str] = {}
        for key, below in value.items():
            found |= _leaves(below, f"{path}.{key}" if path else str(key))
        return found
    return {path: json.dumps(value, ensure_ascii=False, sort_keys=True)} if path else {}
