"""What holds of every reader of a stream, whatever its bytes and however they are cut into chunks and batches."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.book_corpus import read_book_corpus
from corpus.readers.dm_mathematics import read_dm_mathematics
from corpus.readers.gutenberg import read_gutenberg
from corpus.readers.jsonl import read_jsonl
from corpus.readers.lines import read_lines
from corpus.readers.open_subtitles import read_open_subtitles
from corpus.readers.pile import read_pile
from corpus.readers.record import Records
from corpus.readers.text import read_text_blocks, read_text_file
from corpus.readers.text_lines import read_text_lines
from corpus.readers.uspto import read_uspto
from corpus.readers.wikipedia import read_wikipedia

SOAK = Path(__file__).parents[3] / "workflows" / "soak"

sys.path.insert(0, str(SOAK))
from accounts import account, broken_laws  # noqa: E402

sys.path.remove(str(SOAK))

DAMAGE = DamagedContainerError("the file ends", where="here", remedy="fetch it again")
LIMIT = 60
XML_LIMIT = 160

Reader = Callable[[Iterable[bytes], int], Iterator[Records]]
READERS: dict[str, Reader] = {
    "pile": lambda chunks, size: read_pile(read_lines(chunks, max_record_bytes=LIMIT, batch_bytes=size)),
    "jsonl": lambda chunks, size: read_jsonl(
        read_lines(chunks, max_record_bytes=LIMIT, batch_bytes=size), "text", "meta.pile_set_name"
    ),
    "text file": lambda chunks, size: read_text_file(chunks, max_record_bytes=LIMIT),
    "text blocks": lambda chunks, size: read_text_blocks(chunks, max_record_bytes=LIMIT, batch_bytes=size),
    "text lines": lambda chunks, size: read_text_lines(
        read_lines(chunks, max_record_bytes=LIMIT, batch_bytes=size)
    ),
    "book corpus": lambda chunks, _: read_book_corpus(chunks, 2, max_record_bytes=LIMIT),
    "gutenberg": lambda chunks, _: read_gutenberg(chunks, max_record_bytes=LIMIT),
    "wikipedia": lambda chunks, _: read_wikipedia(chunks, max_record_bytes=XML_LIMIT),
    "open subtitles": lambda chunks, _: read_open_subtitles(chunks, max_record_bytes=XML_LIMIT),
    "uspto": lambda chunks, _: read_uspto(chunks, max_record_bytes=XML_LIMIT),
    "dm mathematics": lambda chunks, _: read_dm_mathematics(chunks, max_record_bytes=LIMIT),
}


def json_line(text: str, label: str) -> bytes:
    return json.dumps({"text": text, "meta": {"pile_set_name": label}}).encode()


sound = st.builds(json_line, st.text(max_size=3), st.sampled_from(["ArXiv", "Github", "USPTO"]))
fragments = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b" ",
        b"\xef\xbb\xbf",
        b"{}",
        b'{"text": "a\xff", "meta": {}}',
        b'{"text":"\\ud800"}',
        b"[" * 40,
        b"  <page>\n",
        b"PATN\nBSUM\nPAC  BACKGROUND\nPAR  a\n",
        b"     wrapped\nPAC  b\n",
        b"<?xml version='1.0'?>\n<a><description><heading>BACKGROUND</heading><p>b</p></description></a>\n",
        b"<title>T</title><ns>0</ns>",
        b"<revision><text>",
        b"a &amp; <b>b</b> [[c|d]]{{e",
        b"</text></revision></page>\n",
        b"<page><title>T</title><ns>0</ns><revision><text>[[a|b]] &amp;lt;</text></revision></page>\n",
        b"<page><title>T</title><ns>0</ns><redirect title='a'/><revision><text>a</text></revision></page>\n",
    ]
)
streams = st.lists(sound | fragments | fragments | st.binary(max_size=30), max_size=20).map(b"".join)


def cut_up(stream: bytes, cuts: list[int], damaged: bool) -> Iterator[bytes]:
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    yield from (stream[start:stop] for start, stop in pairwise(bounds))
    if damaged:
        raise DAMAGE


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@settings(max_examples=200)
@given(streams, st.lists(st.integers(0, 1000), max_size=8), st.sampled_from([1, 40, 10_000]), st.booleans())
def test_laws(reader: Reader, stream: bytes, cuts: list[int], size: int, damaged: bool) -> None:
    taken = account(reader(cut_up(stream, cuts, damaged), size), stream)

    assert taken.error == (str(DAMAGE) if damaged else "")
    assert broken_laws(taken, XML_LIMIT, is_lines=False) == []
    assert all(row.repairs <= len(row.raw) for row in taken.rows)
    whole = taken.rows[:-1] if damaged else taken.rows
    assert all(row.damage != Drop.TRUNCATED_RECORD for row in whole)

    assert taken == account(reader(cut_up(stream, [], damaged), len(stream) + 1), stream)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@given(streams)
def test_a_record_alone_is_the_same_as_in_any_batch(reader: Reader, stream: bytes) -> None:
    for row in account(reader([stream], 10_000), stream).rows:
        if row.damage == Drop.OVERSIZE_RECORD or row.raw.startswith(b"\xef\xbb\xbf"):
            continue  # its raw bytes are not here to be read again; or, at a stream's start, a BOM is one
        if not row.raw:
            continue  # of a BOM and nothing else; a stream of no bytes has no record
        alone = account(reader([row.raw], 10_000), row.raw)
        assert [again[4:] for again in alone.rows] == [row[4:]]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@given(st.binary(max_size=2000))
def test_garbage_is_rows_not_errors(reader: Reader, stream: bytes) -> None:
    taken = account(reader([stream], 100), stream)
    assert not taken.error
    assert broken_laws(taken, XML_LIMIT, is_lines=False) == []
