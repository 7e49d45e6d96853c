"""Which examples an item is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from evaluation.item import Choice, Example, Item
from evaluation.shots import Shots


def item(key: str, family: str = "") -> Item:
    return Item(key, (Choice("one", " two"), Choice("one", " three")), (0,), family=family)


@given(some.integers(0, 12), some.integers(1, 9), some.integers(0, 3), some.sampled_from(["drawn", "fixed"]))
def test_examples_are_others_each_once_and_as_many_as_there_are(
    count: int, pool: int, families: int, preamble: str
) -> None:
    examples = [Example(f"k{one}", f"text {one}", f"f{one % families}" if families else "") for one in range(pool)]
    own = item("k0", "f0" if families else "")
    drawn = Shots(count, 3, preamble).draw("task", own, examples)  # type: ignore[arg-type]
    allowed = [one for one in examples if one.key != "k0" and (not families or one.family != "f0")]
    assert len(drawn) == min(count, len(allowed))
    assert len({one.key for one in drawn}) == len(drawn)
    assert all(one in allowed for one in drawn)


def test_each_item_draws_its_own_and_the_same_again() -> None:
    pool = [Example(f"p{one}", f"text {one}", "") for one in range(200)]
    shots = Shots(4, seed=1)
    draws = {key: shots.draw("task", item(key), pool) for key in "abcdef"}
    assert len({tuple(draw) for draw in draws.values()}) == 6
    assert shots.draw("task", item("a"), pool) == draws["a"]
    assert Shots(4, seed=2).draw("task", item("a"), pool) != draws["a"]
    assert shots.draw("other", item("a"), pool) != draws["a"]
    # More examples begin with the fewer.
    assert Shots(9, seed=1).draw("task", item("a"), pool)[:4] == draws["a"]


def test_a_fixed_preamble_is_the_same_for_all_but_those_it_is_made_of() -> None:
    pool = [Example(f"p{one}", f"text {one}", "") for one in range(50)]
    shots = Shots(3, seed=1, preamble="fixed")
    usual = shots.draw("task", item("a"), pool)
    assert shots.draw("task", item("b"), pool) == usual
    instead = shots.draw("task", item(usual[1].key), pool)
    assert usual[1] not in instead
    assert [instead[0], instead[1]] == [usual[0], usual[2]]
