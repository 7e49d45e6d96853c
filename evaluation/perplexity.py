"""Held-out text, window by window: how probable a model finds each token behind those before it.

The validation documents of a source lie end to end, as in training. Each token is predicted once, behind at most
`window` tokens. Windows predict `stride` tokens each: one has at least `window - stride + 1` before it but at the
source's beginning. With `stride` = `window`, the default, a window's first token has one token before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus.mapped_corpus import MappedCorpus
from corpus.shard import Shard
from corpus.tokenizer import Vocabulary
from evaluation.request import Request

if TYPE_CHECKING:
    from evaluation.scorer import Scorer


class WindowSample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model said of a window.

    Attributes:
        key: "source:number".
        source: Whose it is.
        nll: The sum of the negative log-probabilities, natural.
        tokens: How many were predicted, the ids that end documents among them.
        bytes: Of UTF-8 that they stand for; what ends a document stands for none.
        gpt2_tokens: Of them, those that stand for text: GPT-2's vocabulary cuts it into as many.
    """

    key: str
    source: str
    nll: float
    tokens: int
    bytes: int
    gpt2_tokens: int


@dataclass(frozen=True, eq=False)
class Window:
    """Tokens to predict.

    Attributes:
        key: "source:number".
        source: Whose they are.
        request: What is asked.
    """

    key: str
    source: str
    request: Request


def held_out(corpus: MappedCorpus) -> dict[str, list[NDArray[np.uint16]]]:
    """Source -> the tokens of its validation shards, mapped, in order."""
    found: dict[str, list[NDArray[np.uint16]]] = {}
    for shard in corpus.manifest.shards:
        if shard.split == "valid":
            found.setdefault(shard.source, []).append(Shard.open(corpus.stem(shard)).tokens)
    return found


def windows(
    source: str, shards: Sequence[NDArray[np.uint16]], begin: int, window: int, stride: int
) -> Iterator[Window]:
    """The windows of a source, in order, the last one shorter.

    Args:
        source: Its name.
        shards: uint16[n] each, end to end its held-out tokens.
        begin: What stands before the first: the id that ends a document.
        window: Tokens that a model takes at once.
        stride: Tokens that a window predicts, 1 to `window`.
    """
    tokens = np.concatenate([np.array([begin], np.uint16), *shards])
    for number, first in enumerate(range(1, len(tokens), stride)):
        end = min(first + stride, len(tokens))
        ids = tokens[max(0, end - 1 - window) : end]
        yield Window(f"{source}:{number}", source, Request(ids, end - first))


def score_windows(scorer: Scorer, vocabulary: Vocabulary, chunk: Sequence[Window]) -> list[WindowSample]:
    """A sample of each window, all in one pass."""
    lengths = np.array([len(each) for each in vocabulary.tokens])
    found = []
    for window, scores in zip(chunk, scorer.score([window.request for window in chunk]), strict=True):
        size = lengths[window.request.ids[-window.request.scored :]]
        found.append(
            WindowSample(
                key=window.key,
                source=window.source,
                nll=-math.fsum(scores.logprobs),
                tokens=len(size),
                bytes=int(size.sum()),
                gpt2_tokens=int((size > 0).sum()),
            )
        )
    return found
