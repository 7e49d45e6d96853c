"""WARC framing against FastWARC where the file is sound, and by the laws of every reader where it is not."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.warc import WarcRecord, read_warc

DAMAGE = DamagedContainerError("the file ends", where="here", remedy="fetch it again")
LIMIT = 300


def record(block: bytes, kind: str = "response", length: int | None = None, newline: bytes = b"\r\n") -> bytes:
    lines = [
        b"WARC/1.0",
        b"WARC-Type: " + kind.encode(),
        b"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>",
        b"Content-Length: %d" % (len(block) if length is None else length),
        b"",
        b"",
    ]
    return newline.join(lines) + block + 2 * newline


def read(chunks: Iterable[bytes]) -> tuple[list[WarcRecord], bool]:
    """The records, and whether reading ended in damage."""
    records = []
    try:
        for one in read_warc(chunks, max_record_bytes=LIMIT):
            records.append(one)
    except DamagedContainerError as error:
        assert error is DAMAGE
        return records, True
    return records, False


def cut_up(stream: bytes, cuts: list[int], damaged: bool = False) -> Iterator[bytes]:
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    yield from (stream[start:stop] for start, stop in pairwise(bounds))
    if damaged:
        raise DAMAGE


def damages(stream: bytes) -> list[Drop]:
    return [one.damage for one in read([stream])[0]]


blocks = st.binary(max_size=60) | st.sampled_from(
    [b"", b"\r\n\r\n", b"WARC/1.0\r\n", b"x\r\nWARC/1.0\r\nA: b\r\n\r\n"]
)
lengths = st.none() | st.integers(0, 400) | st.sampled_from([10**9, 10**17])
sound = st.builds(record, blocks, st.sampled_from(["response", "request", "conversion"]))
broken = st.builds(record, blocks, st.just("response"), lengths, st.sampled_from([b"\r\n", b"\n"]))
fragments = st.sampled_from(
    [b"\r\n", b"\n", b"WARC/1.", b"WARC/1.0\r\n", b"\nWARC/1.1\n\n", b"x" * 400, b"\r\n" * 200]
)
streams = st.lists(sound | sound | broken | fragments | st.binary(max_size=30), max_size=12).map(b"".join)


@settings(max_examples=400)
@given(streams, st.lists(st.integers(0, 2000), max_size=8), st.booleans())
@example(b"x" * (2 * LIMIT) + b"\r\n" + record(b"after"), [3, 64, 301, 601], False)
@example(b"\r\n" * LIMIT, [1, 2, 400], False)
def test_every_byte_is_some_record_s_however_the_stream_is_cut(
    stream: bytes, cuts: list[int], damaged: bool
) -> None:
    records, ended_in_damage = read(cut_up(stream, cuts, damaged))

    assert ended_in_damage == damaged
    assert [one.number for one in records] == list(range(len(records)))
    at = 0
    for one in records:
        assert one.offset == at
        assert stream[at:].startswith(one.raw)
        assert len(one.raw) <= LIMIT
        assert one.raw.endswith(one.block)
        assert one.damage or one.head
        at += one.raw_bytes
    assert at == len(stream)
    assert all(one.damage != Drop.TRUNCATED_RECORD for one in (records[:-1] if damaged else records))
    assert (records, damaged) == read(cut_up(stream, [], damaged))


@given(streams)
def test_a_record_alone_is_the_same(stream: bytes) -> None:
    for one in read([stream])[0]:
        if one.damage != Drop.OVERSIZE_RECORD and one.raw:
            (alone,), _ = read([one.raw])
            assert (alone.raw, alone.head, alone.block, alone.damage) == (one.raw, one.head, one.block, one.damage)


@given(st.lists(sound, max_size=8))
def test_a_sound_stream_reads_as_fastwarc_reads_it(parts: list[bytes]) -> None:
    ours, _ = read([b"".join(parts)])
    theirs = ArchiveIterator(io.BytesIO(b"".join(parts)), parse_http=False)
    assert [(one.offset, one.kind, one.block) for one in ours] == [
        (one.stream_pos, str(one.record_type), one.reader.read()) for one in theirs
    ]
    assert [one.raw_bytes for one in ours] == list(map(len, parts))


@given(st.binary(max_size=50), st.lists(sound, max_size=3), st.lists(sound, min_size=1, max_size=3))
def test_one_broken_record_costs_no_other(garbage: bytes, before: list[bytes], after: list[bytes]) -> None:
    stream = b"".join([*before, b"no header\r\n" + garbage + b"\r\n", *after])
    records, _ = read([stream])
    blocks = Counter(one.block for one in records if not one.damage)
    # The record before the garbage does not end where it says, so it is part of the damage.
    assert blocks >= Counter(part.partition(b"\r\n\r\n")[2][:-4] for part in [*before[:-1], *after])


@pytest.mark.parametrize("length", [0, 4, 10, 60, 250, 10**9, 10**17])
def test_a_wrong_length_is_one_damaged_row(length: int) -> None:
    stream = record(b"first") + record(b"hello", length=length) + record(b"third") + record(b"fourth")
    records, _ = read([stream])
    assert [one.damage for one in records] == [Drop.KEPT, Drop.BROKEN_RECORD, Drop.KEPT, Drop.KEPT]
    assert [one.block for one in records] == [b"first", b"", b"third", b"fourth"]


PARTS = [record(word * 20) for word in (b"first", b"second", b"third", b"fourth")]
LONG, SHORT, ENDLESS = (record(b"second" * 20, length=length) for length in (300, 50, 10**9))


@pytest.mark.parametrize(
    ("stream", "theirs"),
    [
        (PARTS[0] + b"garbage\r\n" + b"".join(PARTS[1:]), None),
        (PARTS[0] + LONG + PARTS[2] + PARTS[3], None),
        (PARTS[0] + SHORT + PARTS[2] + PARTS[3], None),
        (PARTS[0] + ENDLESS + PARTS[2] + PARTS[3], [100, 120 + 4 + len(PARTS[2] + PARTS[3])]),
        (PARTS[0] + PARTS[1][:-80], [100, 44]),
    ],
    ids=["garbage", "too long", "too short", "endless", "cut"],
)
def test_why_the_framing_is_our_own(stream: bytes, theirs: list[int] | None) -> None:
    """FastWARC stops with an error, or gives what is no whole record as one; ours says so and reads on."""
    iterator = ArchiveIterator(io.BytesIO(stream), parse_http=False)
    if theirs is None:
        with pytest.raises(OSError, match="Invalid WARC header"):
            list(iterator)
    else:
        assert [len(one.reader.read()) for one in iterator] == theirs
    records, _ = read([stream])
    assert [one.damage for one in records if one.damage] == [Drop.BROKEN_RECORD]
    assert sum(one.raw_bytes for one in records) == len(stream)
    assert [one.block for one in records][2:] == [b"third" * 20, b"fourth" * 20][: len(records) - 2]


@pytest.mark.parametrize("length", [b"", b"five", b"-5", b"5 ", b"5, 5", "٥".encode()])
def test_a_length_is_digits(length: bytes) -> None:
    stream = record(b"hello").replace(b"Content-Length: 5", b"Content-Length: " + length)
    assert damages(stream) == [Drop.KEPT if length == b"5 " else Drop.BROKEN_RECORD]


def test_a_header_of_line_feeds_folded_lines_and_repeated_names() -> None:
    stream = (
        b"WARC/1.1\nwarc-type:Response\nWARC-Target-URI: <http://a\n b>\nwarc-type: x\nCONTENT-LENGTH: 2\n\nhi\n\n"
    )
    (one,), _ = read([stream])
    assert (one.kind, one.url, one.block) == ("response", "http://a b", b"hi")


def test_a_record_over_the_limit_is_passed_over() -> None:
    stream = record(b"x" * 5000) + record(b"second")
    records, _ = read(cut_up(stream, list(range(0, 6000, 7))))
    assert [(one.damage, one.block) for one in records] == [(Drop.OVERSIZE_RECORD, b""), (Drop.KEPT, b"second")]
    assert records[0].raw_bytes == len(record(b"x" * 5000))


def test_what_was_read_before_the_container_broke_is_given() -> None:
    stream = record(b"first") + record(b"second")[:-12]
    records, damaged = read(cut_up(stream, [], damaged=True))
    assert damaged
    assert [one.damage for one in records] == [Drop.KEPT, Drop.TRUNCATED_RECORD]


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_record_is_sound_though_the_next_one_s_header_is_cut(cut: int) -> None:
    assert damages(record(b"first") + b"WARC/1.0"[:cut]) == [Drop.KEPT, Drop.BROKEN_RECORD]


def test_a_long_record_is_held_once() -> None:
    stream = io.BytesIO(record(b"y" * 10**6))
    (one,) = read_warc(iter(lambda: stream.read(1000), b""))
    assert len(one.block) == 10**6
