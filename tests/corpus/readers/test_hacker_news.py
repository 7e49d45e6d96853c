"""The Pile's document of a story, the form of an item in every dump, and what a hostile comment can do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.drops import Drop
from corpus.readers.hacker_news import MAX_COMMENT_CHARS, Item, chains_of, document_text, newest, parse


def comment(number: int, parent: int, *kids: int, text: str | None = None, **fields: Any) -> Item:
    return Item(number, "comment", parent, f"by{number}", text=text or f"text {number}", kids=kids, **fields)


def story(*kids: int, **fields: Any) -> Item:
    return Item(1, **{"type": "story", "by": "me", "title": "A title", "kids": kids, "score": 3} | fields)


def document(top: Item, items: list[Item]) -> str:
    text = document_text(top, chains_of(top, items))
    assert isinstance(text, str)
    return text


def ids(top: Item, items: list[Item]) -> list[list[int]]:
    return [[item.id for item in chain] for chain in chains_of(top, items)]


def read(line: bytes) -> tuple[Item, int, int]:
    """The item of one line, its damage and its repairs."""
    (item,), damage, repairs = parse(Texts.from_list([line]), np.zeros(1, np.uint8))
    return item, int(damage[0]), int(repairs[0])


def test_a_story_with_its_chains() -> None:
    items = [comment(2, 1, 4, 5, 6), comment(3, 1), comment(4, 2), comment(5, 2, 7), comment(6, 2, 8)]
    items += [comment(7, 5, 9), comment(8, 6)]
    assert document(story(2, 3, url="https://a.b"), items) == (
        "\nA title - me\nhttps://a.b\n======\n"
        "by2\ntext 2\n\n~~~\nby5\ntext 5\n\n~~~\nby7\ntext 7\n\n------\nby3\ntext 3\n\n"
    )


def test_url_and_text_stand_before_the_line() -> None:
    found = document(story(2, url="https://a.b", text="<p>Why?"), [comment(2, 1)])
    assert found.startswith("\n\nA title - me\nhttps://a.b\n<p>Why?\n======\n")
    assert document(story(2, url="", text=""), [comment(2, 1)]).startswith("A title - me\n======\n")


def test_the_dead_the_deleted_and_the_missing_are_passed_over() -> None:
    items = [
        comment(2, 1, 5, dead=True),
        Item(3, "comment", 1, kids=(5,), deleted=True),
        comment(4, 1, 5, 6, 99),
        comment(5, 4, 1, 1, dead=True),
        comment(6, 4),
    ]
    assert ids(story(2, 3, 4, 98), items) == [[4, 6]]


def test_without_kids_the_parents_say_who_replies() -> None:
    """As a table of items has them: replies by id, and of replies that with the most."""
    parents = {2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 5, 8: 5, 9: 6, 10: 6, 11: 6}
    items = [Item(number, "comment", parent, "a", text="b") for number, parent in parents.items()]
    assert ids(story(), items[::-1]) == [[2, 6, 9], [3]]


def test_kids_are_replies_only_if_they_say_so_too() -> None:
    items = [comment(2, 1, 3, 3, 4), comment(3, 2, 2), comment(4, 9), comment(5, 2)]
    assert ids(story(2, 2, 3, 1), items) == [[2, 3]]


def test_html_is_made_text_in_comments_alone() -> None:
    html = "one &#x27;two&#x27;<p><i>three</i>"
    found = document(story(2, text=html), [comment(2, 1, text=html)])
    assert f"A title - me\n{html}\n======\n" in found
    assert "one 'two'\n" in found and "_three_" in found


def test_a_chain_of_any_length_is_followed() -> None:
    items = [comment(number, number - 1, number + 1) for number in range(2, 5002)]
    assert document(story(2), items).count("~~~\n") == 4999


@pytest.mark.parametrize(
    "other",
    [
        story(2, score=0), story(2, score=None), story(), story(3), story(2, dead=True), story(2, deleted=True),
        story(2, title=None), story(2, by=""), story(2, type="job"), story(2, type="poll"), comment(1, 0, 2),
    ],
)  # fmt: skip
def test_what_no_document_is_made_of(other: Item) -> None:
    assert chains_of(other, [comment(2, 1, dead=not other.kids)]) == []


@pytest.mark.parametrize(
    ("text", "drop"),
    [
        (f"&#{'1' * 5000};", Drop.BROKEN_PAGE),
        ("x" * (MAX_COMMENT_CHARS + 1), Drop.OVERSIZE_PAGE),
    ],
)
def test_a_comment_that_html2text_cannot_be_given(text: str, drop: Drop) -> None:
    assert document_text(story(2), [[comment(2, 1)], [comment(3, 1, text=text)]]) is drop


@given(
    st.lists(
        st.sampled_from(["<p>", "<a href=x>", "</a>", "<pre>", "&#xd800;", "&#0;", "<", "é", "<ul>", "<![", " "])
    )
)
def test_what_is_made_of_any_comment_is_unicode(parts: list[str]) -> None:
    found = document_text(story(2), [[comment(2, 1, text="".join(parts))]])
    assert found is Drop.BROKEN_PAGE or str(found).encode()


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (
            b'{"id": 2, "by": "a", "text": "b", "kids": [3], "parent": 1, "time": 7}',
            Item(2, parent=1, by="a", text="b", kids=(3,)),
        ),
        (b'{"id":"2","type":"comment","parent":"1","ranking":"0"}', Item(2, "comment", 1)),
        (
            b'{"id":2,"deleted":0,"dead":1,"parent":0,"poll":0,"kids":[],"url":"","title":"","parts":[]}',
            Item(2, parent=0, kids=(), url="", title="", dead=True, deleted=False),
        ),
        (b'{"id": 2, "type": null, "kids": null, "dead": null, "title": "null"}', Item(2, title="null")),
        (b'{"id": 4294967295}', Item(2**32 - 1)),
    ],
    ids=["the API", "BigQuery", "ClickHouse", "nulls", "the last id"],
)  # fmt: skip
def test_the_form_of_an_item(line: bytes, item: Item) -> None:
    assert read(line) == (item, 0, 0)


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        (b'{"id": 2', Drop.BROKEN_JSON),
        (b"null", Drop.BROKEN_JSON),
        (b'{"id": 2, "x": ' + b"[" * 100_000, Drop.BROKEN_JSON),
        (b"{}", Drop.MISSING_FIELD),
        (b'{"id": 0}', Drop.MISSING_FIELD),
        (b'{"id": "x"}', Drop.WRONG_TYPE),
        (b'{"id": -1}', Drop.WRONG_TYPE),
        (b'{"id": 4294967296}', Drop.WRONG_TYPE),
        (b'{"id": 2, "parent": -1}', Drop.WRONG_TYPE),
        (b'{"id": 2, "kids": 3}', Drop.WRONG_TYPE),
        (b'{"id": 2, "text": 3}', Drop.WRONG_TYPE),
    ],
)
def test_a_line_that_is_no_item(line: bytes, damage: Drop) -> None:
    assert read(line)[1:] == (damage, 0)


def test_what_is_not_unicode_is_repaired_and_counted() -> None:
    assert read(b'{"id": 2, "text": "caf\xe9"}') == (Item(2, text="caf\ufffd"), 0, 1)
    assert read(b'{"id": 2, "by": "\\ud800"}') == (Item(2, by="\ufffd"), 0, 1)


def test_a_damaged_line_keeps_its_damage() -> None:
    lines = Texts.from_list([b"", b'{"id": 2}', b'{"id": 3}'])
    _, damage, repairs = parse(lines, np.array([Drop.OVERSIZE_RECORD, Drop.TRUNCATED_RECORD, 0], np.uint8))
    assert damage.tolist() == [Drop.OVERSIZE_RECORD, Drop.TRUNCATED_RECORD, 0]
    assert repairs.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"id": 9, "parent": 5, "dead": True}, {"id": 9, "parent": 4, "text": "a long one"}),
        ({"id": 9, "parent": 5}, {"id": 9, "parent": 5, "text": "a long one", "dead": True}),
        ({"id": 9, "parent": 5, "text": "longer"}, {"id": 9, "parent": 5, "text": "long"}),
        ({"id": 9, "parent": 5, "text": "a"}, {"id": 9, "parent": 5, "text": "b"}),
    ],
    ids=["moved", "live", "longer", "first"],
)
def test_which_copy_stands_for_an_item(better: dict[str, Any], worse: dict[str, Any]) -> None:
    raw = [json.dumps(fields).encode() for fields in (better, worse)]
    copies = [(read(line)[0], line) for line in raw]
    assert newest(copies) == 0
    assert newest(copies[::-1]) == 1
    assert newest([copies[0], copies[0]]) == 0
