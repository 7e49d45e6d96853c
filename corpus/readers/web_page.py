"""From an HTTP response, as a crawler wrote it down, to the page in it: status, media type, encodings, charset.

Encodings are undone only where the body has them: crawlers (Common Crawl's for years) undo them, the field stays.
Source: RFC 9110 (HTTP semantics), RFC 9112 (messages; section 7.1, chunked).
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import zstandard

from corpus.drops import Drop
from corpus.html_text import MAX_PAGE_BYTES, detect_charset, python_codec
from corpus.readers.repair import repair_utf8
from corpus.readers.warc import header_fields

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
"""The media types that are pages."""

OPT_OUT_FIELDS = ("tdm-reservation", "x-robots-tag")
"""Fields by which a site may reserve its rights. Source: W3C TDMRep, section 5; for robots, common use."""

# WHATWG's scan for a charset ends here too. Source: HTML Living Standard, section 13.2.3.2.
_META_BYTES = 1024

_STATUS_LINE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? +([0-9]{3})(?:[ \t][^\n]*)?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,/>]+)""", re.IGNORECASE)
_META = re.compile(rb"<meta[\s/][^>]*?charset\s*=[\s\"']*([^\s\"'/;>]+)", re.IGNORECASE)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ENCODING_MAGICS = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}

# Four bytes may hold 128 KiB and decompressobj knows no limit: this much gives 2 MiB at most. Our choice.
_ZSTD_PIECE_BYTES = 64


class Response(NamedTuple):
    """An HTTP response: status code, fields with names in lower case, body as it was written down."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """`text/html`, without its parameters; "" where none is given."""
        return re.split("[;,]", self.fields.get("content-type", ""), maxsplit=1)[0].strip().lower()

    @property
    def opt_out(self) -> str:
        """The fields by which the site may reserve its rights, as they stand: `tdm-reservation: 1`."""
        return "; ".join(f"{name}: {self.fields[name][:200]}" for name in OPT_OUT_FIELDS if name in self.fields)


class BrokenPageError(ValueError):
    """A response that cannot be decoded; never leaves the readers.

    Args:
        drop: What the ledger calls it.
    """

    def __init__(self, drop: Drop) -> None:
        super().__init__(drop)
        self.drop = drop


def parse_response(message: bytes) -> Response | None:
    """The response in a WARC record's block, or None where it is none."""
    status = _STATUS_LINE.match(message)
    if status is None:
        return None
    # From before the line's end, for a response may have no fields.
    end = _HEAD_END.search(message, status.end() - 2)
    head_end, body_at = (end.start(), end.end()) if end else (len(message), len(message))
    fields = header_fields(message[status.end() : max(head_end, status.end())].decode("latin-1"))
    return Response(int(status[1]), fields, message[body_at:])


def page_bytes(response: Response, max_bytes: int = MAX_PAGE_BYTES) -> bytes:
    """The body, its transfer and content encodings undone.

    Raises:
        BrokenPageError: It does not decode, names an encoding unknown here, or is larger than `max_bytes`.
    """
    body = response.body
    if "chunked" in response.fields.get("transfer-encoding", "").lower():
        body = _unchunked(body)
    codings = [name.strip() for name in response.fields.get("content-encoding", "").lower().split(",")]
    for coding in reversed(codings):
        body = _decoded(body, coding, max_bytes)
    if len(body) > max_bytes:
        raise BrokenPageError(Drop.OVERSIZE_PAGE)
    return body


def _unchunked(body: bytes) -> bytes:
    """The chunks' content; the body itself where it does not begin with a chunk."""
    pieces: list[bytes] = []
    at = 0
    while (size := _CHUNK_SIZE.match(body, at)) is not None:
        start, length = size.end(), int(size[1], 16)
        if length == 0:
            return b"".join(pieces)
        pieces.append(body[start : start + length])
        at = start + length
        if not body.startswith((b"\r\n", b"\n"), at):
            break
        at += 1 + body.startswith(b"\r\n", at)
    if not pieces or _looks_like_markup(body):
        return body
    raise BrokenPageError(Drop.BROKEN_PAGE)


