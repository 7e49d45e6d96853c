"""From lines to records where each line is one JSON object; what is taken of the object is the format's to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import orjson

from corpus.document import Texts
from corpus.drops import Drop
from corpus.readers.record import Lines, Records
from corpus.readers.repair import repair_surrogate_escapes, repair_utf8

JsonObject = dict[str, object]


class Extract(NamedTuple):
    """What a format takes of one object: the text, the source label and facts, or why it cannot be had."""

    text: str = ""
    label: str = ""
    damage: Drop = Drop.KEPT
    facts: Mapping[str, str] = MappingProxyType({})


def read_objects(
    lines: Iterable[Lines], extract: Callable[[JsonObject], Extract], facts: Sequence[str] = ()
) -> Iterator[Records]:
    """A record a line: `Drop.BROKEN_JSON` where it is not one JSON object, else what `extract` makes of it.

    `repairs` counts over the whole line, whichever of its fields needed them.

    Args:
        facts: The names of the facts that `extract` looks for.
    """
    for batch in lines:
        yield _records(batch, extract, facts)


def parse_object(line: bytes | memoryview) -> tuple[JsonObject | None, int]:
    """The JSON object of a line, and the characters repaired to read it; None where it is no JSON object.

    The grammar is RFC 8259's as orjson has it: no NaN, no trailing comma, at most 1,024 levels deep, the last of
    duplicate names. Only a line which that refuses is repaired, and then tried once more.
    """
    try:
        parsed, repairs = orjson.loads(line), 0
    except orjson.JSONDecodeError:
        repaired, bad_bytes = repair_utf8(bytes(line))
        repaired, lone_surrogates = repair_surrogate_escapes(repaired)
        repairs = bad_bytes + lone_surrogates
        try:
            parsed = orjson.loads(repaired) if repairs else None
        except orjson.JSONDecodeError:
            parsed = None
    return (parsed, repairs) if isinstance(parsed, dict) else (None, 0)


def string_at(parsed: JsonObject, path: Sequence[str]) -> str | Drop:
    """The string at a path of names, or `Drop.MISSING_FIELD` or `Drop.WRONG_TYPE`."""
    value: object = parsed
    for name in path:
        if not isinstance(value, dict):
            return Drop.WRONG_TYPE
        if name not in value:
            return Drop.MISSING_FIELD
        value = value[name]
    return value if isinstance(value, str) else Drop.WRONG_TYPE


def _records(lines: Lines, extract: Callable[[JsonObject], Extract], names: Sequence[str]) -> Records:
    texts = [b""] * len(lines)
    labels = [""] * len(lines)
    damage = lines.damage.copy()
    repairs = np.zeros(len(lines), np.int32)
    facts = {name: [""] * len(lines) for name in names}
    packed = lines.raw.data.data
    whole = (damage == Drop.KEPT).tolist()
    # An element of an array takes as long to write as a kilobyte of JSON to parse: only what is told is written.
    for row, (start, stop) in enumerate(pairwise(lines.raw.offsets.tolist())):
        if not whole[row]:
            continue
        parsed, repaired = parse_object(packed[start:stop])
        if repaired:
            repairs[row] = repaired
        if parsed is None:
            damage[row] = Drop.BROKEN_JSON
            continue
        text, labels[row], why, known = extract(parsed)
        if why:
            damage[row] = why
        texts[row] = text.encode()
        for name, value in known.items():
            facts[name][row] = value
    return Records(
        number=lines.number,
        offset=lines.offset,
        raw=lines.raw,
        raw_bytes=lines.raw_bytes,
        label=labels,
        text=Texts.from_list(texts),
        damage=damage,
        repairs=repairs,
        skipped=lines.skipped,
        facts=facts,
    )
