"""A task that needs no download: which of four texts goes on from the beginning of a held-out document.

It is made of the corpus itself, by its digest, and shows what no perplexity does: that the model puts the true
continuation before others of the same source. Guessing gives a quarter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from corpus.mapped_corpus import MappedCorpus
from corpus.order import Permutation, derive_key
from corpus.shard import Shard
from corpus.tokenizer import Vocabulary
from evaluation.item import Choice, Item
from evaluation.options import CONTINUATION
from evaluation.tasks.task import Task

# Tokens of a beginning, at least, and of what goes on from it. Unpublished: our choice, about HellaSwag's lengths;
# a model of a narrower window is given half of it, and a quarter.
_BEGINNING, _GOES_ON = 48, 24
_CHOICES: Final = 4
PER_SOURCE: Final = 100  # unpublished: our choice; a standard error of four points each


TASK: Final = Task(
    name=CONTINUATION,
    title="Continuation",
    folder="",
    files=(),
    pool=(),
    rows=lambda path: iter(()),
    item=lambda key, row: [],
    examples=lambda key, row: [],
    judged_by="token",
    counted="item",
    chance=100 / _CHOICES,
    prompt="the document itself",
    licence="that of each source, which the manifest names",
    origin="the corpus' validation documents",
)


@dataclass(frozen=True)
class _Cut:
    """A document cut in two: what it begins with, and what goes on from there."""

    key: str
    context: str
    continuation: str


def items(
    corpus: MappedCorpus, vocabulary: Vocabulary, window: int, limit: int = PER_SOURCE
) -> tuple[list[Item], int]:
    """The items of all sources, and how many held-out documents gave none.

    A document is too short to be cut, or its source has too few others, or more than `limit`.

    Args:
        corpus: Its validation documents are cut.
        vocabulary: Of the corpus.
        window: Tokens that the model takes at once.
        limit: Items of a source, at most: its first documents.
    """
    found: list[Item] = []
    documents = 0
    lengths = min(_BEGINNING, window // 2), min(_GOES_ON, window // 4)
    for source, shards in _held_out(corpus).items():
        ids = [shard.document(row) for shard in shards for row in range(len(shard))]
        documents += len(ids)
        made = (_cut(f"{source}:{number}", each, vocabulary, lengths) for number, each in enumerate(ids))
        cuts = [cut for cut in made if cut is not None]
        if len(cuts) >= _CHOICES:
            found += [_item(number, cuts, corpus.digest) for number in range(min(limit, len(cuts)))]
    return found, documents - len(found)


def _held_out(corpus: MappedCorpus) -> dict[str, list[Shard]]:
    found: dict[str, list[Shard]] = {}
    for shard in corpus.manifest.shards:
        if shard.split == "valid":
            found.setdefault(shard.source, []).append(Shard.open(corpus.stem(shard)))
    return found


def _cut(key: str, ids: NDArray[np.uint16], vocabulary: Vocabulary, lengths: tuple[int, int]) -> _Cut | None:
    """Cuts a document before the first word behind so many tokens; None where it is too short, or has none."""
    beginning, goes_on = lengths
    for at in range(beginning, min(len(ids) - goes_on - 1, beginning + beginning // 4)):
        word = vocabulary.tokens[int(ids[at])]
        if word[:1] == b" " and word.strip():
            context = vocabulary.decode(ids[:at]).decode(errors="replace")
            rest = vocabulary.decode(ids[at : at + goes_on]).decode(errors="ignore").rstrip()
            return None if context[-1:].isspace() else _Cut(key, context, rest)
    return None


def _item(number: int, cuts: Sequence[_Cut], digest: str) -> Item:
    """The true continuation and three others of the source, in an order drawn by digest and key."""
    own = cuts[number]
    draw = Permutation(len(cuts), derive_key(0, f"{CONTINUATION}/{digest}/{own.key}"))
    drawn = draw.forward(np.arange(min(len(cuts), _CHOICES + 1), dtype=np.uint64)).tolist()
    others = [cuts[place].continuation for place in drawn if place != number]
    texts = [each for each in others if each != own.continuation][: _CHOICES - 1]
    right = derive_key(1, f"{CONTINUATION}/{digest}/{own.key}") % (len(texts) + 1)
    texts.insert(right, own.continuation)
    return Item(own.key, tuple(Choice(own.context, text) for text in texts), (right,), family=own.key)
