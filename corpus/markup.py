"""How large markup can become when parsed: found in one pass over its bytes, before a parser is trusted with it.

Parsers of HTML take time in the square of a tree's depth and of a tag's attributes: 100 KB can take minutes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAX_DEPTH = 512
"""Open elements within each other; browsers flatten the rest. Source: Blink, kMaximumHTMLParserDOMTreeDepth."""

# Element names that never hold anything. Source: HTML Living Standard, section 13.1.2, "void elements".
_VOID = "area base br col embed hr img input link meta source track wbr"
# Of these a second closes the first, so that nobody closes them. Source: the same, section 13.1.2.4.
_CLOSED_BY_THE_NEXT = "p li dd dt option"
# Nothing in these is markup, except within <svg> and <math>. Source: the same, section 13.2.6.2.
_RAW = "script style iframe noembed noframes textarea title xmp"
# Within <svg> and <math> these go back to HTML, or may; of longer names the first eight letters. Source: 13.2.6.5.
_BACK_TO_HTML = (
    "annotati b big blockquo body br center code dd desc div dl dt em embed font foreigno h1 h2 h3 h4 h5 h6 head"
    " hr i img li listing menu meta mi mn mo ms mtext nobr ol p pre ruby s small span strike strong sub sup table"
    " tt u ul var"
)

_SVG, _MATH, _TABLE = (int.from_bytes(name, "big") for name in (b"svg", b"math", b"table"))
_LESS, _GREATER, _SLASH, _BANG, _DASH, _QUESTION, _EQUALS, _BRACKET = b"<>/!-?=["
_DOUBLE, _SINGLE = b"\"'"


class Shape(NamedTuple):
    """What a page's tags amount to.

    Attributes:
        tags: Start tags.
        attributes: The most of one tag.
        depth: At least as many elements as are ever open at once; counted no further than `MAX_DEPTH + 1`.
    """

    tags: int
    attributes: int
    depth: int


def shape(page: bytes) -> Shape:
    """The shape of an HTML page in UTF-8 (or any charset that holds ASCII).

    The depth is an upper bound: an end tag closes the innermost element if that has its name, else nothing.
    """
    # A few spaces, so that looking ahead needs no bounds.
    data = np.frombuffer(page + b" " * 16, np.uint8)
    lists = (_packed(_VOID), _packed(_CLOSED_BY_THE_NEXT), _packed(_RAW), _packed(_BACK_TO_HTML))
    tags, attributes, depth = _shape(data, *lists)
    return Shape(int(tags), int(attributes), int(depth))


def _packed(names: str) -> NDArray[np.uint64]:
    """Names of up to eight letters, each in one number, as the kernel reads them."""
    return np.array([int.from_bytes(name.encode(), "big") for name in names.split()], np.uint64)


# What is open: how many elements, of them tables, and svg or math; and the most that ever was.
_DEPTH, _TABLES, _FOREIGN, _DEEPEST = range(4)


@njit(cache=True, nogil=True)
def _shape(
    data: NDArray[np.uint8],
    void: NDArray[np.uint64],
    closed_by_the_next: NDArray[np.uint64],
    raw: NDArray[np.uint64],
    back_to_html: NDArray[np.uint64],
) -> tuple[int, int, int]:
    """Tags, attributes and depth; see `Shape`."""
    end = len(data) - 16
    names = np.zeros((MAX_DEPTH + 1, 2), np.int64)  # where the name of each open element stands, and its length
    is_open = np.zeros(4, np.int64)
    tags = attributes = at = 0
    while at < end:
        if data[at] != _LESS:
            at += 1
            continue
        closes = data[at + 1] == _SLASH
        start = at + 1 + closes
        if not _is_letter(data[start]):
            at = _after_comment(data, at, end, is_open)
            continue
        stop = _name_end(data, start, end)
        name = _pack(data, start, stop)
        at, count = _after_tag(data, stop, end)
        top = is_open[_DEPTH] - 1
        same = top >= 0 and _same_name(data, start, stop - start, names[top, 0], names[top, 1])
        if _among(_pack(data, start, min(stop, start + 8)), back_to_html):
            _doubt(is_open)
        if closes:
            _count(is_open, name, -int(same))
            continue
        tags += 1
        attributes = max(attributes, count)
        if is_open[_FOREIGN]:
            holds_nothing = data[at - 2] == _SLASH
        else:
            holds_nothing = _among(name, void) or (same and _among(name, closed_by_the_next))
        if not holds_nothing:
            if _among(name, raw):
                at = _raw_end(data, (start, stop), at, end, is_open)
            names[is_open[_DEPTH]] = start, stop - start
            _count(is_open, name, 1)
    return tags, attributes, min(is_open[_DEEPEST], MAX_DEPTH + 1)


@njit(cache=True, nogil=True)
def _count(is_open: NDArray[np.int64], name: np.uint64, change: int) -> None:
    """Opens or closes an element of this name."""
    is_open[_DEPTH] += change
    is_open[_TABLES] += change * (name == _TABLE)
    is_open[_FOREIGN] += change * (name in (_SVG, _MATH))
    # To a table a parser adds a <tbody> and a <tr> of its own.
    is_open[_DEEPEST] = max(is_open[_DEEPEST], is_open[_DEPTH] + 2 * is_open[_TABLES])
    if is_open[_DEEPEST] > MAX_DEPTH:
        is_open[:_DEEPEST] = 0  # the answer on depth is known; what is left are tags and attributes


@njit(cache=True, nogil=True)
def _doubt(is_open: NDArray[np.int64]) -> None:
    """Within svg or math: which rules hold from here on, only a parser knows, so it must be asked."""
    if is_open[_FOREIGN]:
        is_open[_DEEPEST] = MAX_DEPTH + 1


@njit(cache=True, nogil=True)
def _is_letter(byte: int) -> bool:
    return 97 <= (byte | 32) <= 122


@njit(cache=True, nogil=True)
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 9 or byte == 10 or byte == 12 or byte == 13


@njit(cache=True, nogil=True)
def _ends_name(byte: int) -> bool:
    return byte in (_GREATER, _SLASH) or _is_space(byte)


@njit(cache=True, nogil=True)
def _name_end(data: NDArray[np.uint8], at: int, end: int) -> int:
    while at < end and not _ends_name(data[at]):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _lower(byte: int) -> int:
    return byte | 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True)
def _same_name(data: NDArray[np.uint8], start: int, length: int, other: int, other_length: int) -> bool:
    if length != other_length:
        return False
    equal = 0
    while equal < length and _lower(data[start + equal]) == _lower(data[other + equal]):
        equal += 1
    return equal == length


@njit(cache=True, nogil=True)
def _pack(data: NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    """The name in lower case as one number; 0 for a longer one than eight bytes, which is in none of the lists."""
    name = np.uint64(0)
    if stop - start <= 8:
        for at in range(start, stop):
            name = (name << np.uint64(8)) | np.uint64(_lower(data[at]))
    return name


@njit(cache=True, nogil=True)
def _among(name: np.uint64, names: NDArray[np.uint64]) -> bool:
    at = 0
    while at < len(names) and names[at] != name:
        at += 1
    return at < len(names)


@njit(cache=True, nogil=True)
def _after_comment(data: NDArray[np.uint8], at: int, end: int, is_open: NDArray[np.int64]) -> int:
    """Where what begins with `<` and is no tag ends. Source: HTML Living Standard, 13.2.5.41 to 13.2.5.52."""
    if data[at + 1] == _BANG and data[at + 2] == _DASH and data[at + 3] == _DASH:
        return _comment_end(data, at + 4, end)
    if data[at + 1] == _BANG and data[at + 2] == _BRACKET:
        _doubt(is_open)  # CDATA, or a comment
    if data[at + 1] in (_BANG, _QUESTION, _SLASH):
        while at < end and data[at] != _GREATER:
            at += 1
    return at + 1


@njit(cache=True, nogil=True)
def _comment_end(data: NDArray[np.uint8], at: int, end: int) -> int:
    if data[at] == _GREATER:
        return at + 1
    if data[at] == _DASH and data[at + 1] == _GREATER:
        return at + 2
    while at < end:
        if data[at] == _DASH and data[at + 1] == _DASH:
            if data[at + 2] == _GREATER:
                return at + 3
            if data[at + 2] == _BANG and data[at + 3] == _GREATER:
                return at + 4
        at += 1
    return end


@njit(cache=True, nogil=True)
def _after_tag(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """Where the tag ends, and how many attributes it has. Source: HTML Living Standard, 13.2.5.32 to 13.2.5.40."""
    count = 0
    while at < end:
        byte = data[at]
        if byte == _GREATER:
            return at + 1, count
        if byte == _SLASH or _is_space(byte):
            at += 1
            continue
        count += 1
        at = _after_attribute(data, at, end)
    return end, count


@njit(cache=True, nogil=True)
def _after_attribute(data: NDArray[np.uint8], at: int, end: int) -> int:
    at += 1  # an `=` that begins a name is part of it
    while at < end and data[at] != _EQUALS and not _ends_name(data[at]):
        at += 1
    while at < end and _is_space(data[at]):
        at += 1
    if data[at] != _EQUALS:
        return at
    at += 1
    while at < end and _is_space(data[at]):
        at += 1
    quote = data[at]
    if quote in (_DOUBLE, _SINGLE):
        at += 1
        while at < end and data[at] != quote:
            at += 1
        return at + 1
    while at < end and data[at] != _GREATER and not _is_space(data[at]):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _raw_end(data: NDArray[np.uint8], name: tuple[int, int], at: int, end: int, is_open: NDArray[np.int64]) -> int:
    """Where the end tag of the element with this name (from, to) begins; right here if there is none."""
    start, length = name[0], name[1] - name[0]
    for begin in range(at, end):
        if data[begin] != _LESS:
            continue
        closes = data[begin + 1] == _SLASH and begin + 2 + length < len(data)
        if closes and _same_name(data, begin + 2, length, start, length) and _ends_name(data[begin + 2 + length]):
            return begin
        _doubt(is_open)
    return at
