import pytest

from corpus.drops import Drop
from corpus.readers.gutenberg import read_gutenberg

HEADER = "The Project Gutenberg EBook of A Book\r\n\r\nLanguage: French\r\n\r\n%s\r\n\r\n*** START OF IT ***\r\n"


def book(charset: str, text: str, codec: str) -> bytes:
    return (HEADER % charset + text).encode(codec)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("Character set encoding: ISO-8859-1", "latin-1"),
        ("Character set encoding: ISO Latin-1", "latin-1"),
        ("Character set encoding: ASCII", "latin-1"),
        ("", "latin-1"),
        ("Character set encoding: something else", "cp1252"),
        ("Character set encoding: Windows-1252", "cp1252"),
        ("Character set encoding: UTF-8", "utf-8"),
        ("Character set encoding: ISO-8859-1", "utf-8"),
        ("Character set encoding: CP-850", "cp850"),
        ("Character set encoding: ISO-8859-15", "iso8859_15"),
        ("Character set encoding: MacRoman", "mac_roman"),
    ],
)
def test_the_text_is_the_same_in_every_charset(charset: str, codec: str) -> None:
    (records,) = read_gutenberg([book(charset, "d\xe9j\xe0 vu\r\n", codec)])
    assert list(records.text) == [(HEADER % charset + "d\xe9j\xe0 vu\n").replace("\r\n", "\n").encode()]
    assert (records.repairs.tolist(), records.damage.tolist()) == ([0], [0])


def test_what_its_charset_has_not_is_repaired_and_counted() -> None:
    (records,) = read_gutenberg([book("Character set encoding: UTF-8", "\ufffd ", "utf-8") + b"caf\xe9"])
    assert records.text[0].endswith("\ufffd caf\ufffd".encode())
    assert records.repairs.tolist() == [1]
    (records,) = read_gutenberg([b"caf\xe9 \x81"])
    assert (records.text[0].decode(), records.repairs.tolist()) == ("caf\xe9 \ufffd", [1])


def test_a_codec_that_is_no_charset_is_not_run() -> None:
    (records,) = read_gutenberg([b"Character set encoding: zlib\n\xe9"])
    assert records.text[0].decode() == "Character set encoding: zlib\n\xe9"


def test_a_book_over_the_limit_is_passed_over() -> None:
    (records,) = read_gutenberg([b"x"] * 11, max_record_bytes=10)
    assert (records.damage.tolist(), records.raw_bytes.tolist()) == ([Drop.OVERSIZE_RECORD], [11])
