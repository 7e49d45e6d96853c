import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.readers.book_corpus import read_book_corpus

Row = tuple[int, int, bytes, int, int]


def read(chunks: list[bytes], lines: int, limit: int = 10_000) -> list[Row]:
    return [
        row
        for records in read_book_corpus(chunks, lines, max_record_bytes=limit)
        for row in zip(
            records.number.tolist(),
            records.offset.tolist(),
            records.raw,
            records.raw_bytes.tolist(),
            records.damage.tolist(),
            strict=True,
        )
    ]


def test_so_many_sentences_are_a_document() -> None:
    records, more, rest = read_book_corpus([b"he said .\n`` yes , ''\n\ncaf\xe9 .\n", b"the e", b"nd"], 2)
    assert list(records.text) == [b"he said .\n`` yes , ''"]
    assert (list(more.text), more.repairs.tolist()) == (["\ncaf\ufffd .".encode()], [1])
    assert (list(rest.text), rest.number.tolist(), rest.raw_bytes.tolist()) == ([b"the end"], [2], [7])


def oracle(stream: bytes, lines: int, limit: int) -> list[Row]:
    """Line by line, over the whole stream."""
    parts = stream.split(b"\n")
    physical = [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
    rows: list[Row] = []
    offset = 0
    for first in range(0, len(physical), lines):
        whole = b"".join(physical[first : first + lines])
        bom = 3 if offset == 0 and whole.startswith(b"\xef\xbb\xbf") else 0
        damage = Drop.OVERSIZE_RECORD if len(whole) - bom > limit else Drop.KEPT
        rows.append((len(rows), offset + bom, b"" if damage else whole[bom:], len(whole), damage))
        offset += len(whole)
    return rows


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"a b .", b"\r", b"x" * 9, b"\xef\xbb\xbf"]), max_size=20),
    st.integers(1, 4),
    st.integers(0, 12),
)
def test_documents_are_those_of_a_plain_loop(pieces: list[bytes], lines: int, limit: int) -> None:
    assert read(pieces, lines, limit) == oracle(b"".join(pieces), lines, limit)


def test_a_document_has_a_line() -> None:
    with pytest.raises(RecipeError):
        read_book_corpus([], 0)
