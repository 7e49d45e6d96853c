"""Near-copies planted at a known Jaccard, and the list of everything that was planted.

Jaccard is over sets of word 5-grams of the lower-cased text split at white space, as two integers; a text of fewer
words is one shingle. Every edit keeps to ASCII white space and changes the case of ASCII letters alone, so the
integers do not depend on how a reader defines either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from draws import Draws

SHINGLE_WORDS = 5
# Pairs a bin of Jaccard [low, high) gets at FULL_MEGABYTES: dense around the corpus's threshold of .95.
BINS = (
    (0.50, 0.60, 45),
    (0.60, 0.70, 45),
    (0.70, 0.80, 55),
    (0.80, 0.85, 50),
    (0.85, 0.90, 85),
    (0.90, 0.95, 160),
    (0.95, 0.97, 160),
    (0.97, 0.99, 150),
    (0.99, 1.00, 130),
)
# Pairs that differ in case and spacing alone.
EQUAL_PAIRS = 50
SHORT_PAIRS = 40
FULL_MEGABYTES = 24
# Near-copies of one page, which are near-copies of each other too.
FAMILY_COPIES = 40
FAMILY_WORDS = range(400, 500)
LONG_WORDS = 60
_ATTEMPTS = 6
_SPACE = re.compile(r"([ \t\n]+)")

COLUMNS = ("kind", "file_a", "record_a", "file_b", "record_b", "inter", "union", "how")


@dataclass(frozen=True)
class Place:
    """A record: its file below the sample's folder, and its line from 0."""

    file: str
    record: int


@dataclass(frozen=True)
class Planting:
    """One row of planted.tsv: one record, or a pair of them with its Jaccard as integers."""

    kind: str
    how: str
    a: Place
    b: Place | None = None
    jaccard: tuple[int, int] | None = None


@dataclass(frozen=True)
class Copy:
    """A near-copy of a document.

    Attributes:
        original: The document's index in the list the copies were made from.
        kind: `near`, `short` (fewer than 60 words) or `family`.
        jaccard: Sizes of the intersection and the union of the two shingle sets.
    """

    original: int
    text: str
    kind: str
    how: str
    jaccard: tuple[int, int]


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """The set of word 5-grams of a text."""
    words = text.lower().split()
    if len(words) < SHINGLE_WORDS:
        return frozenset([tuple(words)])
    return frozenset(zip(*(words[start:] for start in range(SHINGLE_WORDS)), strict=False))


def jaccard(text_a: str, text_b: str) -> tuple[int, int]:
    """Sizes of the intersection and the union of two texts' shingle sets."""
    a, b = shingles(text_a), shingles(text_b)
    inter = len(a & b)
    return inter, len(a) + len(b) - inter


def near_copies(texts: list[str], eligible: Iterable[int], filler: list[str], megabytes: float) -> list[Copy]:
    """Makes the near-copies; no document is the original of two, the family's apart.

    Args:
        texts: The documents.
        eligible: Indices of those that may be an original.
        filler: Sentences found nowhere else, for words and lines to put in.
        megabytes: The size of the sample, which the number of copies follows.
    """
    draws = Draws("near-copies")
    editor = _Editor(draws, filler)
    order = draws.shuffled(list(eligible))
    long = [index for index in order if len(texts[index].split()) >= LONG_WORDS]
    short = [index for index in order if 10 <= len(texts[index].split()) < LONG_WORDS]
    scale = megabytes / FULL_MEGABYTES
    copies = []
    # The narrowest bin first: it needs the longest documents.
    for low, high, count in reversed(BINS):
        for _ in range(round(count * scale)):
            copies.append(_copy_in_bin(texts, long, editor, (low, high)))
    for pool, kind, count in ((long, "near", EQUAL_PAIRS), (short, "short", SHORT_PAIRS)):
        for _ in range(round(count * scale)):
            original = pool.pop()
            text, how = editor.restyled(texts[original]) if kind == "near" else editor.slightly(texts[original])
            copies.append(Copy(original, text, kind, how, jaccard(texts[original], text)))
    template = next(index for index in reversed(long) if len(texts[index].split()) in FAMILY_WORDS)
    return copies + _family(texts, template, editor)


def table(plantings: Iterable[Planting]) -> str:
    """planted.tsv: a header, then a row for each, by kind and place."""
    rows = []
    for planting in plantings:
        b = (planting.b.file, planting.b.record) if planting.b else ("", "")
        inter, union = planting.jaccard or ("", "")
        rows.append((planting.kind, planting.a.file, planting.a.record, *b, inter, union, planting.how))
    rows.sort(key=lambda row: tuple(map(str, row)))
    return "".join("\t".join(map(str, row)) + "\n" for row in (COLUMNS, *rows))


