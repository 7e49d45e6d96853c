r"""Hacker News: the items of one story (the API's JSON, one a line) as the document that the Pile makes of them.

    title - author
    ======
    commenter                       a top comment
    text
    ~~~
    commenter                       below it one chain: of each one's replies that with the most replies, or the
    text                            first of those
    ------
    commenter                       the next top comment

The story's URL and its text, if it has them, stand on lines of their own before `======`, each with one more line
feed before it all; that text stays HTML, a comment's goes through html2text with its defaults: the Pile's code
means to set others, on names that html2text does not read. Source: the rules of that code (hn-scraper).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from corpus.drops import Drop
from corpus.errors import RecipeError

VERSION = 1

_BODY_WIDTH = 78  # html2text's default, named so that another release cannot move it


class Item(msgspec.Struct, frozen=True, gc=False):
    """What we use of an item."""

    id: int
    type: str = ""
    by: str | None = None
    title: str | None = None
    url: str | None = None
    text: str | None = None
    kids: tuple[int, ...] = ()
    score: int | None = None
    descendants: int | None = None
    dead: bool = False
    deleted: bool = False


_decode = msgspec.json.Decoder(Item).decode


def parse_item(line: bytes) -> Item | Drop:
    """An item; `Drop.BROKEN_JSON` where the line is not JSON in UTF-8, `Drop.WRONG_TYPE` where it is no item."""
    try:
        line.decode()
        return _decode(line)
    except msgspec.ValidationError:
        return Drop.WRONG_TYPE
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Drop.BROKEN_JSON


def story_document(story: Item, comments: Mapping[int, Item]) -> str | None:
    """The document of a story; None where the Pile takes none: dead, no story, no points, or no comments.

    Args:
        story: The item at the top.
        comments: The items below it, by id; those missing, dead or without a text are passed over.

    Raises:
        RecipeError: html2text is not installed.
    """
    counted = story.type == "story" and not story.dead and story.title is not None and story.by is not None
    if not counted or (story.score or 0) < 1 or (story.descendants or 0) < 1:
        return None
    optional = [part for part in (story.url, story.text) if part is not None]
    header = "\n" * len(optional) + "".join(f"{part}\n" for part in (f"{story.title} - {story.by}", *optional))
    chains = ["~~~\n".join(_chain(top, comments)) for top in _live(story.kids, comments)]
    return f"{header}======\n" + "------\n".join(chains)


def _chain(top: Item, comments: Mapping[int, Item]) -> Iterator[str]:
    """The texts from a top comment down."""
    seen: set[int] = set()  # a damaged dump may hold a circle
    comment: Item | None = top
    while comment is not None and comment.id not in seen:
        seen.add(comment.id)
        yield f"{comment.by}\n{_plain(comment.text or '')}"
        comment = max(_live(comment.kids, comments), key=lambda reply: len(reply.kids), default=None)


def _live(ids: tuple[int, ...], comments: Mapping[int, Item]) -> list[Item]:
    found = (comments.get(number) for number in ids)
    return [item for item in found if item and item.text is not None and item.by and not item.dead]


def _plain(html: str) -> str:
    try:
        import html2text
    except ImportError as error:
        raise RecipeError(
            "Hacker News is read with html2text, which is not installed",
            where="reader hacker-news",
            remedy="pip install 'tokentrail[hn]'",
        ) from error
    return html2text.HTML2Text(bodywidth=_BODY_WIDTH).handle(html)
