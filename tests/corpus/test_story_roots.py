"""Stories against a walk from parent to parent."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus.story_roots import StoryRoots, pack


def find(links: list[tuple[int, int]]) -> list[int]:
    own, parent = np.array(links, np.uint32).reshape(-1, 2).T
    return StoryRoots.of(pack(own, parent)).of_items(own).tolist()


def walk(links: list[tuple[int, int]]) -> list[int]:
    """The oracle: every item climbs on its own; of copies the greatest parent counts."""
    parents = {own: max(parent for other, parent in links if other == own) for own, _ in links}
    found = []
    for own, _ in links:
        at = own
        while parents[at]:
            at = parents[at] if parents[at] < at and parents[at] in parents else 0
            if not at:
                break
        found.append(at)
    return found


numbers = st.integers(0, 25) | st.sampled_from([2**32 - 1, 2**32 - 2, 2**31])


@given(st.lists(st.tuples(numbers.filter(bool), numbers), max_size=60))
def test_every_item_finds_its_story(links: list[tuple[int, int]]) -> None:
    assert find(links) == walk(links)


def test_a_line_without_an_item_is_in_no_story() -> None:
    assert find([(0, 0), (7, 0), (8, 7), (0, 0)]) == [0, 7, 7, 0]


def test_no_chain_is_too_long_and_order_is_nothing() -> None:
    links = [(number, number - 1) for number in range(1, 200_001)]
    assert set(find(links[::-1])) == {1}


def test_no_items_have_no_stories() -> None:
    assert find([]) == []
