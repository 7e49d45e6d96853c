r"""Wikipedia's pages-articles dump: MediaWiki's export XML, of each article "Title\n\nbody" in plain text.

Articles are the pages of namespace 0 that redirect nowhere; the others are skipped under a label. Wikitext becomes
plain text as in the copy that the Pile took (TensorFlow Datasets, wikipedia/20200301.en): parsed by
mwparserfromhell, files, references and tables left out, each section stripped, a blank line between two.

mwparserfromhell backtracks: a text in which thousands of tags never end would take it minutes. What a text can
cost is bounded before it is parsed, by its openings without an end and its length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.stretches import Reading, read_stretches
from corpus.readers.xml_record import parse_xml

if TYPE_CHECKING:
    from mwparserfromhell.wikicode import Wikicode

VERSION = 1

MAX_ARTICLE_BYTES = 2048 * 1024
"""The longest wikitext. Source: MediaWiki, `$wgMaxArticleSize`, which is 2,048 kibibytes by default."""

# Openings without an end, and those times characters. Several kinds nested multiply, so that a thousand in 8,530
# characters, of mixed kinds, take over half a minute; none of 49 articles has more than one. Our choice.
_MAX_UNENDED = 50
_MAX_BACKTRACKING = 20_000_000

_PAGE = re.compile(rb"[ \t]{0,16}<page>")
_NEXT_PAGE = re.compile(rb"\n(?=[ \t]{0,16}<page>)")  # a tenth of the time of ^ and MULTILINE
_PAGE_END = b"</page>"
_REDIRECT = re.compile(r"\s*#redirect", re.IGNORECASE)
_FILE = re.compile(r"(?:File|Image|Media):", re.IGNORECASE)
_LEFT_OUT = frozenset({"ref", "table"})

_FIELDS = frozenset(
    {("page", "title"), ("page", "ns"), ("page", "revision", "model"), ("page", "revision", "text")}
)

_TAG = re.compile(r"<(/?)([a-zA-Z]+)(?:[^<>]*?(/?)>)?")
# Tags that need no end.
_SINGLE = frozenset({"br", "wbr", "hr", "meta", "link", "img", "li", "dt", "dd", "th", "td", "tr"})
_BRACKET = re.compile(r"<!--|-->|\{\{|\}\}|\{\||\|\}(?!\})|\[\[|\]\]|\[(?=[a-z]*:?//|mailto:)|\]", re.IGNORECASE)
_OPENS = {"-->": "<!--", "}}": "{{", "|}": "{|", "]]": "[[", "]": "["}


def read_wikipedia(chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Records]:
    """An article a row; a page's raw record is `<page>...</page>`, or to its end where that is missing.

    What stands before the first page, and redirects, other namespaces and other models, are `skipped`. Of several
    revisions the last is read.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer page is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        RecipeError: mwparserfromhell is not installed (raised by the call itself).
        DamagedContainerError: As `chunks` raises it; what was read is given first.
    """
    try:
        import mwparserfromhell  # noqa: F401
    except ImportError as error:
        raise RecipeError(
            "Wikipedia is read with mwparserfromhell, which is not installed",
            where="reader wikipedia",
            remedy="pip install 'tokentrail[wiki]'",
        ) from error
    return read_stretches(chunks, _starts, _read, max_record_bytes)


def _starts(data: bytes) -> list[int]:
    first = [0] if _PAGE.match(data) else []
    return first + [before.end() for before in _NEXT_PAGE.finditer(data)]


class _Page:
    """The fields of a page that we use, as its XML tells them."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self._path: list[str] = []
        self._data: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._data.clear()
        if self._path == ["page", "redirect"]:
            self.fields["redirect"] = attributes.get("title", "")

    def end(self, name: str) -> None:
        del name
        if tuple(self._path) in _FIELDS:
            self.fields[self._path[-1]] = "".join(self._data)
        self._path.pop()

    def text(self, data: str) -> None:
        self._data.append(data)


