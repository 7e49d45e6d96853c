"""From an item to requests: its pieces are encoded and laid end to end, examples left out until all fits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.tokenizer import Encoder, Vocabulary
from evaluation.item import Example, Item
from evaluation.request import Request
from evaluation.tasks.task import Task

Ids = NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a model is asked about an item.

    Attributes:
        item: What it is about.
        shown: Examples that fitted in.
        requests: One for each choice, in their order.
        unconditional: The same behind the unconditional context; empty where the task has none.
    """

    item: Item
    shown: int
    requests: tuple[Request, ...]
    unconditional: tuple[Request, ...]

    @property
    def tokens(self) -> int:
        """Of the longest request."""
        return max(len(request.ids) for request in self.requests)

    def digest(self) -> str:
        """sha256 of all that is asked, to the last token: its first 16 hex digits."""
        found = hashlib.sha256()
        for request in (*self.requests, *self.unconditional):
            found.update(np.array([len(request.ids), request.scored], "<u4").tobytes())
            found.update(request.ids.astype("<u2").tobytes())
        return found.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Prompter:
    """Makes prompts.

    Attributes:
        encoder: Cuts text into tokens.
        vocabulary: Of the model.
        window: Tokens that a model takes at once.
        begin: What stands before each prompt: the id that ends a document, as in training; or nothing.
    """

    encoder: Encoder
    vocabulary: Vocabulary
    window: int
    begin: tuple[int, ...]
    _seen: dict[str, Ids] = field(default_factory=dict)

    def prompt(self, task: Task, item: Item, examples: Sequence[Example]) -> Prompt | None:
        """The prompt of an item; None where it does not fit into the window even without an example.

        Examples are left out whole, from the first one on: what stands next to the question stays.

        Args:
            task: How it asks.
            item: What is asked.
            examples: What is shown before, in this order.
        """
        continuations = self._encode([choice.continuation for choice in item.choices])
        for left_out in range(len(examples) + 1):
            shown = examples[left_out:]
            texts = [text for text in (task.preamble, *(one.text for one in shown)) if text]
            before = self._before(texts, task.separator)
            behind = task.separator if texts else ""
            contexts = self._encode([behind + choice.context for choice in item.choices])
            requests = [
                _request(*before, context, continuation=continuation)
                for context, continuation in zip(contexts, continuations, strict=True)
            ]
            # The last token is predicted, and never goes in.
            if max(len(request.ids) for request in requests) - 1 <= self.window:
                break
        else:
            return None
        alone: list[Request] = []
        if task.unconditional:
            (context,) = self._encode([task.unconditional])
            alone = [_request(*self._before([], ""), context, continuation=each) for each in continuations]
        return Prompt(item, len(shown), tuple(requests), tuple(alone))

    def _before(self, texts: Sequence[str], separator: str) -> list[Ids]:
        """What every prompt begins with, and texts: all but the first behind a separator."""
        pieces = [(separator if number else "") + text for number, text in enumerate(texts)]
        new = [piece for piece in pieces if piece not in self._seen]
        self._seen.update(zip(new, self._encode(new), strict=True))
        return [np.array(self.begin, np.uint16), *(self._seen[piece] for piece in pieces)]

    def _encode(self, pieces: Sequence[str]) -> list[Ids]:
        """The ids of each piece, as they are where it stands (see evaluation/item.py)."""
        tokens = self.encoder.encode(Texts.from_list([piece.encode() for piece in pieces]))
        return [self.vocabulary.from_gpt2[tokens[row]] for row in range(len(pieces))]


def _request(*before: Ids, continuation: Ids) -> Request:
    return Request(np.concatenate([*before, continuation]), len(continuation))
