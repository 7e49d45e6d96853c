"""TOML into frozen structs, strictly: an unknown key is an error that names the nearest one there is."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from corpus.errors import RecipeError

T = TypeVar("T", bound=msgspec.Struct)


def read_tree(path: str, kind: str, remedy: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Args:
        kind: What the file is to the person who named it: "recipe".
        remedy: What to do where there is no such file.

    Raises:
        RecipeError: There is none, or it is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"there is no such {kind}", where=path, remedy=remedy) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"the {kind} is not TOML: {error}", where=path, remedy="mend the line it names"
        ) from error


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Sets one value: `filters.min_words=40`, or `source.pile-cc.licence=...`: a list is entered by name."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(
            "an override is not key=value",
            where=f"--set {override}",
            remedy="write --set text.filters.min_words=40",
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # A bare word is a string: nobody wants to quote TOML within a shell.
    if keys == ["version"]:
        value = text.strip().strip("\"'")  # 2 and 1.0 are versions, not numbers.
    node: Any = tree
    for depth, key in enumerate(keys[:-1]):
        if isinstance(node, dict):
            node = node.setdefault(key, {})
        elif isinstance(node, list) and all(isinstance(element, dict) for element in node):
            named = [element for element in node if element.get("name") == key]
            if not named:
                known = ", ".join(str(element.get("name")) for element in node)
                at = ".".join(keys[:depth])
                raise RecipeError(
                    f"no {at} is called {key}", where=f"--set {override}", remedy=f"choose one of: {known}"
                )
            node = named[0]
    if not isinstance(node, dict):  # nor was it one on the way
        raise RecipeError(
            "this key holds no table", where=f"--set {override}", remedy="name a key of the file, dots between"
        )
    node[keys[-1]] = value


def convert(
    tree: dict[str, Any], struct: type[T], path: str, kind: str, keys: str = "workflows/recipes/README.md"
) -> T:
    """The tables as a frozen struct.

    Args:
        keys: The page that lists every key.

    Raises:
        RecipeError: An unknown or missing key, or a value of another type.
    """
    try:
        return msgspec.convert(tree, struct)
    except msgspec.ValidationError as error:
        message = str(error)
        unknown = re.search(r"unknown field `(.+?)`", message)
        at = re.search(r"at `(.+)`", message)
        where = f"{path}, {at[1].removeprefix('$.')}" if at else path
        if unknown is None:
            raise RecipeError(
                f"a value of the {kind} is wrong: {message.partition(' - at')[0]}",
                where=where,
                remedy=f"give the type it asks for; {keys} lists every key",
            ) from error
        names = sorted(set(_field_names(inspect.type_info(struct))))
        near = difflib.get_close_matches(unknown[1], names, n=1, cutoff=0.5)
        remedy = f"did you mean `{near[0]}`?" if near else f"remove it; {keys} lists every key"
        raise RecipeError(f"unknown key `{unknown[1]}`", where=where, remedy=remedy) from error


def _field_names(kind: inspect.Type) -> Iterator[str]:
    """Every key that may stand in a struct, at any depth."""
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield field.encode_name
            yield from _field_names(field.type)
    elif isinstance(kind, inspect.VarTupleType):
        yield from _field_names(kind.item_type)
    elif isinstance(kind, inspect.UnionType):
        for other in kind.types:
            yield from _field_names(other)