def _read(raw: bytes) -> Reading:
    if not _PAGE.match(raw):
        return Reading(skip="outside the pages")
    start, end = raw.index(b"<page>"), raw.rfind(_PAGE_END)
    if end < 0:
        return Reading(damage=Drop.BROKEN_XML, start=start)
    stop = end + len(_PAGE_END)
    page = _Page()
    damage, repairs = parse_xml(raw[start:stop], page)
    if damage:
        return Reading(damage=damage, start=start, stop=stop)
    fields = page.fields
    if not fields.keys() >= {"title", "ns", "text"}:
        return Reading(damage=Drop.MISSING_FIELD, start=start, stop=stop)
    if fields["ns"] != "0":
        return Reading(skip="not an article")
    if "redirect" in fields or _REDIRECT.match(fields["text"]):
        return Reading(skip="redirect")
    if fields.get("model", "wikitext") != "wikitext":
        return Reading(skip="not wikitext")
    body = plain_text(fields["text"])
    if isinstance(body, Drop):
        return Reading(damage=body, start=start, stop=stop)
    text = f"{fields['title']}\n\n{body}".encode() if body else b""
    return Reading(text, repairs, start=start, stop=stop)


def plain_text(wikitext: str) -> str | Drop:
    """The text that wikitext shows, near enough: templates are not expanded and leave nothing.

    Returns:
        The text, or `Drop.OVERSIZE_RECORD` above `MAX_ARTICLE_BYTES`, or `Drop.BROKEN_MARKUP` where parsing fails
        or its time could not be bounded.
    """
    import mwparserfromhell
    from mwparserfromhell.nodes import Heading
    from mwparserfromhell.parser import ParserError

    if len(wikitext.encode()) > MAX_ARTICLE_BYTES:
        return Drop.OVERSIZE_RECORD
    unended = _unended(wikitext)
    if unended > _MAX_UNENDED or unended * len(wikitext) > _MAX_BACKTRACKING:
        return Drop.BROKEN_MARKUP
    try:
        code = mwparserfromhell.parse(wikitext)
        sections: list[list[str]] = [[]]
        for node in code.nodes:
            if isinstance(node, Heading):
                sections.append([])
            sections[-1].append(_shown(node))
    except (ParserError, RecursionError):
        return Drop.BROKEN_MARKUP
    return "\n\n".join(_collapsed(section).strip() for section in sections).strip()


def _unended(wikitext: str) -> int:
    """How many tags and brackets of each kind open, in order, and never end."""
    opened: Counter[str] = Counter()
    for tag in _TAG.finditer(wikitext):
        closing, name, self_closing = tag.groups()
        name = name.lower()
        if closing:
            opened[name] -= opened[name] > 0
        elif not self_closing and name not in _SINGLE:
            opened[name] += 1
    for bracket in _BRACKET.findall(wikitext):
        if opening := _OPENS.get(bracket):
            opened[opening] -= opened[opening] > 0
        else:
            opened[bracket] += 1
    return opened.total()


def _shown(node: object) -> str:
    """What a node of the tree shows."""
    from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Tag, Text, Wikilink

    match node:
        case Text():
            return str(node.value)
        case HTMLEntity():
            return str(node.normalize())
        case Wikilink():
            if _FILE.match(str(node.title)):
                return ""
            return _code_shown(node.title if node.text is None else node.text)
        case Tag():
            return _tag_shown(node)
        case Heading():
            return _code_shown(node.title)
        case ExternalLink():
            return _code_shown(node.title) if node.brackets else str(node.url)
    return ""  # templates, template arguments, comments


def _code_shown(code: Wikicode | None) -> str:
    return _collapsed([_shown(node) for node in code.nodes]) if code is not None else ""


def _tag_shown(tag: object) -> str:
    from mwparserfromhell.definitions import is_visible
    from mwparserfromhell.nodes import Tag

    if not isinstance(tag, Tag) or str(tag.tag) in _LEFT_OUT or not is_visible(str(tag.tag)):
        return ""
    return _code_shown(tag.contents)


def _collapsed(parts: list[str]) -> str:
    """The parts as one text, never two blank lines in a row and none at either end."""
    return re.sub(r"\n{3,}", "\n\n", "".join(parts).strip("\n"))
