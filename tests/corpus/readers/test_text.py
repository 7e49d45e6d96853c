import re
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.text import read_text_blocks, read_text_file

DAMAGE = DamagedContainerError("the file ends", where="here", remedy="fetch it again")


def damaged(chunk: bytes) -> Iterator[bytes]:
    yield chunk
    raise DAMAGE


def test_a_file_is_one_document() -> None:
    (records,) = read_text_file([b"\xef\xbb", b"\xbfone\r", b"\ntwo\rcaf\xe9\n\n"])
    assert list(records.raw) == [b"one\r\ntwo\rcaf\xe9\n\n"]
    assert list(records.text) == ["one\ntwo\rcaf\ufffd\n\n".encode()]
    assert (records.number.tolist(), records.offset.tolist(), records.raw_bytes.tolist()) == ([0], [3], [18])
    assert (records.repairs.tolist(), records.damage.tolist(), records.label) == ([1], [0], [""])


def test_an_empty_file_is_an_empty_document() -> None:
    (records,) = read_text_file([])
    assert (list(records.text), records.damage.tolist(), records.raw_bytes.tolist()) == ([b""], [0], [0])


@pytest.mark.parametrize(
    ("bom", "size", "oversize"), [(b"", 10, False), (b"\xef\xbb\xbf", 10, False), (b"", 11, True)]
)
def test_a_file_over_the_limit_is_passed_over(bom: bytes, size: int, oversize: bool) -> None:
    (records,) = read_text_file([bom, *[b"x"] * size], max_record_bytes=10)
    assert records.damage.tolist() == [Drop.OVERSIZE_RECORD if oversize else 0]
    assert list(records.raw) == list(records.text) == [b"" if oversize else b"x" * size]
    assert records.raw_bytes.tolist() == [len(bom) + size]


def test_a_damaged_file_is_a_truncated_record() -> None:
    reader = read_text_file(damaged(b"half of"))
    records = next(reader)
    assert records.damage.tolist() == [Drop.TRUNCATED_RECORD]
    assert (list(records.raw), list(records.text)) == ([b"half of"], [b""])
    with pytest.raises(DamagedContainerError):
        next(reader)


def test_blank_lines_part_documents() -> None:
    stream = b"\n\xef\xbb\xbfa\r\n b\n \t\r\n\n\nc\nd\xff\n\n"
    rows = [row for records in read_text_blocks([stream]) for row in zip(records.number, records.raw, strict=True)]
    assert rows == [(0, b"\xef\xbb\xbfa\r\n b"), (1, b"c\nd\xff")]  # no BOM, for it is not at the start
    texts = [text for records in read_text_blocks([stream]) for text in records.text]
    assert texts == ["\ufeffa\n b".encode(), "c\nd\ufffd".encode()]


def oracle(stream: bytes, limit: int, is_damaged: bool) -> list[tuple[int, bytes, int, int]]:
    """The blocks of a stream as (offset, raw, bytes, damage), by one regular expression over all of it."""
    bom = 3 if stream.startswith(b"\xef\xbb\xbf") else 0
    body = stream[bom:]
    # After damage something not blank may have followed.
    followed = body + b"\0" if is_damaged else body
    blocks = []
    for run in re.finditer(rb"([^\n]*\S[^\n]*(\n|\Z))+", followed):
        start, stop = run.start(), min(run.end(), len(body))
        if start == len(body) and not (start == 0 and bom):
            continue
        raw = re.sub(rb"\r?\n\Z", b"", body[start:stop])
        damage = Drop.TRUNCATED_RECORD if is_damaged and stop == len(body) < run.end() else 0
        if len(raw) > limit:
            raw, damage = b"", Drop.OVERSIZE_RECORD
        blocks.append((start + bom, raw, stop - start + (bom if start == 0 else 0), int(damage)))
    return blocks


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b" ", b"ab", b"\xff", b"\xef\xbb\xbf"]), max_size=25).map(
        b"".join
    ),
    st.sampled_from([0, 2, 5, 1000]),
    st.booleans(),
    st.integers(1, 30),
)
def test_blocks_are_those_of_one_regular_expression(
    stream: bytes, limit: int, is_damaged: bool, size: int
) -> None:
    # Of a line over the limit nobody knows whether it was blank.
    assume(all(line.strip() or len(line) <= limit for line in stream.removeprefix(b"\xef\xbb\xbf").split(b"\n")))

    def chunks() -> Iterator[bytes]:
        yield from (stream[at : at + size] for at in range(0, len(stream), size))
        if is_damaged:
            raise DAMAGE

    blocks: list[tuple[int, bytes, int, int]] = []
    try:
        for records in read_text_blocks(chunks(), max_record_bytes=limit, batch_bytes=size):
            assert records.number.tolist() == list(range(len(blocks), len(blocks) + len(records)))
            columns = (records.offset.tolist(), records.raw, records.raw_bytes.tolist(), records.damage.tolist())
            blocks += zip(*columns, strict=True)
    except DamagedContainerError:
        assert is_damaged
    assert blocks == oracle(stream, limit, is_damaged)
