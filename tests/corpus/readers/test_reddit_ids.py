"""The ids of Reddit's dumps: every form they have had, what is none, and base 36 there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reddit_lines import a_comment, a_submission, damaged, number, post, record

from corpus.drops import Drop
from corpus.readers.reddit import COMMENT, SUBMISSION, base36, names


def ids_of(**fields: object) -> tuple[int, int, int, int, int]:
    read = post(a_comment(**fields))
    return read["damage"], read["thread"], read["id"], read["parent_kind"], read["parent"]


THREAD, OWN, PARENT = number("5yba3"), number("c1"), number("c0")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"link_id": "5yba3"}, (0, THREAD, OWN, COMMENT, PARENT)),
        ({"id": "t1_c1"}, (0, THREAD, OWN, COMMENT, PARENT)),
        ({"id": "C1", "link_id": "t3_5YBA3"}, (0, THREAD, OWN, COMMENT, PARENT)),
        ({"parent_id": "t3_5yba3"}, (0, THREAD, OWN, SUBMISSION, THREAD)),
        ({"parent_id": "t3_other"}, (0, THREAD, OWN, SUBMISSION, number("other"))),
        ({"parent_id": "t1_5yba3"}, (0, THREAD, OWN, COMMENT, THREAD)),
        ({"parent_id": None}, (0, THREAD, OWN, SUBMISSION, THREAD)),
        ({"parent_id": ""}, (0, THREAD, OWN, SUBMISSION, THREAD)),
        ({"parent_id": "c0"}, (0, THREAD, OWN, COMMENT, PARENT)),
        ({"parent_id": "5yba3"}, (0, THREAD, OWN, SUBMISSION, THREAD)),
        ({"id": OWN, "link_id": THREAD, "parent_id": PARENT}, (0, THREAD, OWN, COMMENT, PARENT)),
        ({"id": OWN, "link_id": THREAD, "parent_id": THREAD}, (0, THREAD, OWN, SUBMISSION, THREAD)),
        ({"id": OWN, "link_id": THREAD, "parent_id": None}, (0, THREAD, OWN, SUBMISSION, THREAD)),
        ({"link_id": "t3_5yba3", "parent_id": THREAD}, (0, THREAD, OWN, SUBMISSION, THREAD)),
        ({"id": 0, "link_id": "0", "parent_id": "t3_0"}, (0, 0, 0, SUBMISSION, 0)),
        ({"id": 2**64 - 1}, (0, THREAD, 2**64 - 1, COMMENT, PARENT)),
        ({"id": base36(2**64 - 1)}, (0, THREAD, 2**64 - 1, COMMENT, PARENT)),
        ({"id": "000000000000000000c1"}, (0, THREAD, OWN, COMMENT, PARENT)),
    ],
)
def test_reads_ids_of_every_form(fields: dict[str, object], expected: tuple[int, ...]) -> None:
    assert ids_of(**fields) == expected


def test_a_comment_without_parent_id_is_at_the_top() -> None:
    read = post(record(id="c1", link_id="t3_5yba3", body="text"))
    assert (read["damage"], read["parent_kind"], read["parent"]) == (0, SUBMISSION, THREAD)


BAD_IDS = [2**64, -1, 1.0, True, ["c1"], {}, base36(2**64), "zzzzzzzzzzzzz", "1" + 13 * "0", "1" * 40]
BAD_IDS += [
    "t2_c1",
    "t5_c1",
    "t9_c1",
    "t1_",
    "t3_",
    "_",
    "t1_t1_c1",
    " c1",
    "c1 ",
    "c_1",
    "+1",
    "-1",
    "c1\n",
    "é",
    "١",
]


@pytest.mark.parametrize("value", BAD_IDS)
@pytest.mark.parametrize("field", ["id", "link_id", "parent_id"])
def test_what_is_no_id_is_of_the_wrong_type(field: str, value: object) -> None:
    assert post(a_comment(**{field: value})) == damaged(Drop.WRONG_TYPE)


@pytest.mark.parametrize("fields", [{"id": "t3_c1"}, {"link_id": "t1_5yba3"}])
def test_a_prefix_of_another_kind_is_of_the_wrong_type(fields: dict[str, object]) -> None:
    assert post(a_comment(**fields)) == damaged(Drop.WRONG_TYPE)
    assert post(a_submission(id="t1_5yba3")) == damaged(Drop.WRONG_TYPE)


@given(st.integers(0, 2**64 - 1))
def test_base36_is_what_int_reads(value: int) -> None:
    assert int(base36(value), 36) == value
    assert base36(value) == base36(value).lower()
    assert value == 0 or base36(value)[0] != "0"


@given(st.lists(st.tuples(st.sampled_from([COMMENT, SUBMISSION]), st.integers(0, 2**64 - 1))))
@example([(COMMENT, 0), (SUBMISSION, 35), (COMMENT, 36), (COMMENT, 36**12), (SUBMISSION, 2**64 - 1)])
def test_names_are_those_of_one_post_after_the_other(posts: list[tuple[int, int]]) -> None:
    kind, own = np.array([post[0] for post in posts], np.uint8), np.array([post[1] for post in posts], np.uint64)
    assert [name.decode() for name in names(kind, own)] == [f"t{kind}_{base36(own)}" for kind, own in posts]
