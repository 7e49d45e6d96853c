"""From a text as its source has it to the text that is judged, compared and tokenized: named rules, in order.

A recipe names the rules; the manifest names each with its version. Every rule here is idempotent, and so is every
sequence of them, whatever its order: see `normalise`. What may run only once belongs to the reading of a record,
and has a table of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from corpus.chapter_headings import empty_chapter_headings
from corpus.document import Texts
from corpus.entities import unescape_reddit
from corpus.errors import RecipeError
from corpus.gutenberg_notices import cut_gutenberg_notices
from corpus.whitespace import normalise_whitespace


@dataclass(frozen=True)
class Rule:
    """One rewriting of texts.

    Attributes:
        version: Raised with every change of what the rule gives.
        description: One sentence for tables and reports.
        apply: n texts of valid UTF-8 to n texts of valid UTF-8, none longer than it was, each by itself.
    """

    version: int
    description: str
    apply: Callable[[Texts], Texts]


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "whitespace": Rule(1, "One form of line end, of space and of blank line.", normalise_whitespace),
        "chapter-headings": Rule(
            1, "Lines that hold a chapter's number and nothing else are left empty.", empty_chapter_headings
        ),
        "gutenberg-notices": Rule(
            1, "What Project Gutenberg prints around a book is taken off it.", cut_gutenberg_notices
        ),
    }
)
"""The rules a recipe may name for `normalise`."""

EXTRACTION_RULES: Mapping[str, Rule] = MappingProxyType(
    {"reddit-entities": Rule(1, "&amp;, &lt; and &gt; are read back, once.", unescape_reddit)}
)
"""The rules that are part of reading a record: they run once, for they are not idempotent."""


def normalise(texts: Texts, rules: Sequence[str]) -> Texts:
    """Applies the rules in order, round after round, until each leaves what the others made of the texts.

    One rule may make work for another: a heading that goes leaves an empty line to `whitespace`, and a heading
    behind a form feed is a line of its own only after it. What comes out is left alone by every rule, so to
    normalise it again changes nothing. Clean texts take one round, others rarely more than two; and it ends, for
    no rule lengthens a text, and `whitespace` alone changes one of the same length, toward its one form.

    Args:
        texts: n texts of valid UTF-8.
        rules: Names from `RULES`.

    Raises:
        RecipeError: A name is not in `RULES`.
    """
    unknown = [name for name in rules if name not in RULES]
    if unknown:
        raise RecipeError(
            f"there is no normalisation rule {unknown[0]!r}",
            where="the recipe's list of normalisation rules",
            remedy=f"name some of: {', '.join(RULES)}",
        )
    settled = 0  # rules in a row that have left the texts alone; the one that changed them last is the first
    for name in itertools.cycle(rules):
        before, texts = texts, RULES[name].apply(texts)
        settled = settled + 1 if _same(before, texts) else 1
        if settled == len(rules):
            break
    return texts


def _same(a: Texts, b: Texts) -> bool:
    return a is b or (np.array_equal(a.offsets, b.offsets) and np.array_equal(a.data, b.data))
