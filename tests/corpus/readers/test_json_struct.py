"""The fast reading of a line and the slow one must be one reading."""

from __future__ import annotations

import json

import msgspec
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.drops import Drop
from corpus.readers.json_record import parse_object
from corpus.readers.json_struct import read_structs


class Fields(msgspec.Struct, frozen=True):
    a: str | None = None
    n: int | None = None


NOTHING = Fields(a="nothing")
DECODER = msgspec.json.Decoder(Fields)
texts = st.text('a"é\n\U0001f600', max_size=3)
values = st.none() | texts | st.integers(-9, 9) | st.lists(texts, max_size=2)
sound = st.dictionaries(st.sampled_from(["a", "n", "x"]), values).map(lambda fields: json.dumps(fields).encode())
lines = sound | st.binary(max_size=8).map(lambda data: b'{"a": "' + data + b'"}') | st.binary(max_size=5)


def slowly(line: bytes) -> tuple[Fields, int, int]:
    """The oracle: orjson's object, repaired where need be, and its fields' types asked one by one."""
    parsed, repairs = parse_object(line)
    if parsed is None:
        return NOTHING, Drop.BROKEN_JSON, 0
    a, n = parsed.get("a"), parsed.get("n")
    if not isinstance(a, str | None) or not isinstance(n, int | None):
        return NOTHING, Drop.WRONG_TYPE, 0
    return Fields(a, n), 0, repairs


@given(st.lists(lines, max_size=6))
@example(
    [b'{"x": "\xff"}', b'{"a": "\\ud800"}', b'{"x": ' + b"[" * 1100 + b"]" * 1100 + b"}", b'{"a": 1, "a": "2"}']
)
def test_both_readings_are_one(some: list[bytes]) -> None:
    found, damage, repairs = read_structs(Texts.from_list(some), np.zeros(len(some), np.uint8), DECODER, NOTHING)
    assert list(zip(found, damage.tolist(), repairs.tolist(), strict=True)) == [slowly(line) for line in some]


def test_a_damaged_line_keeps_its_damage() -> None:
    given = np.array([Drop.OVERSIZE_RECORD, Drop.TRUNCATED_RECORD], np.uint8)
    _, damage, _ = read_structs(Texts.from_list([b"", b'{"a": "b"}']), given, DECODER, NOTHING)
    assert damage.tolist() == given.tolist()
