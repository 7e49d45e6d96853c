"""The `gutenberg-notices` rule: what Project Gutenberg prints around a book is taken off it.

OPT's data card lists "removing repetitive/non-informative text like [...] 'This ebook by Project Gutenberg'"
(arXiv 2205.01068, appendix C). How it was recognised is unpublished. Ours knows the notices by their fixed
words, at the start of a line:

- a start mark, `*** START OF THE PROJECT GUTENBERG EBOOK ...` or, until 2003, `*END*THE SMALL PRINT! ...`: the
  mark goes and all before it, back to the end mark of a book before;
- an end mark, `*** END OF ...` or `End of (the) Project Gutenberg('s) EBook of ...`: the mark goes and all
  behind it, up to the start mark of a book behind;
- who produced the book, where that opens the text between two marks;
- anywhere, a paragraph that says who produced the book and names the project, that this ebook is for the use of
  anyone anywhere, or that this ebook is by Project Gutenberg.

What goes leaves an empty line. A sentence that mentions Project Gutenberg stays, and so does `[Illustration]`:
it marks a place in the book, and OPT names nothing like it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.spans import cut, lines_with, rows_with

_Span = tuple[int, int]  # start and end, bytes

# The licence of today has 19 kB, the small print of the nineties 13. What is longer is no notice but a text that
# quotes a mark, so of that only the mark's own lines go. Unpublished: our choice.
_LONGEST_NOTICE = 32_768
# Lines a mark's title may run over, and lines of a paragraph of notice. Unpublished: our choice.
_MARK_LINES = 4
_PARAGRAPH_LINES = 8
# Bytes before a rule's words on their line: stars, indentation, "This is the end of the". Unpublished: our choice.
_REACH = 64

_APOSTROPHE_S = rb"(?:'|\xe2\x80\x99)s"
_EBOOK = rb"e-?(?:book|text)"
_START = re.compile(
    rb"\s*\*{3}\s?START OF (?:THE|THIS) (?:COPYRIGHTED )?PROJECT GUTENBERG\b|\s*\*END\*?\s?THE SMALL PRINT!",
    re.IGNORECASE,
)
_END = re.compile(rb"\s*\*{3}\s?END OF (?:THE|THIS) (?:COPYRIGHTED )?PROJECT GUTENBERG\b", re.IGNORECASE)
# Without stars: a line of prose may well go on "... end of Project Gutenberg", hence the capital and the title.
_PLAIN_END = re.compile(
    rb"\s*(?:This is the e|E)(?i:nd of (?:the |this )?project gutenberg"
    rb"(?:(?:" + _APOSTROPHE_S + rb")? (?:" + _EBOOK + rb"|edition)\b|" + _APOSTROPHE_S + rb"\s.*\bby\b))",
    re.DOTALL,
)
_CREDIT = re.compile(
    rb"\s*(?:this )?(?:" + _EBOOK + rb" )?(?:was |is )?(?:produced|prepared|transcribed) by\b", re.IGNORECASE
)
_PROJECT = re.compile(rb"project\s+gutenberg|distributed\s+proofread|pgdp\.net", re.IGNORECASE)
_FOR_ANYONE = re.compile(rb"\s*this " + _EBOOK + rb" is for the use of anyone anywhere\b", re.IGNORECASE)
_BY_PROJECT = re.compile(
    rb"\W*this " + _EBOOK + rb" (?:(?:is|was) )?(?:(?:produced|provided|made|brought to you) )?by "
    rb"(?:the )?project gutenberg\W*",
    re.IGNORECASE,
)


class _Mark(NamedTuple):
    """A start or end mark in a text, from the start of its first line to the end of its last, bytes."""

    start: int
    end: int
    ends_book: bool


def cut_gutenberg_notices(texts: Texts) -> Texts:
    """Cuts the notices of Project Gutenberg; texts without them come back as they are."""
    # Every notice names the project or its proofreaders, so the other texts are read no further.
    rows = np.union1d(rows_with(texts, b"gutenberg"), rows_with(texts, b"distributed proofread"))
    books = cut(texts, _outside_marks(texts, rows))
    return cut(books, _notice_paragraphs(books, rows))


def _lines(texts: Texts, rows: NDArray[np.int64], *words: bytes) -> Iterator[tuple[int, bytes, list[_Span]]]:
    """The texts with lines that hold some of these words: where the text starts, its bytes, the lines in it."""
    lines = sorted({line for phrase in words for line in lines_with(texts, rows, phrase, _REACH)})
    for row, group in itertools.groupby(lines, itemgetter(0)):
        base = int(texts.offsets[row])
        yield base, texts[row], [(start - base, end - base) for _, start, end in group]


def _outside_marks(texts: Texts, rows: NDArray[np.int64]) -> list[_Span]:
    """The spans of notice told by marks, in order, marks included."""
    spans: list[_Span] = []
    for base, text, lines in _lines(texts, rows, b"project gutenberg", b"the small print!"):
        marks: list[_Mark] = []
        for start, end in lines:
            mark = _mark(text, start, end)
            if mark and (not marks or marks[-1].end < mark.start):
                marks.append(mark)
        spans += [(base + start, base + end) for start, end in _around_books(text, marks)]
    return spans


def _mark(text: bytes, start: int, end: int) -> _Mark | None:
    """The mark that begins on this line, if one does."""
    if _START.match(text, start, end):
        # A long title runs on to the line that closes with stars.
        ends = list(itertools.islice(_line_ends(text, start), _MARK_LINES))
        closed = next((stop for stop in ends if text[start:stop].rstrip().endswith(b"***")), end)
        return _Mark(start, closed, ends_book=False)
    if _END.match(text, start, end):
        return _Mark(start, end, ends_book=True)
    *_, stop = itertools.islice(_line_ends(text, start), _MARK_LINES)
    return _Mark(start, end, ends_book=True) if _PLAIN_END.match(text, start, stop) else None


def _around_books(text: bytes, marks: list[_Mark]) -> Iterator[_Span]:
    """The marks, the notices before, behind and between them, and the credits that open what stays."""
    if not marks:
        return
    before = [None, *marks]
    behind = [*marks, None]
    for opening, closing in zip(before, behind, strict=True):
        if opening:
            yield opening.start, opening.end
        start = opening.end if opening else 0
        end = closing.start if closing else len(text)
        outside = opening.ends_book if opening else closing is not None and not closing.ends_book
        if outside and end - start <= _LONGEST_NOTICE:
            yield start, end
        elif not outside:
            yield from _opening_credits(text, start, end)


def _opening_credits(text: bytes, start: int, end: int) -> Iterator[_Span]:
    """The paragraphs that say who produced the book, as long as one follows the other."""
    while start < end:
        line_end = _line_end(text, start)
        if not text[start:line_end].isspace() and line_end > start:
            stop = _paragraph_end(text, start)
            if stop is None or stop > end or not _CREDIT.match(text, start, stop):
                return
            yield start, stop
            line_end = stop
        start = line_end + 1


def _notice_paragraphs(texts: Texts, rows: NDArray[np.int64]) -> list[_Span]:
    """The spans of paragraphs that are a notice by their own words, in order."""
    spans: list[_Span] = []
    openings = (b"produced by", b"prepared by", b"transcribed by", b"this ebook", b"this etext")
    for base, text, lines in _lines(texts, rows, *openings, b"this e-book", b"this e-text"):
        for start, _ in lines:
            stop = _paragraph_end(text, start) if _opens_paragraph(text, start) else None
            if stop is not None and _is_notice(text[start:stop]):
                spans.append((base + start, base + stop))
    return spans


def _is_notice(paragraph: bytes) -> bool:
    if _BY_PROJECT.fullmatch(paragraph):
        return True
    opens = _CREDIT.match(paragraph) or _FOR_ANYONE.match(paragraph)
    return bool(opens and _PROJECT.search(paragraph))


def _opens_paragraph(text: bytes, start: int) -> bool:
    """Whether the line before the one that starts here is blank, or there is none."""
    return start == 0 or not text[text.rfind(b"\n", 0, start - 1) + 1 : start].strip()


def _paragraph_end(text: bytes, start: int) -> int | None:
    """Where the paragraph that starts here ends, or None when it is too long for a notice."""
    ends = list(itertools.islice(_line_ends(text, start), _PARAGRAPH_LINES + 1))
    return ends[-1] if len(ends) <= _PARAGRAPH_LINES else None


def _line_ends(text: bytes, start: int) -> Iterator[int]:
    """The ends of the lines from here to the end of the paragraph: a blank line, or the end of the text."""
    end = _line_end(text, start)
    yield end
    while end < len(text):
        start, end = end + 1, _line_end(text, end + 1)
        if not text[start:end].strip():
            return
        yield end


def _line_end(text: bytes, start: int) -> int:
    end = text.find(b"\n", start)
    return end if end >= 0 else len(text)
