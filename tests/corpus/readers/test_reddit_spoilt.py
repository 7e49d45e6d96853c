"""A spoilt line of Reddit's dumps is read as the standard library reads it, alone as in any batch."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from reddit_lines import a_comment, a_submission, as_lines, damaged, post, row

from corpus.drops import Drop
from corpus.readers.reddit import COMMENT, SUBMISSION, parse

LINES = [
    a_comment(),
    a_comment(body="naïve 😀 [deleted]", score=None, edited=1.5, _meta={"x": [1, -2.5e3, True]}),
    a_comment(id=5, link_id=7, parent_id=None),
    a_comment(body="[removed]"),
    a_submission(selftext="s"),
    a_comment(body="\udc80"),
    a_comment(id=None),
    b"{}",
]


@st.composite
def spoilt_lines(draw: st.DrawFn) -> bytes:
    """A line with a few bytes replaced, left out or put in."""
    line = bytearray(draw(st.sampled_from(LINES)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        noise = draw(
            st.sampled_from([b"", b'"', b"\\", b"{", b"}", b",", b":", b"0", b".", b"\xff", b"\x00", b"\x0b"])
        )
        line[at : at + draw(st.integers(0, 1))] = noise
    return bytes(line)


def object_or_none(line: bytes) -> Any:
    """What the standard library reads, as strict as it can be told to be."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(line.decode(errors="replace"), parse_constant=refuse)
    except ValueError:
        return None


@settings(max_examples=1000)
@given(spoilt_lines())
def test_a_spoilt_line_is_read_as_the_standard_library_reads_it(line: bytes) -> None:
    read, expected = post(line), object_or_none(line)
    if not isinstance(expected, dict):
        assert read == damaged(Drop.BROKEN_JSON)
        return
    assert read["damage"] != Drop.BROKEN_JSON
    if read["kind"] == COMMENT:
        body = expected["body"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        assert read["text"].decode() in ("", body)
        assert read["live"] == (body.strip() not in ("", "[removed]"))
    if read["kind"] == SUBMISSION:
        assert read["text"].decode().startswith(expected["title"])


@given(st.lists(spoilt_lines(), max_size=12))
def test_a_line_alone_gives_what_it_gives_in_any_batch(lines: list[bytes]) -> None:
    posts = parse(as_lines(lines))
    assert [row(posts, number) for number in range(len(lines))] == [post(line) for line in lines]
