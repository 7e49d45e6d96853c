import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.readers.json_record import parse_object, string_at

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values), st.booleans())
def test_a_sound_object_is_read_as_the_standard_library_reads_it(parsed: dict[str, object], ascii: bool) -> None:
    line = json.dumps(parsed, ensure_ascii=ascii).encode()
    assert parse_object(line) == (parsed, 0)
    assert parse_object(memoryview(line)) == (parsed, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[1]",
        b'"text"',
        b"7",
        b'{"text": "cut',
        b'{"text": "a"} {"text": "b"}',
        b'{"text": "a",}',
        b"{'text': 'a'}",
        b'{"text": NaN}',
        b'{"text": Infinity}',
        b'{"text": "a\x01b"}',
        b'{"text": "\\x41"}',
        b'{"text": "\\ud8"}',
        b'{"text": "\xff"',
        b'[{"text": "\\ud800"}]',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_what_is_no_json_object(line: bytes) -> None:
    assert parse_object(line) == (None, 0)


@pytest.mark.parametrize(
    ("line", "text", "repairs"),
    [
        (b'{"text": "caf\xe9"}', "caf\ufffd", 1),
        (rb'{"text": "\ud83d\ude00 \ud83d"}', "\U0001f600 \ufffd", 1),
        (b'{"text": "\xff\\udc00"}', "\ufffd\ufffd", 2),
        (rb'{"text": "sound", "author": "\ud800"}', "sound", 1),
        ('{"text": "\ufffd"}'.encode(), "\ufffd", 0),
    ],
)
def test_what_is_not_unicode_is_repaired_and_counted(line: bytes, text: str, repairs: int) -> None:
    parsed, count = parse_object(line)
    assert parsed is not None
    assert (parsed["text"], count) == (text, repairs)


def test_the_last_of_duplicate_names_counts() -> None:
    assert parse_object(b'{"text": "first", "text": "second"}') == ({"text": "second"}, 0)


@given(st.binary() | st.text().map(str.encode))
def test_garbage_never_raises(line: bytes) -> None:
    parsed, repairs = parse_object(line)
    assert parsed is None or isinstance(parsed, dict)
    assert repairs >= 0


def test_the_string_at_a_path() -> None:
    parsed: dict[str, object] = {"text": "a", "meta": {"set": "b", "size": 3, "none": None}, "list": ["c"]}
    assert string_at(parsed, ["text"]) == "a"
    assert string_at(parsed, ["meta", "set"]) == "b"
    assert string_at(parsed, ["absent"]) is Drop.MISSING_FIELD
    assert string_at(parsed, ["meta", "absent"]) is Drop.MISSING_FIELD
    assert string_at(parsed, ["meta", "size"]) is Drop.WRONG_TYPE
    assert string_at(parsed, ["meta", "none"]) is Drop.WRONG_TYPE
    assert string_at(parsed, ["meta"]) is Drop.WRONG_TYPE
    assert string_at(parsed, ["text", "deeper"]) is Drop.WRONG_TYPE
    assert string_at(parsed, ["list", "0"]) is Drop.WRONG_TYPE
