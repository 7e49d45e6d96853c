"""CC-News and WET from whole streams: what is a row, what is skipped and why, and the laws of every reader."""

import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.cc_news import read_cc_news
from corpus.readers.container import decompress
from corpus.readers.record import Records
from corpus.readers.wet import read_wet

LIMIT = 3000
PROSE = " ".join(f"This is sentence {n}, long enough to be taken for prose by anyone." for n in range(12))
HTML = f"<html><body><article><p>{PROSE}</p></article></body></html>".encode()
DAMAGE = DamagedContainerError("the file ends", where="here", remedy="fetch it again")


def warc(
    block: bytes, kind: str = "response", date: str = "2019-11-20T10:00:00Z", url: str = "http://a.b/c"
) -> bytes:
    fields = {"WARC-Type": kind, "WARC-Date": date, "WARC-Target-URI": url, "Content-Length": str(len(block))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"WARC/1.0\r\n{head}\r\n".encode() + block + b"\r\n\r\n"


def http(body: bytes = HTML, status: int = 200, media_type: str = "text/html", more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\n{more}\r\n".encode() + body


Reader = Callable[[Iterable[bytes], int], Iterator[Records]]
READERS: dict[str, Reader] = {
    "cc-news": lambda chunks, size: read_cc_news(chunks, "resiliparse", max_record_bytes=LIMIT, batch_bytes=size),
    "wet": lambda chunks, size: read_wet(chunks, max_record_bytes=LIMIT, batch_bytes=size),
}

messages = st.builds(
    http,
    st.sampled_from([HTML, b"", b"caf\xe9 \xff", b"<div>" * 300]) | st.binary(max_size=50),
    st.sampled_from([200, 200, 404]),
    st.sampled_from(["text/html; charset=utf-8", "application/xhtml+xml", "text/plain"]),
    st.sampled_from(["", "Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n"]),
)
kinds = st.sampled_from(["response", "response", "conversion", "warcinfo", "request", "strange"])
dates = st.sampled_from(["2019-11-20T10:00:00Z", "2022-01-01T00:00:00Z", "soon", ""])
sound = st.builds(warc, messages | st.binary(max_size=60), kinds, dates)
fragments = st.sampled_from([b"\r\n", b"WARC/1.0\r\n", b"x" * (LIMIT + 9)]) | st.binary(max_size=30)
streams = st.lists(sound | sound | sound | fragments, max_size=8).map(b"".join)


def cut_up(stream: bytes, cuts: list[int], damaged: bool) -> Iterator[bytes]:
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    yield from (stream[start:stop] for start, stop in pairwise(bounds))
    if damaged:
        raise DAMAGE


def read(batches: Iterator[Records]) -> tuple[list[tuple[object, ...]], Counter[str], bool]:
    """Rows of (number, offset, raw, raw bytes, text, damage, repairs, facts); skipped bytes; ended in damage."""
    rows: list[tuple[object, ...]] = []
    skipped: Counter[str] = Counter()
    try:
        for batch in batches:
            facts = [
                dict(zip(batch.facts, values, strict=True)) for values in zip(*batch.facts.values(), strict=True)
            ]
            columns = (batch.number.tolist(), batch.offset.tolist(), batch.raw, batch.raw_bytes.tolist())
            rows += zip(*columns, batch.text, batch.damage.tolist(), batch.repairs.tolist(), facts, strict=True)
            skipped.update({label: raw_bytes for label, (_, raw_bytes) in batch.skipped.items()})
    except DamagedContainerError as error:
        assert error is DAMAGE
        return rows, skipped, True
    return rows, skipped, False


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@settings(max_examples=150)
@given(streams, st.lists(st.integers(0, 9000), max_size=6), st.sampled_from([1, 900, 10**6]), st.booleans())
def test_laws(reader: Reader, stream: bytes, cuts: list[int], size: int, damaged: bool) -> None:
    rows, skipped, ended_in_damage = read(reader(cut_up(stream, cuts, damaged), size))

    assert ended_in_damage == damaged
    assert sum(row[3] for row in rows) + skipped.total() == len(stream)  # type: ignore[misc]
    assert all(one[0] < another[0] for one, another in pairwise(rows))  # type: ignore[operator]
    for _, offset, raw, _, text, damage, _, _ in rows:
        assert isinstance(raw, bytes)
        assert isinstance(offset, int)
        assert isinstance(text, bytes)
        assert stream[offset:].startswith(raw)
        assert len(raw) <= LIMIT
        assert damage in (0, *(drop for drop in Drop if drop < Drop.EMPTY))
        assert not (damage and text)
        text.decode()
        if damage != Drop.OVERSIZE_RECORD and raw:
            (alone,), _, _ = read(reader([raw], size))
            assert (
                alone[4:] == (rows[[row[1] for row in rows].index(offset)])[4:] or damage == Drop.TRUNCATED_RECORD
            )
    assert (rows, skipped, damaged) == read(reader(cut_up(stream, [], damaged), len(stream) + 1))


@pytest.mark.parametrize(
    ("record", "label"),
    [
        (warc(b"software: x", "warcinfo"), "warcinfo"),
        (warc(b"GET / HTTP/1.1", "request"), "request"),
        (warc(b"", "made-up"), "other kind of record"),
        (warc(http(status=404)), "status 404"),
        (warc(http(status=301, media_type="text/plain")), "status 301"),
        (warc(http(media_type="application/pdf")), "not html"),
        (warc(b"HTTP/1.1 200 OK\r\n\r\n" + HTML), "not html"),
        (warc(http(), date="2021-09-29T00:00:00Z"), "after the cut-off"),
    ],
)
def test_what_is_no_page_is_skipped_under_its_reason(record: bytes, label: str) -> None:
    rows, skipped, _ = read(read_cc_news([record], "resiliparse"))
    assert (rows, skipped) == ([], Counter({label: len(record)}))


@pytest.mark.parametrize(
    ("record", "damage"),
    [
        (warc(http(), date=""), Drop.MISSING_FIELD),
        (warc(http(), date="2021"), Drop.WRONG_TYPE),
        (warc(b"no http"), Drop.BROKEN_PAGE),
        (warc(http(more="Content-Encoding: strange\r\n")), Drop.BROKEN_PAGE),
        (warc(http(HTML + b"<div>" * 10**5)), Drop.OVERSIZE_PAGE),
        (warc(http())[:-40], Drop.BROKEN_RECORD),
    ],
)
def test_what_cannot_be_read_is_a_row(record: bytes, damage: Drop) -> None:
    rows, _, _ = read(read_cc_news([record], "resiliparse"))
    assert [(row[4], row[5]) for row in rows] == [(b"", damage)]


def test_the_cut_off_is_the_caller_s() -> None:
    record = warc(http(), date="2021-09-28T23:59:59.7Z")
    assert len(read(read_cc_news([record], "resiliparse"))[0]) == 1
    assert len(read(read_cc_news([record], "resiliparse", until="2021-09-28T23:59:58Z"))[0]) == 0
    assert len(read(read_cc_news([warc(http(), date="2030-01-01T00:00:00Z")], "resiliparse", until=""))[0]) == 1


def test_a_page_has_its_facts() -> None:
    more = "tdm-reservation: 1\r\nX-Robots-Tag: noai\r\n"
    rows, _, _ = read(read_cc_news([warc(http(more=more), url="<http://a.b/c>")], "resiliparse"))
    opt_out = "tdm-reservation: 1; x-robots-tag: noai"
    assert [row[7] for row in rows] == [
        {"url": "http://a.b/c", "date": "2019-11-20T10:00:00Z", "opt_out": opt_out}
    ]
    assert [row[4] for row in rows] == [PROSE.encode()]


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".warc", b"".join),
        (".warc.gz", lambda parts: b"".join(map(gzip.compress, parts))),
        (".warc.gz", lambda parts: gzip.compress(b"".join(parts))),
        (".warc.zst", lambda parts: b"".join(map(zstandard.compress, parts))),
    ],
    ids=["plain", "gzip by record", "gzip whole", "zstd by record"],
)
def test_every_packing_reads_the_same(suffix: str, pack: Callable[[list[bytes]], bytes]) -> None:
    parts = [
        warc(b"x: y", "warcinfo"),
        warc(http()),
        warc(b"GET /", "request"),
        warc(http(status=500)),
        warc(http()),
    ]
    chunks = decompress(io.BytesIO(pack(parts)), f"a{suffix}")
    assert read(read_cc_news(chunks, "trafilatura")) == read(read_cc_news([b"".join(parts)], "trafilatura"))


def test_a_conversion_is_its_text() -> None:
    record = warc("naïve ".encode() + b"\xff", "conversion")
    rows, skipped, _ = read(read_wet([warc(b"x", "warcinfo") + record]))
    facts = {"url": "http://a.b/c", "date": "2019-11-20T10:00:00Z", "language": ""}
    assert [(row[0], *row[4:]) for row in rows] == [(1, "naïve �".encode(), 0, 1, facts)]
    assert skipped == {"warcinfo": len(warc(b"x", "warcinfo"))}
