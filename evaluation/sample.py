"""What a model said of one item, as it is kept: a line of JSON. Every score is computed from these lines alone."""

from __future__ import annotations

import msgspec


class ScoredChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the answers.

    Attributes:
        logprobs: Of each token of the continuation, natural logarithms.
        characters: Of the continuation, without the white space it begins with.
        bytes: The same, in UTF-8.
        unconditional: Sum over the same tokens behind the task's unconditional context; None where it has none.
        greedy: Whether each token was the most probable one.
    """

    logprobs: tuple[float, ...]
    characters: int
    bytes: int
    unconditional: float | None
    greedy: bool


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item.

    Attributes:
        task: Its name.
        shots: Examples that were asked for.
        key: `Item.key`.
        question: `Item.question`.
        right: `Item.right`.
        shown: Examples that fitted in.
        prompt: sha256 of the ids that were scored, 16 hex digits: what was asked, to the last token.
        tokens: The longest of its prompts, continuation included.
        choices: In the item's order.
    """

    task: str
    shots: int
    key: str
    question: str
    right: tuple[int, ...]
    shown: int
    prompt: str
    tokens: int
    choices: tuple[ScoredChoice, ...]
