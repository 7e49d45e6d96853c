import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.readers.dm_mathematics import read_dm_mathematics


def documents(stream: bytes, chunk: int = 2**20, limit: int = 2**20) -> list[bytes]:
    chunks = (stream[at : at + chunk] for at in range(0, len(stream), chunk))
    return [text for records in read_dm_mathematics(chunks, max_record_bytes=limit) for text in records.text]


@pytest.mark.parametrize("chunk", [7, 1000, 2**20])
def test_documents_end_after_an_answer(chunk: int) -> None:
    stream = b"".join(b"Solve %d*x = %d for x.\n%d\n" % (i, 7 * i, 7) for i in range(1, 2000))
    found = documents(stream, chunk)
    assert b"".join(document + b"\n" for document in found) == stream
    assert all(8192 <= len(document) + 1 < 8192 + 40 for document in found[:-1])
    assert all(document.startswith(b"Solve") and document.endswith(b"\n7") for document in found)


@given(st.lists(st.integers(0, 5000), max_size=12), st.integers(1, 9000))
def test_cuts_are_those_of_a_plain_loop(lengths: list[int], chunk: int) -> None:
    lines = [b"x" * length + b"\n" for length in lengths]
    expected, held = [], b""
    for first in range(0, len(lines), 2):
        held += b"".join(lines[first : first + 2])
        if len(held) >= 8192:
            expected, held = [*expected, held[:-1]], b""
    expected += [held[:-1]] if held else []
    assert documents(b"".join(lines), chunk) == expected
