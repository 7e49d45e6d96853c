"""Texts laid out as a forest, against lists of Python: who sees whom, wherever the rows are cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.forest import Around, Forest
from evaluation.request import Request, common_prefix

Text = tuple[int, ...]


@st.composite
def texts(draw: st.DrawFn) -> list[tuple[Text, int]]:
    """Requests as (ids, how many are scored): of few ids, so that many begin alike; some go on from another."""
    ids = st.sampled_from([0, 1, 2, 255, 256, 50_271, 65_535])
    found: list[Text] = []
    for _ in range(draw(st.integers(1, 8))):
        before = draw(st.sampled_from([(), *found]))
        cut = draw(st.integers(0, len(before)))
        fresh = draw(st.lists(ids, min_size=max(0, 2 - cut), max_size=6))
        found.append((*before[:cut], *fresh))
    return [(text, draw(st.integers(1, len(text) - 1))) for text in found]


def forest_of(asked: list[tuple[Text, int]]) -> Forest:
    return Forest.of([Request(np.array(text, np.uint16), scored) for text, scored in asked])


def prefixes(asked: list[tuple[Text, int]]) -> list[Text]:
    """What there is to compute: each beginning of what goes in, once, in the order of ids."""
    return sorted({text[:end] for text, _ in asked for end in range(1, len(text))})


@given(texts())
def test_each_beginning_is_a_row_once(asked: list[tuple[Text, int]]) -> None:
    forest, rows = forest_of(asked), prefixes(asked)
    assert forest.token.tolist() == [row[-1] for row in rows]
    assert forest.place.tolist() == [len(row) - 1 for row in rows]
    for (text, scored), target in zip(asked, forest.targets, strict=True):
        assert [rows[row] for row in target.tolist()] == [
            text[:end] for end in range(len(text) - scored, len(text))
        ]


@given(texts())
def test_a_row_ends_where_nothing_goes_on_from_it(asked: list[tuple[Text, int]]) -> None:
    rows = prefixes(asked)
    for number, (row, end) in enumerate(zip(rows, forest_of(asked).end.tolist(), strict=True)):
        going_on = [other for other, text in enumerate(rows) if text[: len(row)] == row]
        assert going_on == list(range(number, end))


@given(texts(), st.integers(1, 40))
def test_every_cut_into_blocks_sees_the_same(asked: list[tuple[Text, int]], size: int) -> None:
    forest, rows = forest_of(asked), prefixes(asked)
    blocks = forest.blocks(size)
    assert [first for first, _, _ in blocks] == [0, *(end for _, end, _ in blocks[:-1])]
    assert blocks[-1][1] == len(rows)
    for first, end, above in blocks:
        assert first < end <= first + size
        seen = [*above.tolist(), *range(first, end)]
        for row in range(first, end):
            visible = {one for one in seen if one <= row < forest.end[one]}
            assert {rows[one] for one in visible} == {
                rows[row][:length] for length in range(1, len(rows[row]) + 1)
            }


@settings(max_examples=30)
@given(texts(), st.integers(1, 9))
def test_attention_is_that_of_each_text_alone(asked: list[tuple[Text, int]], size: int) -> None:
    forest, rows = forest_of(asked), prefixes(asked)
    query_BHTK, key_BHTK, value_BHTK = torch.randn(
        3, 1, 2, len(rows), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    found = Around(forest, query_BHTK, size).attend(0, query_BHTK, key_BHTK, value_BHTK)
    number = {row: at for at, row in enumerate(rows)}
    for row, at in number.items():
        seen = [number[row[:length]] for length in range(1, len(row) + 1)]
        scores = torch.einsum("hk,hsk->hs", query_BHTK[0, :, at], key_BHTK[0, :, seen]) / 2
        expected = torch.einsum("hs,hsk->hk", scores.softmax(-1), value_BHTK[0, :, seen])
        torch.testing.assert_close(found[0, :, at], expected, rtol=0, atol=1e-12)


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_a_common_prefix_is_as_long_as_it_is(one: list[int], other: list[int]) -> None:
    expected = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    assert common_prefix(np.array(one, np.uint16), np.array(other, np.uint16)) == expected


@pytest.mark.parametrize("size", [4, 8])
def test_a_block_ends_between_two_texts_where_it_can(size: int) -> None:
    """Three texts of six tokens: a block of eight could hold one and a third of one."""
    forest = forest_of([((first, 1, 2, 3, 4, 5, 6), 1) for first in (10, 20, 30)])
    blocks = forest.blocks(size)
    if size == 8:
        assert [(first, end, len(above)) for first, end, above in blocks] == [(0, 6, 0), (6, 12, 0), (12, 18, 0)]
    else:
        assert (
            all(end - first <= 4 for first, end, _ in blocks)
            and [len(above) for *_, above in blocks].count(0) == 3
        )
