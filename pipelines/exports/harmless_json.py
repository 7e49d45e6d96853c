"""JSON that harms nobody who prints it, pastes it into a page or sends it to a terminal.

A title or a path out of a recipe may hold anything. Everything but printable ASCII is written as an escape, and so
are the three characters that could end a `<script type="application/ld+json">`: the values are the same, and no
byte of them means anything to a terminal or a browser.
"""

from __future__ import annotations

import json
from typing import Any

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\x7f": "\\u007f"}


def harmless_json(value: Any, indent: int | None = 1) -> str:
    """The value as JSON in printable ASCII, keys in order, the same each time.

    Args:
        value: JSON values; these characters stand in strings alone, so that the escapes change no value.
        indent: Spaces a level; None for one line.
    """
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, indent=indent, allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text
