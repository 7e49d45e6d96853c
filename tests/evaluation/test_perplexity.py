"""Held-out text by windows: every token once, behind what stands before it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from small_corpus import small_corpus
from small_models import SHAPE, model_of

from corpus.mapped_corpus import MappedCorpus
from corpus.tokenizer import load_vocabulary
from evaluation.perplexity import held_out, score_windows, windows
from evaluation.scorer import Scorer

END = 50_256


@given(some.integers(1, 70), some.integers(1, 12), some.data())
def test_every_token_is_predicted_once_behind_as_many_as_there_is_room_for(
    length: int, window: int, data: some.DataObject
) -> None:
    stride = data.draw(some.integers(1, window))
    cuts = sorted(data.draw(some.lists(some.integers(0, length), max_size=3)))
    text = np.arange(length, dtype=np.uint16)
    before = [END, *text.tolist()]
    met = []
    for each in windows("s", np.split(text, cuts), END, window, stride):
        ids = each.request.ids.tolist()
        assert len(ids) - 1 <= window
        first = len(met) + 1
        met += ids[-each.request.scored :]
        # All that precedes, as far as the window reaches.
        assert ids == before[max(0, first + each.request.scored - 1 - window) : first + each.request.scored]
        assert each.request.scored == min(stride, length + 1 - first)
    assert met == text.tolist()


@pytest.mark.parametrize("stride", [64, 16])
def test_it_is_the_models_own_cross_entropy(stride: int) -> None:
    corpus, vocabulary, model = (
        MappedCorpus.open(small_corpus()),
        load_vocabulary("gpt2"),
        model_of(SHAPE, dtype=torch.float64),
    )
    scorer = Scorer(model, vocabulary.size)
    shards = held_out(corpus)
    assert [*shards] == ["alpha", "beta", "gamma"]
    text = np.concatenate([[END], *shards["alpha"]]).astype(np.int64)[:300]
    own = [*windows("alpha", [text[1:].astype(np.uint16)], END, 64, stride)]
    found = score_windows(scorer, vocabulary, own)
    assert [one.key for one in found] == [f"alpha:{number}" for number in range(len(own))]
    assert sum(one.tokens for one in found) == 299
    assert sum(one.bytes for one in found) == len(vocabulary.decode(text[1:].tolist()))
    assert sum(one.gpt2_tokens for one in found) == int((text[1:] != END).sum())
    for number, one in enumerate(found):
        first = 1 + number * stride
        last = min(first + stride, 300)
        ids = torch.from_numpy(text[max(0, last - 1 - 64) : last])
        with torch.no_grad():
            logits = model(ids[None, :-1])[0, :, : vocabulary.size]
        loss = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")[-(last - first) :]
        assert abs(one.nll - float(loss.sum())) < 1e-9 * one.nll
