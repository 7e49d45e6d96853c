"""The `chapter-headings` rule: a line that holds a chapter's number and nothing else is left empty.

OPT's data card lists "removing repetitive/non-informative text like 'Chapter One'" (arXiv 2205.01068, appendix
C). How it was recognised is unpublished. Ours: the word and a number, as digits, a Roman numeral or English
words, with a full stop or colon and markup signs around it. A heading with a title on the same line says
something about its chapter, so it stays: our choice.
"""

from __future__ import annotations

import re

import numpy as np

from corpus.document import Texts
from corpus.spans import cut, lines_with

# Markup and indentation allowed before the word, in bytes. Unpublished: our choice.
_INDENT = 32

_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_FIRSTS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
_TENTHS = (
    "tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth"
    "|twentieth|thirtieth|fortieth|fiftieth|sixtieth|seventieth|eightieth|ninetieth|last"
)
_SMALL = rf"(?:{_TEENS}|(?:{_TENS})(?:[- ](?:{_UNITS}))?|{_UNITS})"
_CARDINAL = rf"(?:{_SMALL}|(?:(?:a|one|two|three) )?hundred(?:(?: and)? {_SMALL})?)"
_ORDINAL = rf"the (?:{_TENTHS}|(?:(?:{_TENS})[- ])?(?:{_FIRSTS}))"
# Up to 399, with the IIII and XXXX of old printers; the look-ahead demands at least one digit.
_ROMAN = r"(?=[clxvi])c{0,3}(?:xc|xl|l?x{0,4})(?:ix|iv|v?i{0,4})"
_NUMBER = rf"(?:[0-9]{{1,4}}|{_ROMAN}|{_CARDINAL}|{_ORDINAL})"
_MARKUP = r"[ \t\r#*_~=]*"
_HEADING = re.compile(rf"{_MARKUP}chapter[ \t]+{_NUMBER}[ \t]*[.:]?{_MARKUP}".encode(), re.IGNORECASE)


def empty_chapter_headings(texts: Texts) -> Texts:
    """Empties every line that holds only a chapter heading; its LF stays, so that paragraphs stay apart."""
    every = np.arange(len(texts), dtype=np.int64)
    spans = [
        (start, end)
        for _, start, end in lines_with(texts, every, b"chapter", _INDENT)
        if _HEADING.fullmatch(texts.data[start:end].tobytes())
    ]
    return cut(texts, spans)
