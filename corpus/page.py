"""A report as one file: static HTML, no network, no script, the same bytes each time.

A report shows what came out of a corpus, and that is hostile until proven otherwise: every value that a template
prints is cut, stripped of what a reader cannot see, and escaped; the page forbids itself every source of bytes but
its own style sheet, which it names by digest.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

CELL_CHARACTERS = 300  # unpublished: our choice; what one printed value may take of a page
_HERE = Path(__file__).parent / "templates"
# Control, format (the bidirectional overrides among them), surrogate, private, unassigned: nobody sees them.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def seen(value: str, limit: int = CELL_CHARACTERS) -> str:
    """Text as a person may see it: cut, and what cannot be seen written as `\\u{202e}`.

    Args:
        value: Any text, a stranger's.
        limit: Characters of `value` that are shown; an ellipsis stands for the rest.
    """
    shown = "".join(
        f"\\u{{{ord(character):x}}}" if unicodedata.category(character) in _UNSEEN else character
        for character in value[:limit]
    )
    return shown + "…" if len(value) > limit else shown


def render(folder: Path, template: str, values: Mapping[str, Any]) -> bytes:
    """A page from a template that extends `page.html`.

    Args:
        folder: Where the template and what it includes lie.
        template: Its file name.
        values: What it prints; a name it uses and is not given is an error.

    Returns:
        UTF-8 text; the same for the same values.
    """
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment([folder, _HERE], seen).get_template(template)
    return page.render(values, style=Markup(style), style_digest=digest).encode()


def environment(folders: Sequence[Path], harmless: Callable[[str], str]) -> jinja2.Environment:
    """What reads templates and prints their values; `count`, `size` and `percent` are filters in each.

    Args:
        folders: Where templates and what they include lie.
        harmless: What a text goes through when it is printed; what is markup already does not.

    Returns:
        An environment that escapes, and where a name without a value is an error.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        finalize=lambda value: (
            harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(count=count, size=size, percent=percent)
    return made


def count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def size(number: float) -> str:
    """Bytes in the unit that leaves one to three digits before the point: 1.2 MB."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = 0
    while abs(number) >= 999.95 and power < len(units) - 1:
        number, power = number / 1000, power + 1
    return f"{number:,.1f} {units[power]}" if power else f"{number:,.0f} B"


def percent(part: float, whole: float) -> str:
    """A share as a person reads it: 35.2%, and no 0% or 100% that is not whole."""
    if not whole or part == 0:
        return "0%"
    share = 100 * part / whole
    if share < 0.05:
        return "<0.1%"
    if share >= 99.95 and part != whole:
        return ">99.9%"
    return "100%" if part == whole else f"{share:.1f}%"
