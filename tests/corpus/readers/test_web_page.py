"""HTTP responses as crawlers write them down: encodings there and gone, charsets right and wrong."""

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.readers.web_page import BrokenPageError, Response, page_bytes, page_text, parse_response

PAGE = b"<html><body>a page</body></html>"


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%X;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def bare_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE": bare_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
    "": bytes,
}


def response(body: bytes, **fields: str) -> Response:
    return Response(200, {name.replace("_", "-"): value for name, value in fields.items()}, body)


def test_a_response_is_taken_apart() -> None:
    message = b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=x\r\nA: 1\r\na: 2\r\nF: x\r\n y\r\n\r\n" + PAGE
    parsed = parse_response(message)
    assert parsed == Response(200, {"content-type": "Text/HTML; charset=x", "a": "1", "f": "x y"}, PAGE)
    assert parsed is not None
    assert parsed.media_type == "text/html"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"HTTP/1.1 404\r\n\r\nno", Response(404, {}, b"no")),
        (b"HTTP/2 200\nA: b\n\nbody", Response(200, {"a": "b"}, b"body")),
        (b"HTTP/1.0 200 OK\r\nA: b", Response(200, {"a": "b"}, b"")),
        (b"HTTP/1.1 200 OK", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_a_status_line_makes_a_response(message: bytes, expected: Response | None) -> None:
    assert parse_response(message) == expected


@pytest.mark.parametrize("coding", ENCODERS)
@settings(max_examples=30)
@given(st.binary(max_size=400), st.integers(1, 50))
def test_what_a_server_encoded_is_decoded(coding: str, content: bytes, size: int) -> None:
    body = PAGE + content
    assert page_bytes(response(ENCODERS[coding](body), content_encoding=coding)) == body
    both = response(chunked(ENCODERS[coding](body), size), content_encoding=coding, transfer_encoding="Chunked")
    assert page_bytes(both) == body


def test_codings_are_undone_last_first() -> None:
    assert page_bytes(response(gzip.compress(brotli.compress(PAGE)), content_encoding="br, gzip")) == PAGE


@pytest.mark.parametrize("coding", ENCODERS)
def test_what_the_crawler_decoded_is_left_as_it_is(coding: str) -> None:
    assert page_bytes(response(PAGE, content_encoding=coding, transfer_encoding="chunked")) == PAGE


@pytest.mark.parametrize(
    "broken",
    [
        response(chunked(PAGE, 9)[:-20], transfer_encoding="chunked"),
        response(b"5\r\nab", transfer_encoding="chunked"),
        response(gzip.compress(PAGE)[:-9], content_encoding="gzip"),
        response(zlib.compress(PAGE)[:-6], content_encoding="deflate"),
        response(zlib.compress(PAGE)[:9] + b"\xff" * 9, content_encoding="deflate"),
        response(brotli.compress(PAGE)[:-3], content_encoding="br"),
        response(b"\xff" * 40, content_encoding="br"),
        response(zstandard.compress(PAGE)[:9] + b"\xff" * 9, content_encoding="zstd"),
        response(PAGE, content_encoding="sdch"),
    ],
)
def test_a_body_that_does_not_decode_is_a_broken_page(broken: Response) -> None:
    with pytest.raises(BrokenPageError) as error:
        page_bytes(broken)
    assert error.value.drop == Drop.BROKEN_PAGE


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_bomb_is_decoded_up_to_the_limit(coding: str) -> None:
    bomb = ENCODERS[coding](b"\0" * 10**7)
    assert len(page_bytes(response(bomb, content_encoding=coding), max_bytes=10**7)) == 10**7
    with pytest.raises(BrokenPageError) as error:
        page_bytes(response(bomb, content_encoding=coding), max_bytes=10**7 - 1)
    assert error.value.drop == Drop.OVERSIZE_PAGE


META = '<meta charset="{}">'
LONG_META = '<META http-equiv=Content-Type content="text/html; charset={}">'


@pytest.mark.parametrize(
    ("header", "meta", "written_in"),
    [
        ("text/html; charset=windows-1251", "", "cp1251"),
        ('text/html; charset="KOI8-R"', META.format("windows-1251"), "koi8_r"),
        ("text/html", META.format("windows-1251"), "cp1251"),
        ("text/html", LONG_META.format("iso-8859-5"), "iso8859_5"),
        ("text/html; charset=utf-8", META.format("windows-1251"), "cp1251"),  # the header is wrong
        ("text/html; charset=nonsense", META.format("utf8"), "utf-8"),
        ("text/html", META.format("utf-16"), "utf-8"),
        ("text/html", "", "utf-8"),
        ("text/html", "", "cp1251"),
        ("text/html; charset=windows-1251", META.format("utf-8"), "utf-8-sig"),  # a byte order mark says more
        ("text/html", "", "utf-16"),
    ],
)
def test_the_charset(header: str, meta: str, written_in: str) -> None:
    page = meta + "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему. " * 5
    body = page.encode(written_in)
    assert page_text(response(body, content_type=header), body) == (page, 0)


def test_what_does_not_decode_is_repaired_and_counted() -> None:
    body = b"caf\xc3\xa9 \xff\xc3 \xef\xbf\xbd"
    assert page_text(response(body, content_type="text/html; charset=utf-8"), body) == ("café �� �", 2)
    body = b"\x81 \x83\x41 \x81"
    text, repairs = page_text(response(body, content_type="text/html; charset=shift_jis"), body)
    assert repairs == text.count("�") > 0


@given(
    st.binary(max_size=200),
    st.sampled_from(["utf-8", "gbk", "utf-16", "big5", "hz", "\0", "iso-2022-jp", "euc-kr"]),
)
def test_any_bytes_in_any_charset_are_text(body: bytes, charset: str) -> None:
    text, repairs = page_text(response(body, content_type=f"text/html; charset={charset}"), body)
    text.encode()
    assert 0 <= repairs <= text.count("�")


@given(st.binary(max_size=200))
def test_any_message_is_a_response_or_none(message: bytes) -> None:
    for whole in (
        message,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: br\r\n\r\n" + message,
    ):
        parsed = parse_response(whole)
        if parsed is not None:
            try:
                page_bytes(parsed)
            except BrokenPageError as error:
                assert error.drop in (Drop.BROKEN_PAGE, Drop.OVERSIZE_PAGE)
