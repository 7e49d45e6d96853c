"""The task that a corpus is made into."""

from __future__ import annotations

from collections import Counter

import numpy as np
from small_corpus import small_corpus

from corpus.mapped_corpus import MappedCorpus
from corpus.shard import Shard
from corpus.tokenizer import load_vocabulary
from evaluation.continuation import TASK, items


def documents(corpus: MappedCorpus) -> dict[str, list[str]]:
    """Source -> the texts of its held-out documents, as they lie."""
    vocabulary, found = load_vocabulary("gpt2"), {}
    for entry in corpus.manifest.shards:
        if entry.split == "valid":
            shard = Shard.open(corpus.stem(entry))
            texts = [vocabulary.decode(shard.document(row).tolist()).decode() for row in range(len(shard))]
            found.setdefault(entry.source, []).extend(texts)
    return found


def test_the_right_answer_goes_on_and_the_others_are_of_other_documents() -> None:
    corpus = MappedCorpus.open(small_corpus())
    made, left_out = items(corpus, load_vocabulary("gpt2"), 2048, 1000)
    texts = documents(corpus)
    assert len(made) + left_out == sum(map(len, texts.values()))
    assert len(made) > 10
    for item in made:
        source, _, number = item.key.partition(":")
        (right,) = item.right
        own = texts[source][int(number)]
        assert own.startswith(item.choices[right].context + item.choices[right].continuation)
        assert len(item.choices) == 4 and len({choice.continuation for choice in item.choices}) == 4
        others = [text for text in texts[source] if text != own]
        for place, choice in enumerate(item.choices):
            assert choice.context == item.choices[right].context
            if place != right:
                assert any(choice.continuation in text for text in others)
    assert len({item.right for item in made}) > 1
    assert np.isclose(TASK.chance, 25)


def test_it_fits_a_narrow_model_and_takes_no_more_than_is_asked() -> None:
    corpus, vocabulary = MappedCorpus.open(small_corpus()), load_vocabulary("gpt2")
    made, _ = items(corpus, vocabulary, 64, 2)
    assert Counter(item.key.partition(":")[0] for item in made) == {"alpha": 2, "beta": 2, "gamma": 2}
    again, _ = items(corpus, vocabulary, 64, 2)
    assert made == again
