"""A corpus without a text: what a text would have told, drawn by a keyed hash from the number of its document.

Where a text would stand, stand 16 hex digits: a number, of which everything else is a function. Numbers below
2**63 are documents of files, the others comments of Reddit, whose chain is known by its first.

Documents come in cells of 10,000 that are alike: so many of each are copies of one text, so many are of a family
of near-duplicates, as the sample has them (`likeness.py`). Of each cell ten are copies of one of 16 templates with
little changed, and a template is the whole corpus's, so that what piles up in one bucket grows with the corpus. A
keyed permutation puts the documents of a cell anywhere in the corpus, as copies are on the web.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from likeness import Likeness, load_likeness
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.order import Permutation, derive_key, splitmix64

CELL = 10_000
TEMPLATES = 16  # unpublished: our choice
TEMPLATED = 10  # unpublished: our choice; documents of a cell that are of a template
TEMPLATE_JACCARD = 97  # unpublished: our choice; of any two of one template
DIGITS = 16
COMMENT = np.uint64(1 << 63)
WINDOW = 4  # words before the first shingle: of 5 words each
ALONE, COPY, NEAR, TEMPLATE = range(4)

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_NIBBLES = np.arange(60, -4, -4, dtype=np.uint64)
_32 = np.uint64(32)
_MOST_COMMENTS = np.uint64(20)  # bits of a comment's place in its thread


@dataclass(frozen=True, eq=False)
class Cell:
    """What each of the 10,000 documents of a cell is.

    Attributes:
        kind: uint8[CELL], `ALONE`, `COPY`, `NEAR` or `TEMPLATE`.
        family: int64[CELL], which of the cell's families; of one alone, its own.
        member: int64[CELL], its place in the family.
    """

    kind: NDArray[np.uint8]
    family: NDArray[np.int64]
    member: NDArray[np.int64]

    @classmethod
    def like(cls, likeness: Likeness) -> Cell:
        """As many of each as the sample has in so many."""
        sizes = [(TEMPLATE, TEMPLATED)]
        for kind, groups in ((COPY, likeness.copies), (NEAR, likeness.families)):
            for size, count in groups.items():
                sizes += [(kind, size)] * round(count * CELL / likeness.documents)
        sizes += [(ALONE, 1)] * (CELL - sum(size for _, size in sizes))
        lengths = [size for _, size in sizes]
        return cls(
            np.repeat(np.array([kind for kind, _ in sizes], np.uint8), lengths),
            np.repeat(np.arange(len(sizes)), lengths),
            np.concatenate([np.arange(size) for size in lengths]),
        )


@dataclass(frozen=True, eq=False)
class Facts:
    """What the texts of some numbers would have told.

    Attributes:
        own: uint64[n], a hash that no other document has.
        family: uint64[n], one that all documents of a family have; of one alone, its own.
        content: uint64[n], one that all documents of one text have.
        size: int64[n], bytes of text.
        shingles: int64[n], how many there are.
        apart: int64[n], how many of them are not the family's.
        jaccard: float64[n], with the first of the family.
    """

    own: NDArray[np.uint64]
    family: NDArray[np.uint64]
    content: NDArray[np.uint64]
    size: NDArray[np.int64]
    shingles: NDArray[np.int64]
    apart: NDArray[np.int64]
    jaccard: NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """The documents and the threads of a corpus of a size.

    Attributes:
        documents: Of files; whole cells.
        threads: Of Reddit.
        documents_per_file: A file of so many.
        threads_per_file: A dump of so many.
        seed: Draws everything.
    """

    documents: int
    threads: int
    documents_per_file: int = 100_000
    threads_per_file: int = 100_000
    seed: int = 1

    @cached_property
    def key(self) -> np.uint64:
        return np.uint64(derive_key(self.seed, "draws"))

    @cached_property
    def _places(self) -> Permutation:
        return Permutation(self.documents, derive_key(self.seed, "places"))

    def hashed(self, numbers: NDArray[np.uint64], purpose: int) -> NDArray[np.uint64]:
        """uint64[n], for each purpose others."""
        return splitmix64(numbers ^ splitmix64(np.array([self.key + np.uint64(purpose)], np.uint64)))

    def numbers_at(self, places: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The numbers of the documents that stand at these places of the corpus."""
        return self._places.forward(places)

    def facts(self, numbers: NDArray[np.uint64], comments: NDArray[np.int64]) -> Facts:
        """What the texts of these numbers would have told; `comments` are those of a chain, else 1."""
        like, cell = shared_likeness(), shared_cell()
        chained = numbers >= COMMENT
        slot = np.where(chained, np.uint64(0), numbers % np.uint64(CELL)).astype(np.int64)
        kind = np.where(chained, ALONE, cell.kind[slot])
        of_cell = numbers - slot.astype(np.uint64) + cell.family[slot].astype(np.uint64)
        of_cell = np.where(kind == TEMPLATE, numbers // np.uint64(CELL) % np.uint64(TEMPLATES), of_cell)
        own = self.hashed(numbers, 1)
        family = np.where(kind == ALONE, own, self.hashed(of_cell, 2 + TEMPLATE * 8) + kind.astype(np.uint64))
        size = drawn(like.text_bytes, self.hashed(family, 3))
        chars = np.mean(like.chars, dtype=np.int64)
        size = np.where(chained, comments * chars, size)
        shingles = np.maximum(1, size * like.words // 1000 - WINDOW)
        levels = np.repeat(list(like.jaccard), list(like.jaccard.values()))
        percent = levels[(self.hashed(family, 4) >> _32).astype(np.int64) * len(levels) >> 32]
        percent = np.where(kind == TEMPLATE, TEMPLATE_JACCARD, percent)
        # One of a template is as far from what they have in common as half its distance from the next.
        from_first = (kind == NEAR) & (cell.member[slot] > 0) | (kind == TEMPLATE)
        halved = np.where(kind == TEMPLATE, 2, 1)
        apart = np.where(from_first, shingles * (100 - percent) // ((100 + percent) * halved), 0)
        return Facts(
            own=own,
            family=family,
            content=np.where(kind == COPY, family, own),
            size=size,
            shingles=shingles,
            apart=apart,
            jaccard=(shingles - apart) / (shingles + apart),
        )

    def lines(self, file: int) -> Iterator[NDArray[np.uint64]]:
        """The numbers of a dump's comments, some thousands at a time: whole threads, their comments mixed."""
        last = min(self.threads, (file + 1) * self.threads_per_file)
        for first in range(file * self.threads_per_file, last, 2000):
            thread = np.arange(first, min(first + 2000, last), dtype=np.uint64)
            counts = drawn(shared_likeness().comments, self.hashed(thread, 5))
            starts = np.repeat(np.cumsum(counts) - counts, counts)
            place = np.arange(len(starts)) - starts
            number = np.repeat(thread << _MOST_COMMENTS, counts) | place.astype(np.uint64) | COMMENT
            yield number[np.argsort(self.hashed(number, 6))]

    def parents(self, numbers: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The comments that these answer; and which of them answer the submission, and none."""
        like = shared_likeness()
        place = (numbers & np.uint64((1 << 20) - 1)).astype(np.int64)
        draw = (self.hashed(numbers, 7) % np.uint64(1_000_000)).astype(np.int64)
        top = (place == 0) | (draw < 1000 * like.top)
        newest = draw < 1000 * like.top + (1000 - like.top) * like.newest
        other = (self.hashed(numbers, 8) >> _32).astype(np.int64) * place >> 32
        parent = np.where(newest, place - 1, other)
        back = (place - np.where(top, place, parent)).astype(np.uint64)
        return numbers - back, top


@functools.cache
def shared_likeness() -> Likeness:
    return load_likeness()


@functools.cache
def shared_cell() -> Cell:
    return Cell.like(shared_likeness())


def drawn(percentiles: Sequence[int], hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """A value for each hash, between two of these percentiles in the proportion of their logarithms."""
    at = (hashes >> np.uint64(11)).astype(np.float64) * (len(percentiles) - 1) / 2.0**53
    return np.exp(np.interp(at, np.arange(len(percentiles)), np.log(percentiles))).astype(np.int64)


def written(numbers: NDArray[np.uint64]) -> Texts:
    """What stands for the texts of these numbers: 16 hex digits each."""
    digits = _HEX[(numbers[:, None] >> _NIBBLES & np.uint64(15)).astype(np.intp)]
    return Texts(digits.ravel(), np.arange(len(numbers) + 1, dtype=np.int64) * DIGITS)


def read(texts: Texts) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The numbers that stand for texts, of a chain its first comment's, and how many comments each has."""
    digits = texts.data[texts.offsets[:-1, None] + np.arange(DIGITS)]
    nibbles = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint64)
    numbers = np.bitwise_or.reduce(nibbles << _NIBBLES, axis=1)
    return numbers, (texts.lengths + 2) // (DIGITS + 2)


def digests(content: NDArray[np.uint64], width: int) -> NDArray[np.uint8]:
    """uint8[n, width], as many bytes as a digest of each has."""
    words = [splitmix64(content + np.uint64(word)) for word in range(width // 8)]
    return np.ascontiguousarray(np.stack(words, axis=1)).view(np.uint8).reshape(-1, width)


def runs(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For runs of these lengths, end to end: which run each element is of, and its place there."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def batches(first: int, end: int, step: int) -> Iterator[NDArray[np.uint64]]:
    """The places from the first up to the end, so many at a time."""
    cuts = [*range(first, end, step), end]
    return (np.arange(start, stop, dtype=np.uint64) for start, stop in itertools.pairwise(cuts))