def _looks_like_markup(body: bytes) -> bool:
    return body.lstrip().startswith(b"<")


def _decoded(body: bytes, coding: str, max_bytes: int) -> bytes:
    """One content coding undone, at most one byte more than the limit."""
    if coding in ("", "identity"):
        return body
    if coding in ("gzip", "x-gzip", "deflate", "br", "zstd"):
        coding = coding.removeprefix("x-")
        if _looks_like_markup(body) or not body.startswith(_ENCODING_MAGICS.get(coding, b"")):
            return body  # undone already
        try:
            return _INFLATE[coding](body, max_bytes + 1)
        except (zlib.error, zstandard.ZstdError, ValueError) as error:
            raise BrokenPageError(Drop.BROKEN_PAGE) from error
    raise BrokenPageError(Drop.BROKEN_PAGE)


def _inflate_gzip(body: bytes, most: int) -> bytes:
    return _whole(zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), body, most)


def _inflate_deflate(body: bytes, most: int) -> bytes:
    """With zlib's frame, as the standard says, or bare, as half the servers do."""
    try:
        return _whole(zlib.decompressobj(), body, most)
    except zlib.error:
        return _whole(zlib.decompressobj(wbits=-zlib.MAX_WBITS), body, most)


def _whole(stream: zlib._Decompress, body: bytes, most: int) -> bytes:
    content = stream.decompress(body, most)
    if not stream.eof and len(content) < most:
        raise zlib.error("the body ends before its content does")
    return content


def _inflate_zstd(body: bytes, most: int) -> bytes:
    # A window of 8 MiB is the most that HTTP allows: RFC 9659.
    frame = zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj()
    content = bytearray()
    for at in range(0, len(body), _ZSTD_PIECE_BYTES):
        content += frame.decompress(body[at : at + _ZSTD_PIECE_BYTES])
        if frame.eof or len(content) >= most:
            return bytes(content)
    raise ValueError("the body ends before its content does")


def _inflate_brotli(body: bytes, most: int) -> bytes:
    import brotli  # with the extractors: tokentrail[web]

    stream = brotli.Decompressor()
    try:
        content = bytes(stream.process(body, output_buffer_limit=most))
    except brotli.error as error:
        raise ValueError("not brotli") from error
    if not stream.is_finished() and len(content) < most:
        raise ValueError("the body ends before its content does")
    return content


_INFLATE = {
    "gzip": _inflate_gzip,
    "deflate": _inflate_deflate,
    "br": _inflate_brotli,
    "zstd": _inflate_zstd,
}


def page_text(response: Response, body: bytes) -> tuple[str, int]:
    """The page as text, and how many characters became U+FFFD.

    The charset is that of the byte order mark, else the first of the HTTP header's and the page's own by which the
    page decodes without error, else the first of them; only where none is named, what the bytes look like.
    """
    for bom, charset in _BOMS:
        if body.startswith(bom):
            return _repaired(body[len(bom) :], charset)
    named = _named_charsets(response, body)
    for charset in named:
        try:
            return body.decode(charset), 0
        except UnicodeDecodeError:
            continue
    return _repaired(body, named[0] if named else detect_charset(body))


def _named_charsets(response: Response, body: bytes) -> list[str]:
    in_header = _CHARSET.search(response.fields.get("content-type", ""))
    in_page = _META.search(body, 0, _META_BYTES)
    labels = [in_header[1] if in_header else "", in_page[1].decode("latin-1") if in_page else ""]
    codecs = [python_codec(label) for label in labels]
    if codecs[1] and codecs[1].startswith("utf-16"):
        codecs[1] = "utf-8"  # a page that could be read so far is not UTF-16: HTML, section 13.2.3.2
    return [codec for codec in codecs if codec]


def _repaired(body: bytes, charset: str) -> tuple[str, int]:
    if charset == "utf-8":
        data, repairs = repair_utf8(body)
        return data.decode(), repairs
    text = body.decode(charset, "replace")
    own = body.decode(charset, "ignore").count("\ufffd")
    return text, text.count("\ufffd") - own
