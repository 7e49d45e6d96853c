from corpus.drops import Drop
from corpus.readers.lines import read_lines
from corpus.readers.text_lines import read_text_lines


def test_a_document_a_line() -> None:
    (records,) = read_text_lines(read_lines([b"\xef\xbb\xbfone story\r\n\nanother , with \xe2\x80\xa8 inside\n"]))
    assert list(records.text) == [b"one story", "another , with \u2028 inside".encode()]
    assert (records.number.tolist(), records.offset.tolist()) == ([0, 2], [3, 15])
    assert (records.raw_bytes.tolist(), records.skipped) == ([14, 26], {"blank line": (1, 1)})


def test_each_line_is_utf8_by_itself() -> None:
    # End to end they would be.
    (records,) = read_text_lines(read_lines([b"caf\xc3\n\xa9 noir\nsound\n"]))
    assert list(records.text) == ["caf\ufffd".encode(), "\ufffd noir".encode(), b"sound"]
    assert records.repairs.tolist() == [1, 1, 0]


def test_a_line_over_the_limit_is_a_row() -> None:
    (records,) = read_text_lines(read_lines([b"a\n" + b"x" * 11 + b"\nb\n"], max_record_bytes=10))
    assert records.damage.tolist() == [0, Drop.OVERSIZE_RECORD, 0]
    assert list(records.text) == [b"a", b"", b"b"]
