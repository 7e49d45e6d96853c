import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.lines import read_lines

DAMAGE = DamagedContainerError("the file ends", where="here", remedy="fetch it again")
WHITESPACE = b" \t\n\r\v\f"

streams = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b" ", b"\v", b"ab", b"\xef\xbb\xbf", "\u2028\x85".encode(), b"\0"])
    | st.binary(max_size=12),
    max_size=25,
).map(b"".join)
limits = st.sampled_from([0, 1, 3, 10, 1000])


class Line(NamedTuple):
    number: int
    offset: int
    raw: bytes
    raw_bytes: int
    damage: int


def oracle(stream: bytes, limit: int, damaged: bool) -> tuple[list[Line], tuple[int, int]]:
    """The lines of a stream one at a time, in plain Python."""
    lines, blanks, blank_bytes, position = [], 0, 0, 0
    for number, physical in enumerate(stream.split(b"\n")):
        terminated = position + len(physical) < len(stream)
        size = len(physical) + terminated
        if size == 0:
            break
        raw = physical.removesuffix(b"\r") if terminated else physical
        offset = position
        if position == 0 and raw.startswith(b"\xef\xbb\xbf"):
            raw, offset = raw[3:], 3
        position += size
        if len(raw) > limit:
            lines.append(Line(number, offset, b"", size, Drop.OVERSIZE_RECORD))
        elif damaged and not terminated:
            lines.append(Line(number, offset, raw, size, Drop.TRUNCATED_RECORD))
        elif not raw.strip(WHITESPACE):
            blanks, blank_bytes = blanks + 1, blank_bytes + size
        else:
            lines.append(Line(number, offset, raw, size, 0))
    return lines, (blanks, blank_bytes)


def chunks(stream: bytes, cuts: list[int], damaged: bool) -> Iterator[bytes]:
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, stop in pairwise(bounds):
        yield stream[start:stop]
    if damaged:
        raise DAMAGE


def read(
    stream: bytes, cuts: list[int], limit: int, batch_bytes: int, damaged: bool
) -> tuple[list[Line], tuple[int, int]]:
    lines, blanks, blank_bytes = [], 0, 0
    try:
        for batch in read_lines(chunks(stream, cuts, damaged), max_record_bytes=limit, batch_bytes=batch_bytes):
            assert (batch.number.dtype, batch.offset.dtype, batch.raw_bytes.dtype) == (np.int64,) * 3
            assert batch.damage.dtype == np.uint8
            columns = (batch.number.tolist(), batch.offset.tolist(), batch.raw, batch.raw_bytes.tolist())
            lines += list(map(Line, *columns, batch.damage.tolist()))
            more, more_bytes = batch.skipped.get("blank line", (0, 0))
            blanks, blank_bytes = blanks + more, blank_bytes + more_bytes
    except DamagedContainerError as error:
        assert damaged and error is DAMAGE
    else:
        assert not damaged
    return lines, (blanks, blank_bytes)


@settings(max_examples=500)
@given(streams, st.lists(st.integers(0, 1000), max_size=8), limits, st.sampled_from([1, 5, 1000]), st.booleans())
@example(b"\xef\xbb\xbfabc\r\n", [1, 2, 7], 3, 1, False)
@example(b"abcd\r\nx\n", [1, 2, 3, 4, 5], 3, 1, False)
@example(b"\xef\xbb\xbfabcdefghij\nx", [1, 2, 3, 4, 5, 6, 7, 8], 1, 1, True)
def test_lines_are_those_of_plain_python(
    stream: bytes, cuts: list[int], limit: int, batch_bytes: int, damaged: bool
) -> None:
    lines, blanks = read(stream, cuts, limit, batch_bytes, damaged)
    assert (lines, blanks) == oracle(stream, limit, damaged)
    assert sum(line.raw_bytes for line in lines) + blanks[1] == len(stream)
    for line in lines:
        assert stream[line.offset :].startswith(line.raw)


def test_a_line_ends_at_a_newline_alone() -> None:
    stream = "one\u2028still one\x85\x1c\x0b\rstill\r\ntwo\r\r\nthree\r".encode()
    raws = [raw for batch in read_lines([stream]) for raw in batch.raw]
    assert raws == ["one\u2028still one\x85\x1c\x0b\rstill".encode(), b"two\r", b"three\r"]


def test_blank_lines_keep_their_number() -> None:
    (batch,) = read_lines([b"a\n\n \t\r\nb\n"])
    assert batch.number.tolist() == [0, 3]
    assert batch.skipped == {"blank line": (2, 5)}


@pytest.mark.parametrize(("terminator", "limit"), [(b"\n", 5), (b"\r\n", 5), (b"", 5)])
def test_the_limit_is_of_the_line_without_its_terminator(terminator: bytes, limit: int) -> None:
    for size, damage in [(limit, 0), (limit + 1, Drop.OVERSIZE_RECORD)]:
        (batch,) = read_lines([b"x" * size + terminator], max_record_bytes=limit)
        assert batch.damage.tolist() == [damage]
        assert batch.raw_bytes.tolist() == [size + len(terminator)]


def test_a_line_over_the_limit_is_not_held() -> None:
    given = []

    def chunks_of_a_long_line() -> Iterator[bytes]:
        yield b"first\n"
        for n in range(10_000):
            given.append(n)
            yield bytes(1000)
        yield b"\nlast"

    lines = read_lines(chunks_of_a_long_line(), max_record_bytes=5000, batch_bytes=1000)
    assert list(next(lines).raw) == [b"first"]
    assert len(given) < 10  # what came before it does not wait for its end
    tracemalloc.start()
    oversize, last = lines
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert (oversize.raw_bytes.tolist(), list(oversize.raw)) == ([10_000_001], [b""])
    assert (last.number.tolist(), last.offset.tolist(), list(last.raw)) == ([2], [10_000_007], [b"last"])


def test_a_huge_chunk_becomes_several_batches() -> None:
    batches = list(read_lines([b"0123456\n" * 1000], batch_bytes=800))
    assert len(batches) > 5
    assert [number for batch in batches for number in batch.number] == list(range(1000))


def test_an_empty_stream_has_no_lines() -> None:
    assert list(read_lines([])) == []
    assert list(read_lines([b"", b""])) == []
