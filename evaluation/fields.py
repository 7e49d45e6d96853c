"""Taking a row apart: what is missing, empty or of another kind is a malformed row, in the words of the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.item import MalformedRowError
from evaluation.records import Row


def layout(row: Row, *layouts: tuple[str, ...]) -> tuple[str, ...]:
    """The first of several layouts whose fields the row has.

    Raises:
        MalformedRowError: It is of none: a file of another version, mostly.
    """
    for fields in layouts:
        if all(name in row for name in fields):
            return fields
    wanted = ", or ".join(" ".join(fields) for fields in layouts)
    raise MalformedRowError(f"fields found: {' '.join(map(str, row)) or 'none'}; wanted: {wanted}")


def value(row: Row, name: str) -> Any:
    """What stands in a field."""
    if name not in row:
        raise MalformedRowError(f"fields found: {' '.join(map(str, row)) or 'none'}; wanted: {name}")
    return row[name]


def text(row: Row, name: str) -> str:
    """A field of text, without the white space around it; never empty."""
    found = text_or_nothing(row, name)
    if not found:
        raise MalformedRowError(f"`{name}` is empty")
    return found


def text_or_nothing(row: Row, name: str) -> str:
    """A field of text, without the white space around it."""
    found = value(row, name)
    if not isinstance(found, str):
        raise MalformedRowError(f"`{name}` is no text, but {type(found).__name__}")
    return found.strip()


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A field of several texts, none empty."""
    return tuple(text({name: one}, name) for one in several(row, name))


def several(row: Row, name: str) -> list[Any]:
    """A field that is a list."""
    found = value(row, name)
    if not isinstance(found, list):
        raise MalformedRowError(f"`{name}` is no list, but {type(found).__name__}")
    return found


def within(row: Row, name: str) -> Row:
    """A field that is itself a row."""
    found = value(row, name)
    if not isinstance(found, dict):
        raise MalformedRowError(f"`{name}` is no object, but {type(found).__name__}")
    return found


def number(row: Row, name: str) -> int:
    """A field that is a whole number, or spells one."""
    found = value(row, name)
    if isinstance(found, str) and found.strip().isascii() and found.strip().isdigit():
        return int(found.strip()[:20])  # longer ones are out of any range
    if not isinstance(found, int) or isinstance(found, bool):
        raise MalformedRowError(f"`{name}` is no whole number: {found!r:.60}")
    return found


def place(row: Row, name: str, count: int, first: int = 0) -> int:
    """A field that points at one of several answers.

    Args:
        row: Has it.
        name: Its name.
        count: Of the answers.
        first: What the file calls the first one.

    Returns:
        Counted from 0.
    """
    found = number(row, name) - first
    if not 0 <= found < count:
        raise MalformedRowError(f"`{name}` is {found + first}: out of range, {first} to {count - 1 + first}")
    return found


def truth(row: Row, name: str) -> bool:
    """A field that is true or false; Hugging Face's copies write 1 or 0."""
    found = value(row, name)
    if found not in (0, 1) or not isinstance(found, int):
        raise MalformedRowError(f"`{name}` is neither true nor false: {found!r:.60}")
    return bool(found)


def named(row: Row, name: str, names: Sequence[str]) -> int:
    """A field that holds one of several names, or, in Hugging Face's copies, its place among them."""
    found = value(row, name)
    if isinstance(found, str) and not found.strip().isdigit():
        if found not in names:
            raise MalformedRowError(f"`{name}` is {found!r:.60}: none of {' '.join(names)}")
        return names.index(found)
    return place(row, name, len(names))
