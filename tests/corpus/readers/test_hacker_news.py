import pytest

from corpus.drops import Drop
from corpus.readers.hacker_news import Item, parse_item, story_document


def comment(number: int, *kids: int, text: str | None = None, **fields: bool) -> Item:
    return Item(id=number, type="comment", by=f"by{number}", text=text or f"text {number}", kids=kids, **fields)


def story(*kids: int, url: str | None = None, text: str | None = None, score: int = 3) -> Item:
    return Item(1, "story", "me", "A title", url, text, kids, score=score, descendants=len(kids))


def test_a_story_with_its_chains() -> None:
    items = [comment(2, 4, 5, 6), comment(3), comment(4), comment(5, 7), comment(6, 8), comment(7, 9)]
    found = story_document(story(2, 3, url="https://a.b"), {item.id: item for item in items})
    assert found == (
        "\nA title - me\nhttps://a.b\n======\n"
        "by2\ntext 2\n\n~~~\nby5\ntext 5\n\n~~~\nby7\ntext 7\n\n------\nby3\ntext 3\n\n"
    )


def test_the_dead_the_deleted_and_the_missing_are_passed_over() -> None:
    items = {
        2: comment(2, 5, dead=True),
        3: Item(3, "comment", kids=(5,), deleted=True),
        4: comment(4, 5, 6, 99),
        5: comment(5, 1, 1, dead=True),
        6: comment(6),
    }
    found = story_document(story(2, 3, 4, 98), items)
    assert found is not None
    assert [line for line in found.split("\n") if line] == [
        "A title - me", "======", "by4", "text 4", "~~~", "by6", "text 6",
    ]  # fmt: skip


def test_html_is_made_text_in_comments_alone() -> None:
    html = "one &#x27;two&#x27;<p><i>three</i>"
    found = story_document(story(2, text=html), {2: comment(2, text=html)})
    assert found is not None
    assert f"A title - me\n{html}\n======\n" in found
    assert "one 'two'\n" in found and "_three_" in found


def test_a_circle_ends() -> None:
    found = story_document(story(2), {2: comment(2, 3), 3: comment(3, 2)})
    assert found is not None and found.count("by2") == 1


def test_a_chain_of_any_length_is_followed() -> None:
    items = {number: comment(number, number + 1) for number in range(2, 5002)}
    found = story_document(story(2), items)
    assert found is not None and found.count("~~~\n") == 4999


@pytest.mark.parametrize("other", [story(2, score=0), story(), comment(1, 2)])
def test_what_the_pile_takes_no_document_of(other: Item) -> None:
    assert story_document(other, {2: comment(2)}) is None


@pytest.mark.parametrize(
    ("line", "result"),
    [
        (b'{"id": 2, "by": "a", "text": "b", "kids": [3], "time": 7}', Item(id=2, by="a", text="b", kids=(3,))),
        (b'{"id": "2"}', Drop.WRONG_TYPE),
        (b"{}", Drop.WRONG_TYPE),
        (b"null", Drop.WRONG_TYPE),
        (b'{"id": 2', Drop.BROKEN_JSON),
        (b'{"id": 2, "text": "caf\xe9"}', Drop.BROKEN_JSON),
        (b'{"id": 2, "x": ' + b"[" * 100_000, Drop.BROKEN_JSON),
    ],
)
def test_a_line_is_an_item_or_damaged(line: bytes, result: Item | Drop) -> None:
    assert parse_item(line) == result
