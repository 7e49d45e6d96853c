"""Lines of Reddit's dumps for the tests of their reader, and what it made of one as plain values."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from corpus.document import Texts
from corpus.readers.record import Lines
from corpus.readers.reddit import Posts, parse


def as_lines(raw: list[bytes], damage: list[int] | None = None) -> Lines:
    texts = Texts.from_list(raw)
    offset = texts.offsets[:-1] + np.arange(len(raw))
    return Lines(
        np.arange(len(raw)), offset, texts, texts.lengths + 1, np.array(damage or [0] * len(raw), np.uint8)
    )


def row(posts: Posts, number: int = 0) -> dict[str, Any]:
    """One row as plain values, text as bytes."""
    values = {field.name: getattr(posts, field.name)[number] for field in dataclasses.fields(Posts)}
    return {name: value if isinstance(value, bytes) else int(value) for name, value in values.items()}


def post(line: bytes | str) -> dict[str, Any]:
    return row(parse(as_lines([line.encode() if isinstance(line, str) else line])))


def record(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def a_comment(**fields: object) -> bytes:
    """A sound comment with some fields in place of its own."""
    return record(**({"id": "c1", "link_id": "t3_5yba3", "parent_id": "t1_c0", "body": "text"} | fields))


def a_submission(**fields: object) -> bytes:
    return record(**({"id": "5yba3", "title": "title", "selftext": ""} | fields))


def number(base_36: str) -> int:
    return int(base_36, 36)


def damaged(drop: int) -> dict[str, object]:
    """A row of zeros, but for its damage."""
    zeros: dict[str, object] = {field.name: 0 for field in dataclasses.fields(Posts)}
    return zeros | {"text": b"", "damage": int(drop)}
