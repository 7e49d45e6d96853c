"""From items to ids: pieces end to end are the whole text, and examples are left out whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_results import task

from corpus.document import Texts
from corpus.encoders import TokenizersEncoder
from corpus.tokenizer import gpt2_spellings, load_vocabulary
from evaluation.item import Choice, Example, Item
from evaluation.prompts import Prompter

ENCODER, VOCABULARY = TokenizersEncoder(), load_vocabulary("gpt2")
ITEM = Item("k", (Choice("The tide is", " high."), Choice("The tide is", " at the door, and waits.")), (0,))
EXAMPLES = [Example(str(number), f"Lamp {number} burns\nbright.", "") for number in range(5)]


def ids(text: str) -> list[int]:
    return ENCODER.encode(Texts.from_list([text.encode()])).ids.tolist()


def prompter(window: int = 200, begin: tuple[int, ...] = (50_256,)) -> Prompter:
    return Prompter(ENCODER, VOCABULARY, window, begin)


@pytest.mark.parametrize("begin", [(), (50_256,)])
@pytest.mark.parametrize("shown", [0, 1, 3])
def test_pieces_are_the_whole_text(begin: tuple[int, ...], shown: int) -> None:
    made = prompter(begin=begin).prompt(task("t", preamble="Read on."), ITEM, EXAMPLES[:shown])
    assert made is not None and made.shown == shown
    before = "\n\n".join(["Read on.", *(one.text for one in EXAMPLES[:shown])])
    for request, choice in zip(made.requests, ITEM.choices, strict=True):
        assert request.ids.tolist() == [*begin, *ids(f"{before}\n\n{choice.context}{choice.continuation}")]
        assert request.scored == len(ids(choice.continuation))
    assert made.tokens == max(len(request.ids) for request in made.requests)
    assert made.unconditional == ()


def test_the_unconditional_value_has_the_same_answers_behind_another_context() -> None:
    made = prompter().prompt(task("t", unconditional="Answer:"), ITEM, EXAMPLES)
    assert made is not None
    for request, choice in zip(made.unconditional, ITEM.choices, strict=True):
        assert request.ids.tolist() == [50_256, *ids("Answer:" + choice.continuation)]
        assert request.scored == len(ids(choice.continuation))


@pytest.mark.parametrize("window", range(4, 60))
def test_examples_are_left_out_whole_the_first_ones_first(window: int) -> None:
    made = prompter(window).prompt(task("t"), ITEM, EXAMPLES)
    longest = max(ITEM.choices, key=lambda choice: len(ids(choice.context + choice.continuation)))
    fits = {
        shown: 1
        + len(
            ids(
                "\n\n".join(one.text for one in EXAMPLES[len(EXAMPLES) - shown :])
                + ("\n\n" if shown else "")
                + longest.context
                + longest.continuation
            )
        )
        for shown in range(6)
    }
    # The last token is predicted and does not go in.
    best = [shown for shown, length in fits.items() if length - 1 <= window]
    assert (made is None) == (not best)
    if made is not None:
        assert made.shown == max(best)
        assert made.tokens == fits[made.shown]


def test_the_digest_is_of_everything_that_is_asked() -> None:
    def digest(item: Item = ITEM, shown: int = 1, unconditional: str = "", **changed: str) -> str:
        made = prompter().prompt(task("t", unconditional=unconditional, **changed), item, EXAMPLES[:shown])
        assert made is not None
        return made.digest()

    other = Item("k", (Choice("The tide is", " high."), Choice("The tide is", " at the door.")), (0,))
    moved = Item("k", (Choice("The tide is high", "."), Choice("The tide is", " at the door, and waits.")), (0,))
    digests = [digest(), digest(other), digest(moved), digest(shown=2), digest(unconditional="Answer:")]
    assert len({*digests, digest(separator="\n")}) == 6
    assert digest() == digests[0]


def test_ids_are_those_of_the_models_vocabulary(tmp_path: Path) -> None:
    entries = ["<s>", "<pad>", "</s>", "<unk>", *reversed(gpt2_spellings()[:-1]), "<|endoftext|>"]
    entries += ["madeupword0000", "madeupword0001", "madeupword0002", "<mask>"]
    file = tmp_path / "gpt2-vocab.json"
    file.write_text(json.dumps({spelling: number for number, spelling in enumerate(entries)}))
    opt = load_vocabulary(str(file))
    made = Prompter(ENCODER, opt, 200, (opt.end_of_document,)).prompt(task("t"), ITEM, [])
    assert made is not None
    text = ITEM.choices[0].context + ITEM.choices[0].continuation
    assert made.requests[0].ids.tolist() == [2, *opt.from_gpt2[np.array(ids(text))].tolist()]
    assert opt.decode(made.requests[0].ids.tolist()).decode() == text
