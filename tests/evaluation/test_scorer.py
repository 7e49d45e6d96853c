"""Log-probabilities against transformers' OPTForCausalLM, request by request; and one alone is one among many."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import model_of, theirs

from evaluation.chunks import score_all
from evaluation.forest import Forest
from evaluation.request import Request
from evaluation.scorer import Scorer, Scores
from training.config import ModelShape

SIZE = 50_265  # ids of OPT's vocabulary; its embedding has 50,272 rows
WIDE = ModelShape(layers=2, heads=4, width=32, feed_forward=64, positions=160)
NARROW = ModelShape(
    layers=2, heads=4, width=48, feed_forward=64, positions=160, embedding_width=16, normalise="after"
)  # the released 350M's shape
FEW = ModelShape(layers=2, heads=2, width=16, feed_forward=32, vocabulary=16, positions=24)


def request(ids: list[int], scored: int) -> Request:
    return Request(np.array(ids, np.uint16), scored)


def requests() -> list[Request]:
    """Of every kind: see the comments."""
    draw = np.random.default_rng(7)
    ids = [draw.integers(0, SIZE, 161).tolist() for _ in range(6)]
    shared = ids[0][:90]
    found = [
        request([*shared, *tail[:length]], length) for tail, length in zip(ids[1:5], (1, 3, 9, 40), strict=True)
    ]
    found += [request([2, *ids[5][:length]], length) for length in (1, 2, 30)]  # all but the first token
    found += [request(ids[1], 1), request(ids[1], 160), request(ids[2], 77)]  # the whole window
    found += [request([*shared, 3], 1), request([*shared, 4], 1)]  # one beginning, two single tokens
    found += [found[2], request(found[2].ids.tolist(), 2)]  # equal ones, and the same ids with less asked for
    found += [request(found[3].ids[:-5].tolist(), 4), request([2, 2], 1), request([2, SIZE - 1], 1)]  # prefixes
    return found


@pytest.mark.parametrize("shape", [WIDE, NARROW], ids=["before", "after"])
def test_each_request_is_as_transformers_has_it(shape: ModelShape) -> None:
    transformers = pytest.importorskip("transformers")
    model = model_of(shape)
    judge, asked = theirs(transformers, model), requests()
    found = Scorer(model, SIZE).score(asked)
    spread = []
    for one, scores in zip(asked, found, strict=True):
        ids = torch.from_numpy(one.ids.astype(np.int64))
        with torch.no_grad():
            logits_TV = judge(ids[None, :-1]).logits[0, -one.scored :, :SIZE]
        expected = logits_TV.log_softmax(-1)[range(one.scored), ids[-one.scored :]].double().numpy()
        assert np.abs(scores.logprobs - expected).sum() <= 1e-4
        assert scores.greedy.tolist() == (logits_TV.argmax(-1) == ids[-one.scored :]).tolist()
        spread.append(float(logits_TV.std()))
    assert min(spread) > 0.1  # else any answer were the right one


def test_rows_behind_the_vocabulary_have_no_probability() -> None:
    """With all ids of a vocabulary asked for, in one request each, the probabilities come to one."""
    model = model_of(FEW)
    asked = [request([3, 1, token], 1) for token in range(12)]
    for size in (12, 16):
        total = sum(np.exp(each.logprobs[0]) for each in Scorer(model, size).score(asked))
        assert (total == pytest.approx(1, abs=1e-5)) == (size == 12)


def test_the_likeliest_token_is_known_as_such() -> None:
    model = model_of(FEW)
    with torch.no_grad():
        best = int(model(torch.tensor([[3, 1, 4]]))[0, -1].argmax())
    scores = Scorer(model, 16).score([request([3, 1, 4, token], 1) for token in range(16)])
    assert [bool(each.greedy[0]) for each in scores] == [token == best for token in range(16)]


@st.composite
def many(draw: st.DrawFn) -> list[Request]:
    found: list[list[int]] = []
    for _ in range(draw(st.integers(1, 12))):
        before = draw(st.sampled_from([[0], *found]))
        cut = draw(st.integers(1, min(len(before), 20)))
        found.append([*before[:cut], *draw(st.lists(st.integers(0, 15), min_size=1, max_size=24 - cut))])
    return [request(ids, draw(st.integers(1, len(ids) - 1))) for ids in found]


DOUBLE = Scorer(model_of(FEW, dtype=torch.float64), 16)


def equal(one: Scores, other: Scores) -> bool:
    # A tie may be decided by the last bit; there is none among random weights.
    return bool(np.abs(one.logprobs - other.logprobs).max() <= 1e-10) and bool((one.greedy == other.greedy).all())


@settings(max_examples=40)
@given(many(), st.integers(1, 80))
def test_one_alone_is_one_among_many(asked: list[Request], tokens: int) -> None:
    """Both as the evaluator scores a chunk, and as any number of requests are scored."""
    alone = [DOUBLE.score([each])[0] for each in asked]
    told: list[tuple[int, int]] = []
    for found in (DOUBLE.score(asked), score_all(DOUBLE, asked, tokens, lambda *said: told.append(said))):
        assert all(map(equal, found, alone))
    assert [done for done, _ in told] == sorted({done for done, _ in told}) and told[-1] == (
        len(asked),
        len(asked),
    )


def test_what_begins_alike_is_computed_once_whatever_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight choices of two items, told in turns: 20 tokens of context and 4 of choices each, one pass an item."""
    passes: list[int] = []
    real = Forest.of

    def counted(asked: list[Request]) -> Forest:
        forest = real(asked)
        passes.append(len(forest.token))
        return forest

    monkeypatch.setattr(Forest, "of", counted)
    asked = [request([item] * 20 + [choice, 0], 2) for choice in range(4, 8) for item in (1, 2)]
    score_all(DOUBLE, asked, 30, lambda done, total: None)
    assert passes == [24, 24]


def test_nothing_asked_is_nothing_answered() -> None:
    assert DOUBLE.score([]) == [] == score_all(DOUBLE, [], 10, lambda done, total: None)
