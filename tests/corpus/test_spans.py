"""Finding and cutting in a packed batch, against plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.spans import cut, lines_with, rows_with

WORDS = b"the end, the"
pieces = st.lists(
    st.sampled_from([b"the end, the", b"The END, the", b"the ", b"end", b"\n", b" ", b"x" * 61, b"THE en"])
)
batches = st.lists(pieces.map(b"".join), max_size=5)


def plain_lines(texts: list[bytes], reach: int) -> list[tuple[int, int, int]]:
    found, base = [], 0
    for row, text in enumerate(texts):
        start = base
        for line in text.split(b"\n"):
            if 0 <= line.lower().find(WORDS) <= reach:
                found.append((row, start, start + len(line)))
            start += len(line) + 1
        base += len(text)
    return found


@given(batches, st.integers(0, 80))
@settings(max_examples=500)
def test_lines_with(texts: list[bytes], reach: int) -> None:
    every = np.arange(len(texts))
    assert lines_with(Texts.from_list(texts), every, WORDS, reach) == plain_lines(texts, reach)


@given(batches)
@settings(max_examples=300)
def test_rows_with(texts: list[bytes]) -> None:
    rows = [row for row, text in enumerate(texts) if WORDS in text.lower()]
    assert rows_with(Texts.from_list(texts), WORDS).tolist() == rows


@given(st.lists(st.lists(st.tuples(st.binary(max_size=4), st.booleans()), max_size=5), max_size=5))
@settings(max_examples=500)
def test_cut(texts: list[list[tuple[bytes, bool]]]) -> None:
    spans, at = [], 0
    for text in texts:
        for piece, gone in text:
            if gone:
                spans.append((at, at + len(piece)))
            at += len(piece)
    kept = [b"".join(piece for piece, gone in text if not gone) for text in texts]
    whole = Texts.from_list([b"".join(piece for piece, _ in text) for text in texts])
    assert list(cut(whole, spans)) == kept
