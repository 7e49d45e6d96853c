"""The one seam to the libraries that make text of HTML: chosen by name, imported when asked for, bounded.

    resiliparse   its own rules for what is main content, in C++: the fastest
    trafilatura   rules, with readability and jusText to fall back on: slower, cleaner

An extractor has no clock: a limit in seconds would make the corpus depend on the machine. What makes one slow is a
large, deep or crowded tree, so a page is measured first, and refused beyond the limits below.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, get_args

from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.markup import MAX_DEPTH, shape

Extractor = Literal["resiliparse", "trafilatura"]

MAX_PAGE_BYTES = 4 * 2**20
"""A larger page is `Drop.OVERSIZE_PAGE`. Common Crawl cut at 1 MiB until 2025. Unpublished: our choice."""

MAX_TAGS = 50_000
"""So is one of more start tags: trafilatura takes seconds for as many. Unpublished: our choice."""

MAX_ATTRIBUTES = 512
"""So is one with a tag of more attributes, each of which is compared with all before. Unpublished: our choice."""

_PACKAGES: dict[Extractor, tuple[str, ...]] = {
    # resiliparse finds the charset for both.
    "resiliparse": ("resiliparse",),
    "trafilatura": ("trafilatura", "lxml", "justext", "resiliparse"),
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def extractor_version(name: Extractor) -> str:
    """The exact versions that decide an extractor's text, for the identity of what is read with it.

    Raises:
        RecipeError: A package is not installed.
    """
    try:
        return ", ".join(f"{package} {version(package)}" for package in _PACKAGES[name])
    except PackageNotFoundError as error:
        raise _not_installed(name) from error


def extract_text(name: Extractor) -> Callable[[str], bytes | Drop]:
    """A function from an HTML page to its main text in UTF-8, b"" where it has none.

    It gives `Drop.OVERSIZE_PAGE` for a page beyond the limits above or deeper than `corpus.markup.MAX_DEPTH`, and
    `Drop.BROKEN_PAGE` for one on which the library raises. The answer depends on the page alone.

    Raises:
        RecipeError: There is no such extractor, or it is not installed.
    """
    if name not in get_args(Extractor):
        choices = ", ".join(get_args(Extractor))
        raise RecipeError(
            f"no extractor is called `{name}`", where="extractor", remedy=f"choose one of: {choices}"
        )
    try:
        library = _resiliparse() if name == "resiliparse" else _trafilatura()
    except ImportError as error:
        raise _not_installed(name) from error

    def extract(page: str) -> bytes | Drop:
        try:
            if _is_too_much(page):
                return Drop.OVERSIZE_PAGE
            text = library(page)
        except Exception:  # what a parser raises on a page, whatever it is, is that page's damage
            return Drop.BROKEN_PAGE
        return _SURROGATE.sub("\ufffd", text).encode()

    return extract


def _not_installed(name: Extractor) -> RecipeError:
    return RecipeError(
        f"the extractor `{name}` is not installed",
        where="extractor",
        remedy="run: pip install 'tokentrail[web]'",
    )


def _is_too_much(page: str) -> bool:
    encoded = page.encode()
    if len(encoded) > MAX_PAGE_BYTES:
        return True
    tags, attributes, depth = shape(encoded)
    if tags > MAX_TAGS or attributes > MAX_ATTRIBUTES:
        return True
    # The bound counts what nobody closed; where it is over the limit, the tree itself is asked.
    return depth > MAX_DEPTH and _tree_depth(page) > MAX_DEPTH


def _tree_depth(page: str) -> int:
    from resiliparse.parse.html import HTMLTree, traverse_dom

    deepest = 0

    def enter(context: object) -> None:
        nonlocal deepest
        deepest = max(deepest, context.depth)  # type: ignore[attr-defined]

    document = HTMLTree.parse(page).document
    if document is not None:
        traverse_dom(document, enter)
    return deepest


def _resiliparse() -> Callable[[str], str]:
    from resiliparse.extract.html2text import extract_plain_text

    def extract(page: str) -> str:
        return str(extract_plain_text(page, main_content=True, alt_texts=False, comments=False, post_meta=False))

    return extract


def _trafilatura() -> Callable[[str], str]:
    import resiliparse  # noqa: F401  (it finds the charset)
    import trafilatura

    logging.getLogger("trafilatura").addHandler(logging.NullHandler())  # else it reports every page to stderr

    def extract(page: str) -> str:
        return trafilatura.extract(page, include_comments=False) or ""

    return extract


def python_codec(label: str) -> str | None:
    """Python's name for a charset as pages name it (Source: WHATWG Encoding Standard, 4.2); None for none."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = map_encoding_to_html5(label, fallback_utf8=False)
    return None if name is None else str(name)


def detect_charset(body: bytes) -> str:
    """What uchardet takes the bytes for, as Python's name; UTF-8 where it does not know."""
    from resiliparse.parse.encoding import detect_encoding

    return str(detect_encoding(body))
