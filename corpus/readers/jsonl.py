"""The user's own JSON lines: one object a line, its text in a field the recipe names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.readers.crawl_time import crawl_time
from corpus.readers.json_record import Extract, JsonObject, read_objects, string_at
from corpus.readers.record import FactName, Lines, Records


def read_jsonl(
    lines: Iterable[Lines],
    text_field: str = "text",
    label_field: str | None = None,
    facts: Mapping[FactName, str] = MappingProxyType({}),
) -> Iterator[Records]:
    """A record a line.

    Args:
        lines: The lines of the stream.
        text_field: Where the text is; dots lead into nested objects (`document.body`).
        label_field: Where the source label is, if there is one; a line without it is damaged.
        facts: Some of `FACTS` -> where they are; what is absent or no string is not known.

    Raises:
        RecipeError: A field is the empty name, or has one between its dots.
    """
    text_path = _path(text_field)
    label_path = None if label_field is None else _path(label_field)
    fact_paths = {name: _path(field) for name, field in facts.items()}

    def extract(parsed: JsonObject) -> Extract:
        text = string_at(parsed, text_path)
        label = "" if label_path is None else string_at(parsed, label_path)
        if isinstance(text, Drop):
            return Extract(label="" if isinstance(label, Drop) else label, damage=text)
        if isinstance(label, Drop):
            return Extract(damage=label)
        return Extract(text, label, facts={name: _fact(parsed, name, path) for name, path in fact_paths.items()})

    return read_objects(lines, extract, tuple(facts))


def _fact(parsed: JsonObject, name: str, path: list[str]) -> str:
    value = string_at(parsed, path)
    if isinstance(value, Drop):
        return ""
    return crawl_time(value) if name == "date" else value


def _path(field: str) -> list[str]:
    path = field.split(".")
    if not all(path):
        raise RecipeError(
            "a field of a JSON line has no name",
            where=f"field {field!r}",
            remedy="name the field as it stands in the file, with a dot before each nested name",
        )
    return path
