"""ARC by the examples of its description, and by the laws of every reader where it is broken."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.readers.arc import ARC
from corpus.readers.cc_news import read_cc_news
from corpus.readers.warc import WarcRecord, read_warc

LIMIT = 600
PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><body><p>Some words of a page.</p></body></html>\n"
)
VERSION_1 = b"1 0 Alexa Internet\nURL IP-address Archive-date Content-type Archive-length\n"
VERSION_2 = (
    b"2 0 Alexa Internet\nURL IP-address Archive-date Content-type Result-code Checksum Location Offset Filename "
    b"Archive-length\n"
)


def arc(
    block: bytes, url: bytes = b"http://www.a.example/", more: bytes = b"text/html", length: object = ""
) -> bytes:
    return b"%s 192.0.2.9 19960923142103 %s %s\n%s\n" % (url, more, str(length or len(block)).encode(), block)


def read(stream: bytes, cuts: tuple[int, ...] = ()) -> list[WarcRecord]:
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    chunks: Iterator[bytes] = (stream[start:stop] for start, stop in pairwise(bounds))
    return list(read_warc(chunks, max_record_bytes=LIMIT, framing=ARC))


ABOUT = arc(VERSION_1, b"filedesc://IA-001102.arc", b"text/plain")


def test_a_file_of_version_1() -> None:
    records = read(ABOUT + arc(PAGE) + arc(b"20080101 1.2.3.4", b"dns:www.a.example", b"text/dns"))
    assert [(one.kind, one.url, one.block, one.damage) for one in records] == [
        ("warcinfo", "filedesc://IA-001102.arc", VERSION_1, Drop.KEPT),
        ("response", "http://www.a.example/", PAGE, Drop.KEPT),
        ("resource", "dns:www.a.example", b"20080101 1.2.3.4", Drop.KEPT),
    ]


def test_a_line_of_version_2() -> None:
    about = arc(VERSION_2, b"filedesc://IA-001102.arc", b"text/plain 200 - - 0 IA-001102.arc")
    page = arc(
        PAGE, b"https://a.example/?a b", b"text/html 200 fac069150613fe55599cc7fa88aa089d - 209 IA-001102.arc"
    )
    records = read(about + page)
    assert [(one.kind, one.url, one.block) for one in records[1:]] == [
        ("response", "https://a.example/?a b", PAGE)
    ]


@pytest.mark.parametrize("more", [b"no-type", b"text/html; charset=utf-8", b"-", b"text/html;x=1 2"])
def test_media_types_as_crawlers_wrote_them(more: bytes) -> None:
    (one,) = read(arc(PAGE, more=more))
    assert (one.block, one.damage) == (PAGE, Drop.KEPT)


def test_pages_are_read_as_those_of_warc() -> None:
    (records,) = read_cc_news([ABOUT + arc(PAGE)], "resiliparse", framing=ARC)
    assert list(records.text) == [b"Some words of a page."]
    assert records.facts["url"] == ["http://www.a.example/"]
    assert records.facts["date"] == ["1996-09-23T14:21:03Z"]
    assert records.skipped == {"warcinfo": (1, len(ABOUT))}


@pytest.mark.parametrize("length", [1, 20, 150, 5 * 10**8, "-", "1e3"])
def test_a_wrong_length_is_one_damaged_row(length: object) -> None:
    records = read(arc(b"first") + arc(PAGE, length=length) + arc(b"third"))
    # What is no line of a record at all is part of the record before it, which then does not end where it says.
    damaged = [b"first"] if isinstance(length, int) else []
    assert [one.block for one in records if not one.damage] == [*damaged, b"third"]
    assert [one.damage for one in records if one.damage] == [Drop.BROKEN_RECORD]


def test_a_record_is_sound_though_the_next_one_s_line_is_cut() -> None:
    for cut in range(1, 40):
        records = read(arc(b"first") + arc(PAGE)[:cut])
        assert [one.damage for one in records] == [Drop.KEPT, Drop.BROKEN_RECORD]


blocks = st.binary(max_size=60) | st.sampled_from([b"", b"\n\n", PAGE, b"x\n" + arc(b"y")])
lengths = st.just("") | st.integers(1, 700) | st.sampled_from([10**9, 10**17])
fragments = st.sampled_from([b"\n", b"\r\n", b"http://", b"\nhttp:x 1 19960923142103 a", b"x" * 700, b"a:" * 50])
streams = st.lists(st.builds(arc, blocks) | st.builds(arc, blocks, length=lengths) | fragments, max_size=10)


@settings(max_examples=300)
@given(streams.map(b"".join), st.lists(st.integers(0, 3000), max_size=8).map(tuple))
def test_every_byte_is_some_record_s_however_the_stream_is_cut(stream: bytes, cuts: tuple[int, ...]) -> None:
    records = read(stream, cuts)
    at = 0
    for one in records:
        assert one.offset == at
        assert stream[at:].startswith(one.raw)
        assert len(one.raw) <= LIMIT
        at += one.raw_bytes
    assert at == len(stream)
    assert records == read(stream)


@given(st.lists(st.binary(max_size=60).filter(lambda block: not block.endswith((b"\r", b"\n"))), max_size=6))
def test_what_is_written_is_read(written: list[bytes]) -> None:
    assert [one.block for one in read(b"".join(map(arc, written)))] == written
