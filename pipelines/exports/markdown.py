"""Markdown, and YAML above it, that show what strangers wrote and do nothing of it.

In a template a text is made harmless when it is printed, as in `corpus.page`: what cannot be seen is spelled out,
and what Markdown, HTML or a table would read is written as an entity, which every renderer knows (backslashes are
not: some leave `\\<` alone and the tag behind it alive).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from corpus.page import environment, seen
from pipelines.exports.questions import NEEDS_HUMAN, QUESTIONS, Asked

_TEMPLATES = Path(__file__).parent / "templates"
_READ = re.compile(r"[&<>\\`*_\[\]{}#|~$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_FIRST = re.compile(
    r"\A(\s*)([-+=]|\d+(?=[.)](?:\s|\Z)))"
)  # begins a list, a rule or a heading, where it begins a line
PROSE_CHARACTERS = 2_000  # unpublished: our choice; what one printed value may take of a document
ANSWER_CHARACTERS = 20_000  # unpublished: our choice; what one answer of a person may take


def plain(text: str, limit: int = PROSE_CHARACTERS) -> Markup:
    """A stranger's text in Markdown's prose or table: shown, cut, and without effect."""
    shown = _READ.sub(lambda found: _entities(found[0]), seen(text, limit))
    return Markup(_FIRST.sub(lambda found: found[1] + _entities(found[2]), shown))


def _entities(characters: str) -> str:
    return "".join(f"&#{ord(character)};" for character in characters)


def code(text: str) -> Markup:
    """A stranger's name, path or value as a code span, which nothing can end."""
    shown = re.sub(r"[`|]", lambda found: f"\\u{{{ord(found[0]):x}}}", seen(text))
    return Markup(f"`{shown}`") if shown.strip() else Markup("")


def front_matter(values: Mapping[str, Any]) -> Markup:
    """YAML above a card: keys of ours, values as JSON strings, numbers or lists, which YAML reads unchanged."""
    lines = (f"{key}: {_value(value)}" for key, value in values.items())
    return Markup("\n".join(["---", *lines, "---"]))


def _value(value: Any) -> str:
    shown = [seen(item) for item in value] if isinstance(value, list) else value
    return json.dumps(seen(shown) if isinstance(shown, str) else shown, ensure_ascii=False)


def render(template: str, asked: Asked, values: Mapping[str, Any]) -> bytes:
    """A document from a template of this package; `ask(key)` in it is a person's answer or NEEDS HUMAN."""
    document = environment([_TEMPLATES], plain)
    document.filters["code"] = code
    document.globals.update(ask=lambda key: _ask(asked, key), question=QUESTIONS.__getitem__)
    return document.get_template(template).render(values).encode()


def _ask(asked: Asked, key: str) -> Markup:
    answer = asked.ask(key)
    if answer is None:
        return Markup(f"**{NEEDS_HUMAN}** (`{key}`)")
    lines = [plain(line, ANSWER_CHARACTERS) for line in answer.strip().splitlines()]
    return Markup("  \n").join(lines) + Markup("  \n*answered by {}*").format(plain(asked.by))
