"""Prompts in chunks: what is scored in one pass, kept in one go, and scored again if it was not.

Which prompts make a chunk depends on the prompts alone. So neither the number of processes nor the moment of a
kill changes what is computed together: the results are the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from evaluation.item import Choice
from evaluation.prompts import Ids, Prompt
from evaluation.request import Request, common_prefix
from evaluation.sample import Sample, ScoredChoice
from evaluation.scorer import Scorer, Scores


def chunks(prompts: Iterable[Prompt], tokens: int) -> Iterator[list[Prompt]]:
    """Prompts in their order, as many together as so many tokens are computed for; one at least."""
    chunk: list[Prompt] = []
    taken, before = 0, np.empty(0, np.uint16)
    for prompt in prompts:
        requests = [*prompt.requests, *prompt.unconditional]
        more = _computed(requests, before)
        if chunk and taken + more > tokens:
            yield chunk
            chunk, taken = [], 0
            more = _computed(requests, before[:0])
        chunk.append(prompt)
        taken, before = taken + more, prompt.requests[-1].ids
    if chunk:
        yield chunk


def _computed(requests: Sequence[Request], before: Ids) -> int:
    """Tokens to compute for requests that follow another: about as many as a forest will find."""
    total = 0
    for request in requests:
        total += len(request.ids) - common_prefix(before, request.ids)
        before = request.ids
    return total


def score_all(
    scorer: Scorer, requests: Sequence[Request], tokens: int, progress: Callable[[int, int], None]
) -> list[Scores]:
    """The scores of any number of requests, in their order; those that begin alike are computed together.

    Args:
        scorer: The model.
        requests: In any order.
        tokens: Computed in one pass; a request that has more is computed all the same.
        progress: Is told after each pass: done, of how many.
    """
    # Big-endian bytes sort as ids do.
    order = sorted(range(len(requests)), key=lambda number: requests[number].ids.astype(">u2").tobytes())
    found: dict[int, Scores] = {}
    first = 0
    while first < len(order):
        end, taken, before = first, 0, np.empty(0, np.uint16)
        while end < len(order):
            request = requests[order[end]]
            taken += _computed([request], before)
            if end > first and taken > tokens:
                break
            end, before = end + 1, request.ids
        here = order[first:end]
        found |= zip(here, scorer.score([requests[number] for number in here]), strict=True)
        progress(end, len(order))
        first = end
    return [found[number] for number in range(len(requests))]


def score_chunk(scorer: Scorer, task: str, shots: int, chunk: Sequence[Prompt]) -> list[Sample]:
    """A sample of each prompt, all in one pass."""
    flat = [request for prompt in chunk for request in (*prompt.requests, *prompt.unconditional)]
    scores = iter(scorer.score(flat))
    found = []
    for prompt in chunk:
        own = [next(scores) for _ in prompt.requests]
        alone: list[float | None] = [math.fsum(next(scores).logprobs) for _ in prompt.unconditional]
        item = prompt.item
        found.append(
            Sample(
                task=task,
                shots=shots,
                key=item.key,
                question=item.question,
                right=item.right,
                shown=prompt.shown,
                prompt=prompt.digest(),
                tokens=prompt.tokens,
                choices=tuple(map(_scored, item.choices, own, alone or [None] * len(own))),
            )
        )
    return found


def _scored(choice: Choice, scores: Scores, unconditional: float | None) -> ScoredChoice:
    text = choice.continuation.lstrip()
    return ScoredChoice(
        logprobs=tuple(scores.logprobs.tolist()),
        characters=len(text),
        bytes=len(text.encode()),
        unconditional=unconditional,
        greedy=bool(scores.greedy.all()),
    )
