"""Ways to spoil a file: each takes sound bytes and a stream of draws, and gives other bytes.

Nothing here knows a format. What formats fear stands in the lists: their own words, numbers that are no length,
openings that never end, bytes that are no text, entities that multiply.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Mutator = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
"""(draws, the bytes, sound bytes of this and other formats) -> the bytes, spoilt."""

LONGEST = 3 * 2**20
"""What a mutation may make of a file, bytes: more than two batches of any reader."""

_NUMBERS = (
    *(b"0", b"-1", b"00000000000000000007", b"1e999", b"NaN", b"0x10", b"1.5", "٣".encode()),
    *(b"%d" % (2**bits + off) for bits in (15, 16, 31, 32, 53, 63, 64) for off in (-1, 0, 1)),
    *(b"9" * digits for digits in (18, 19, 40, 5000)),
)
_OPENINGS = (
    *(b"[", b'{"text":', b"<div>", b"<a>", b"<table><tr><td>", b"<svg><g>", b'<b a="', b"<!--", b"<![CDATA["),
    *(b"{{", b"[[a|", b"{|\n|", b"<ref>", b"''", b"==", b"&lt;b&gt;", b"[http://a "),
)
_NO_TEXT = (
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    b"\xe2\x80",
    b"\\ud83d",
    b"\\u0000",
)
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"\0" * 600, b"\x1a", b"\xc2\x85", "\u2028".encode())
_LINE_ENDS = (b"\n", b"\r\n", b"\r", b"\n\n", b"\n \t\r\n", b"")
_BOMBS = (
    b'<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>&c;',
    b'<!DOCTYPE l [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]>',
    b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>',
    b'<!DOCTYPE l SYSTEM "http://127.0.0.1:9/l.dtd">',
    b"&a;&nbsp;&#0;&#x110000;&#xD800;&#99999999999;",
)
_WORDS = (
    *(
        b"WARC/1.0\r\n",
        b"WARC/1.1\nContent-Length: 3\n\n",
        b"Content-Length: ",
        b"\r\n\r\n",
        b"WARC-Type: response\r\n",
    ),
    *(b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: br\r\n", b"charset=utf-16"),
    *(b"<page>", b"</page>\n", b"\n  <page>\n", b"</text>", b"#redirect", b"<ns>1</ns>", b"]]>", b"-->", b"</s>"),
    *(
        b'<?xml version="1.0"?>\n',
        b'<?xml version="1.0" encoding="utf-16"?>\n',
        b"\nPATN\n",
        b"\nBSUM\n",
        b"<heading>",
    ),
    *(
        b'"text"',
        b'"meta"',
        b"null",
        b"true",
        b"{}",
        b'"',
        b"\\",
        b'{"pile_set_name": "ArXiv"}',
        b"t1_",
        b"t3_zzzz",
    ),
    *(b"ustar", b"../", b"/etc/passwd", b"PAR1", b"\x28\xb5\x2f\xfd", b"BZh91AY&SY", b"\x1f\x8b\x08"),
)
_DIGITS = re.compile(rb"[0-9]+")


def mutate(draw: random.Random, sound: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """One of the sound files, spoilt one to four times over."""
    data = draw.choice(sound)
    for _ in range(draw.choice((1, 1, 2, 3, 4))):
        data = draw.choice(MUTATORS)(draw, data, others)[:LONGEST]
    return data


def _flip(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Some bits the other way round."""
    spoilt = bytearray(data or b"\0")
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
    return bytes(spoilt)


def _cut(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The end, the start or a stretch between is lost."""
    start, stop = _stretch(draw, data)
    return draw.choice((data[:start], data[stop:], data[:start] + data[stop:]))


def _repeat(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A stretch stands there again and again: seldom so often that there are several batches."""
    start, stop = _stretch(draw, data)
    times = draw.choice((2, 2, 2, 3, 10, 100)) if draw.random() < 0.98 else LONGEST // max(1, stop - start)
    return data[:start] + data[start:stop] * times + data[stop:]


def _move(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A stretch changes places with the one behind it."""
    start, stop = _stretch(draw, data)
    end = draw.randint(stop, len(data))
    return data[:start] + data[stop:end] + data[start:stop] + data[end:]


def _splice(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A stretch gives way to one of another file."""
    other = draw.choice(others)
    start, stop = _stretch(draw, data)
    from_, to = _stretch(draw, other)
    return data[:start] + other[from_:to] + data[stop:]


def _number(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A number, which may be a length, becomes another: near by, or impossible."""
    found = list(_DIGITS.finditer(data))
    if not found:
        return _insert(draw, data, draw.choice(_NUMBERS))
    digits = draw.choice(found)
    near = b"%d" % max(0, int(digits[0][:18]) + draw.choice((-100, -2, -1, 1, 2, 100)))
    return data[: digits.start()] + draw.choice((near, draw.choice(_NUMBERS))) + data[digits.end() :]


def _bytes(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A binary length or offset of 1 to 8 bytes becomes none, all or another."""
    size = draw.choice((1, 2, 4, 8))
    at = draw.randrange(max(1, len(data) - size))
    return data[:at] + draw.choice((b"\0" * size, b"\xff" * size, draw.randbytes(size))) + data[at + size :]


def _nest(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Something opens, and opens, and does not close."""
    depth = draw.choice((10, 100, 1030, 5000)) if draw.random() < 0.98 else 100_000
    return _insert(draw, data, draw.choice(_OPENINGS) * depth)


def _no_text(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bytes and escapes that are no Unicode."""
    for _ in range(draw.choice((1, 3, 30))):
        data = _insert(draw, data, draw.choice(_NO_TEXT))
    return data


def _mark(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A byte order mark, a NUL, an end of file, at the start or anywhere."""
    mark = draw.choice(_MARKS)
    return mark + data if draw.random() < 0.4 else _insert(draw, data, mark)


def _line_ends(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Lines end otherwise, or nowhere."""
    return data.replace(draw.choice((b"\n", b"\r\n")), draw.choice(_LINE_ENDS))


def _recode(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The same text in another charset."""
    return data.decode("latin-1").encode(draw.choice(("utf-8", "utf-16", "utf-16-le", "utf-32-be")))


def _bomb(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Entities that multiply, or are to be fetched."""
    bomb = draw.choice(_BOMBS)
    root = data.find(b"?>") + 2
    return data[:root] + bomb + data[root:] if root > 1 and draw.random() < 0.5 else _insert(draw, data, bomb)


def _word(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A word of some format where it does not belong."""
    return _insert(draw, data, draw.choice(_WORDS))


MUTATORS: tuple[Mutator, ...] = (
    *(
        _flip,
        _cut,
        _repeat,
        _move,
        _splice,
        _number,
        _bytes,
        _nest,
        _no_text,
        _mark,
        _line_ends,
        _recode,
        _bomb,
        _word,
    ),
)
"""All of them, each as likely as any other."""


def _insert(draw: random.Random, data: bytes, what: bytes) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] + what + data[at:]


def _stretch(draw: random.Random, data: bytes) -> tuple[int, int]:
    """From, to: any stretch, or a short one, as likely as not."""
    start = draw.randint(0, len(data))
    most = len(data) if draw.random() < 0.5 else min(len(data), start + 64)
    return start, draw.randint(start, most)
