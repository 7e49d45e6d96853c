import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.readers.repair import repair_surrogate_escapes, repair_utf8


@pytest.mark.parametrize(
    ("data", "text", "repairs"),
    [
        (b"caf\xc3\xa9 \xef\xbf\xbd", "café \ufffd", 0),
        (b"caf\xe9", "caf\ufffd", 1),
        (b"\xef\xbf\xbd\xff\xef\xbf", "\ufffd\ufffd\ufffd", 2),
        (b"\xf0\x9f\x98x", "\ufffdx", 1),  # one for what three bytes began
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", 3),  # a surrogate, which UTF-8 has not
        (b"\xc0\x80", "\ufffd\ufffd", 2),  # an overlong form
        (b"", "", 0),
    ],
)
def test_what_is_not_utf8_is_counted(data: bytes, text: str, repairs: int) -> None:
    assert repair_utf8(data) == (text.encode(), repairs)


@given(st.lists(st.text(max_size=5).map(str.encode) | st.binary(max_size=5)).map(b"".join))
def test_utf8_repairs_are_those_the_decoder_makes(data: bytes) -> None:
    made = 0
    position = 0
    while position < len(data):
        try:
            data[position:].decode()
            break
        except UnicodeDecodeError as error:
            made += 1
            position += error.end
    assert repair_utf8(data) == (data.decode(errors="replace").encode(), made)


# One code point at a time, so that halves meet by chance and by design.
half_characters = st.lists(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from('\\"u\n')).map(
    "".join
)


@given(half_characters)
def test_lone_surrogate_escapes_are_those_json_reads(text: str) -> None:
    written = json.dumps(text).encode()
    repaired, repairs = repair_surrogate_escapes(written)
    read = json.loads(written)  # which joins the pairs, and leaves the rest
    lone = [character for character in read if "\ud800" <= character <= "\udfff"]
    assert repairs == len(lone)
    for character in set(lone):
        read = read.replace(character, "\ufffd")
    assert json.loads(repaired) == read


def test_an_escaped_backslash_starts_no_escape() -> None:
    assert repair_surrogate_escapes(rb'"\\ud800 \\\ud800"') == (rb'"\\ud800 \\\ufffd"', 1)
