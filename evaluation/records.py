"""Reading what test sets are published in: a row after a row, and where a row is damaged, that."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from corpus.errors import SourceError

Row = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """A row of a file.

    Attributes:
        place: Where it stands, as a person finds it: "line 12".
        key: The file's own id, or its place.
        row: Its fields; none where it is damaged.
        fault: Why it is no row; "" where it is one.
    """

    place: str
    key: str
    row: Row
    fault: str = ""


def json_lines(*ids: str) -> Callable[[Path], Iterator[Record]]:
    """A reader of JSON lines in UTF-8; a blank line is no row.

    Args:
        ids: Fields that name a row, together; where one is missing, the row's place names it.
    """

    def read(path: Path) -> Iterator[Record]:
        for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
            if line.strip():
                yield _record(f"line {number}", line, ids)

    return read


def _record(place: str, line: bytes, ids: tuple[str, ...]) -> Record:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Record(place, place, {}, f"no JSON: {error}")
    if not isinstance(row, dict):
        return Record(place, place, {}, f"no JSON object, but {type(row).__name__}")
    own = [row.get(name) for name in ids]
    named = own and all(isinstance(one, str | int) and not isinstance(one, bool) and one != "" for one in own)
    return Record(place, " ".join(map(str, own)) if named else place, row)


def table(own: str) -> Callable[[Path], Iterator[Record]]:
    """A reader of comma-separated values in UTF-8, with a line of names.

    Args:
        own: The column that names a row; where it is missing or empty, the row's place names it.
    """

    def read(path: Path) -> Iterator[Record]:
        rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
        try:
            for row in rows:
                place = f"line {rows.line_num}"
                whole = None not in row and None not in row.values()
                fault = "" if whole else f"it has not the {len(rows.fieldnames or ())} columns of the first line"
                yield Record(place, str(row.get(own) or place), dict(row) if whole else {}, fault)
        except csv.Error as error:
            raise SourceError(
                f"this table is damaged: {error}",
                where=f"{path}, line {rows.line_num}",
                remedy="Fetch the file again; it must be the publisher's, unchanged.",
            ) from error

    return read


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            "this table is not UTF-8",
            where=f"{path}, byte {error.start}",
            remedy="Fetch the file again; it must be the publisher's, unchanged.",
        ) from error
