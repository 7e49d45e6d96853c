import pytest

from corpus.drops import Drop
from corpus.readers.open_subtitles import read_open_subtitles
from corpus.readers.record import Records

FILM = b"""<?xml version="1.0" encoding="utf-8"?>
<document id="7">
  <s id="1">
    <time id="T1S" value="00:00:01,000" />
- One &amp;
 more
    <time id="T1E" value="00:00:02,000" />
  </s>
  <s id="2">
    <time id="T2S" value="00:00:03,000" />
  </s>
  <s id="3">
caf\xc3\xa9 "so"
  </s>
  <meta><source><year>1933</year></source></meta>
</document>
"""


def read(stream: bytes, **options: int) -> Records:
    (records,) = read_open_subtitles([stream[:50], stream[50:]], **options)
    return records


def test_a_film_is_one_line_of_quoted_sentences() -> None:
    records = read(FILM)
    assert list(records.text) == ['"- One & more" "café "so""'.encode()]
    assert list(records.raw) == [FILM]
    assert (records.damage.tolist(), records.repairs.tolist()) == ([0], [0])


def test_its_charset_is_the_declared_one_unless_it_is_utf8() -> None:
    latin = FILM.replace(b"\xc3\xa9", b"\xe9")
    records = read(latin.replace(b"utf-8", b"ISO-8859-1"))
    assert ("café".encode() in records.text[0], records.repairs.tolist()) == (True, [0])
    records = read(latin)
    assert ("caf\ufffd".encode() in records.text[0], records.repairs.tolist()) == (True, [1])
    records = read(FILM.replace(b"utf-8", b"ISO-8859-1"))
    assert "café".encode() in records.text[0]


LOL = b'<!DOCTYPE document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "broken",
    [
        FILM[:-30],
        b"no XML at all",
        b"<other><s>text</s></other>",
        FILM.replace(b"<document", LOL + b"<document", 1),
        FILM.replace(b'"utf-8"', b'"no-such-charset"').replace(b"\xc3\xa9", b"\xe9"),
    ],
)
def test_what_is_no_film_is_a_damaged_row(broken: bytes) -> None:
    records = read(broken)
    assert (list(records.text), records.damage.tolist()) == ([b""], [Drop.BROKEN_XML])
    assert records.raw_bytes.tolist() == [len(broken)]


def test_an_external_entity_is_not_fetched() -> None:
    records = read(
        FILM.replace(b"<document", b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///dev/zero">]><document').replace(
            b"more", b"&x;"
        )
    )
    assert list(records.text) == ['"- One &" "café "so""'.encode()]
    assert records.damage.tolist() == [0]
