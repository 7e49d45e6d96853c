"""A recipe as the file it could have been read from: a sealed corpus holds what it can be built from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from corpus.recipe import Recipe


def recipe_toml(recipe: Recipe) -> str:
    """The recipe in TOML, every default written out: read again, it is the same recipe.

    Its vocabulary and lists of URLs are named there, not located, where the recipe is a manifest's.
    """
    tree = {name: value for name, value in recipe.canonical().items() if value is not None}
    tables = ("input", "source")
    lines = [f"{_string(name)} = {_value(value)}" for name, value in tree.items() if name not in tables]
    for name in tables:
        for entry in tree[name]:
            lines += ["", f"[[{name}]]"]
            lines += [f"{_string(key)} = {_value(value)}" for key, value in entry.items() if value is not None]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """A value on one line. TOML knows no null: an absent key is what it stands for."""
    if isinstance(value, Mapping):
        pairs = [f"{_string(name)} = {_value(below)}" for name, below in value.items() if below is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    """JSON's escapes are TOML's; but DEL, which JSON lets stand, TOML does not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