def _copy_in_bin(texts: list[str], pool: list[int], editor: _Editor, bounds: tuple[float, float]) -> Copy:
    """Edits originals from the end of the pool until one falls inside [low, high)."""
    low, high = bounds
    needed = max(LONG_WORDS, round(2 / (1 - low)))
    position = len(pool) - 1
    while position >= 0:
        if len(texts[pool[position]].split()) < needed:
            position -= 1
            continue
        original = pool.pop(position)
        for _ in range(_ATTEMPTS):
            text, how = editor.edited(texts[original], low + (high - low) * editor.draws.unit())
            inter, union = jaccard(texts[original], text)
            if low * union <= inter < high * union:
                return Copy(original, text, "near", how, (inter, union))
        position -= 1
    raise ValueError(f"no document is left for a near-copy of Jaccard {low} to {high}")


def _family(texts: list[str], original: int, editor: _Editor) -> list[Copy]:
    """Copies of one document with one to three words replaced: some pairs above .95, some below."""
    copies = []
    for _ in range(FAMILY_COPIES):
        words = _SPACE.split(texts[original])
        count = editor.draws.between(1, 3)
        text = "".join(editor.replaced(words, count))
        copies.append(Copy(original, text, "family", f"{count} words replaced", jaccard(texts[original], text)))
    return copies


class _Editor:
    """Makes one change after the other; words and white space alternate in the lists it works on."""

    def __init__(self, draws: Draws, filler: list[str]) -> None:
        self.draws = draws
        self._filler = filler
        self._words = [
            word for sentence in filler for word in sentence.split() if word.isascii() and word.isalpha()
        ]

    def edited(self, text: str, target: float) -> tuple[str, str]:
        """A copy near the target Jaccard, and what was done to it."""
        pieces = _SPACE.split(text)
        count = (len(pieces) + 1) // 2 - SHINGLE_WORDS + 1
        way = self.draws.below(4)
        if way == 0:
            # A word replaced takes 5 shingles away and brings 5 others.
            words = max(1, round(count * (1 - target) / (SHINGLE_WORDS * (1 + target))))
            pieces, how = self.replaced(pieces, words), f"{words} words replaced"
        elif way == 1:
            words = max(1, round(count * (1 - target)))
            pieces, how = pieces[: -2 * words], f"cut by {words} words"
        elif way == 2:
            pieces, how = self._added(pieces, max(1, round(count * (1 - target) / target)))
        else:
            words = max(1, round(count * (1 - target) / (2 * SHINGLE_WORDS * (1 + target))))
            lines, how = self._added(self.replaced(pieces, words), max(1, round(count * (1 - target) / 2)))
            pieces, how = lines, f"{words} words replaced; {how}"
        text = "".join(pieces)
        if self.draws.chance(0.25):
            text, restyled = self.restyled(text)
            how = f"{how}; {restyled}"
        return text, how

    def replaced(self, pieces: list[str], count: int) -> list[str]:
        """So many words, spread over the text, replaced by others."""
        pieces, words = list(pieces), (len(pieces) + 1) // 2
        for number in range(count):
            place = 2 * int((number + self.draws.unit()) * words / count)
            other = self.draws.pick(self._words)
            while other.lower() == pieces[place].lower():
                other = self.draws.pick(self._words)
            pieces[place] = other
        return pieces

    def restyled(self, text: str) -> tuple[str, str]:
        """Another case and other spacing: no shingle changes."""
        middle = text.find(" ", len(text) // 2)
        head = "".join(letter.upper() if letter.isascii() else letter for letter in text[:middle])
        if head == text[:middle]:
            head = "".join(letter.lower() if letter.isascii() else letter for letter in text[:middle])
        if self.draws.chance(0.5):
            return head + text[middle:], "case"
        return head.replace(" ", "  ") + text[middle:].replace(" ", "\n", 1), "case and spacing"

    def slightly(self, text: str) -> tuple[str, str]:
        """One small change to a short text."""
        pieces = _SPACE.split(text)
        way = self.draws.below(3)
        if way == 0:
            return "".join(self.replaced(pieces, 1)), "1 word replaced"
        if way == 1:
            return "".join(pieces[:-2]), "cut by 1 word"
        return self.restyled(text)

    def _added(self, pieces: list[str], count: int) -> tuple[list[str], str]:
        """Words of unused sentences, as lines of their own at the end."""
        lines, left = list[str](), count
        while left > 0:
            words = self.draws.pick(self._filler).split()[:left]
            lines.append(" ".join(words))
            left -= len(words)
        return [*pieces, "\n", "\n".join(lines)], f"{count} words added"
