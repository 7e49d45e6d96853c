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

What a line is, whichever dump it is from:

- An item has an `id` from 1 to 2**32 - 1; a `parent` in that range is the item it replies to. Null, 0 and an empty
  text are absent. Integers may be strings (BigQuery) and flags 0 or 1 (ClickHouse).
- An item's replies are those that its `kids` name and whose parent it is, in that order. Dumps made of tables hold
  no `kids`: of an item without them, the replies are the items whose parent it is, by id.
- A comment is live if it has an author and a text and is neither dead nor deleted; what hangs below one that is
  not live is not reached.
- A story is taken if it is neither dead nor deleted and has a title, an author, a point and a live comment at the
  top. It is not asked how many comments it says it has: a dump may hold it as it was before they came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.readers.json_struct import read_structs

VERSION = 1

MAX_COMMENT_CHARS = 2**15
"""A story that shows a longer comment is `Drop.OVERSIZE_PAGE`: html2text takes time in the square of some, 17
seconds for as many line feeds. Unpublished: our choice."""

_BODY_WIDTH = 78  # html2text's default, named so that another release cannot move it

ItemId = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class Item(msgspec.Struct, frozen=True, gc=False):
    """What we use of an item."""

    id: ItemId = 0
    type: str | None = None
    parent: ItemId | None = None
    by: str | None = None
    title: str | None = None
    url: str | None = None
    text: str | None = None
    kids: tuple[int, ...] | None = None
    score: int | None = None
    dead: bool | None = None
    deleted: bool | None = None

    @property
    def is_gone(self) -> bool:
        """Whether moderators or its author took it away."""
        return bool(self.dead or self.deleted)

    @property
    def is_live(self) -> bool:
        """Whether there is something of a comment to read."""
        return bool(self.text and self.by) and not self.is_gone


_DECODER = msgspec.json.Decoder(Item, strict=False)
_NO_ITEM = Item()


def parse(raw: Texts, damage: NDArray[np.uint8]) -> tuple[list[Item], NDArray[np.uint8], NDArray[np.int32]]:
    """Reads every line as an item.

    Args:
        raw: n lines.
        damage: uint8[n]; a damaged line keeps its damage.

    Returns:
        n items; uint8[n], damage: `Drop.BROKEN_JSON`, `Drop.MISSING_FIELD` (no id), `Drop.WRONG_TYPE`, or the
        line's own; int32[n], characters that became U+FFFD.
    """
    items, damage, repairs = read_structs(raw, damage, _DECODER, _NO_ITEM)
    missing = np.array([item.id == 0 for item in items], np.bool_) & (damage == 0)
    damage[missing] = Drop.MISSING_FIELD
    repairs[missing] = 0
    return items, damage, repairs


def newest(copies: Sequence[tuple[Item, bytes]]) -> int:
    """Which of the copies of one item stands for it.

    That with the greatest parent (moderators move comments), of those a live one, of those the longest line, of
    those the line that sorts first, of those the first.

    Args:
        copies: The items with their raw lines.
    """

    def merit(place: int) -> tuple[int, bool, int, bytes]:
        item, raw = copies[place]
        return -(item.parent or 0), item.is_gone, -len(raw), raw

    return min(range(len(copies)), key=merit)


def chains_of(story: Item, items: Iterable[Item]) -> list[list[Item]]:
    """The comments that a story's document holds, a chain below each live top comment; none where it is not taken.

    Args:
        story: The item at the top.
        items: The items of its tree, each once, in any order.
    """
    if story.type != "story" or story.is_gone or not story.title or not story.by or (story.score or 0) < 1:
        return []
    tree = _Tree(items)
    return [list(_chain(top, tree)) for top in tree.live_replies(story)]


def document_text(story: Item, chains: Sequence[Sequence[Item]]) -> str | Drop:
    """The document of a story and its chains; a `Drop` where html2text cannot be given a comment, or raises on it.

    Raises:
        RecipeError: html2text is not installed.
    """
    optional = [part for part in (story.url, story.text) if part]
    header = "\n" * len(optional) + "".join(f"{part}\n" for part in (f"{story.title} - {story.by}", *optional))
    shown = []
    for chain in chains:
        plain = [(comment.by, _plain(comment.text or "")) for comment in chain]
        for _, text in plain:
            if isinstance(text, Drop):
                return text
        shown.append("~~~\n".join(f"{author}\n{text}" for author, text in plain))
    return f"{header}======\n" + "------\n".join(shown)


def record_key(ids: Iterable[str]) -> str:
    """What names a document within its source: the story's id and its comments', in the order of the text."""
    return ",".join(ids)


class _Tree:
    """The items of one story, and who replies to whom."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = {item.id: item for item in items}
        self._below: Mapping[int, list[int]] = defaultdict(list)
        for own in sorted(self._items):
            self._below[self._items[own].parent or 0].append(own)

    def replies(self, item: Item) -> Sequence[int]:
        """The ids that an item names, there or not; of one that names none, those that name it."""
        return item.kids if item.kids else self._below.get(item.id, ())

    def live_replies(self, item: Item) -> list[Item]:
        """Those that are there, live, and say themselves that they reply to it."""
        found = (self._items.get(number) for number in dict.fromkeys(self.replies(item)))
        return [reply for reply in found if reply and reply.is_live and reply.parent == item.id]


def _chain(top: Item, tree: _Tree) -> Iterator[Item]:
    """The comments from a top comment down: each has one parent, so no circle can be reached from the story."""
    comment: Item | None = top
    while comment is not None:
        yield comment
        comment = max(tree.live_replies(comment), key=lambda reply: len(tree.replies(reply)), default=None)


def _plain(html: str) -> str | Drop:
    try:
        import html2text
    except ImportError as error:
        raise RecipeError(
            "Hacker News is read with html2text, which is not installed",
            where="reader hacker-news",
            remedy="pip install 'tokentrail[hn]'",
        ) from error
    if len(html) > MAX_COMMENT_CHARS:
        return Drop.OVERSIZE_PAGE
    try:
        return html2text.HTML2Text(bodywidth=_BODY_WIDTH).handle(html)
    except Exception:  # what a parser raises on a page, whatever it is, is that page's damage
        return Drop.BROKEN_PAGE
