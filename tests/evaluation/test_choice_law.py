"""A choice is cut where GPT-2 cuts: its pieces, encoded apart, are the whole encoded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from corpus.tokenizer import gpt2_merges, gpt2_spellings
from evaluation.item import BLANKS, STOPS, Choice, Item, MalformedRowError

# The library that defines the encoding. Among the letters are those that Python alone takes for white space.
GPT2 = Tokenizer(models.BPE(vocab={one: i for i, one in enumerate(gpt2_spellings())}, merges=gpt2_merges()))
GPT2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
LETTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]), st.sampled_from(" \n\t.,'\"s1é²\u2028\x1c\x85\xa0\u200b\u0301")
)
TEXT = st.text(LETTERS, max_size=8)


@settings(max_examples=3000)
@given(TEXT, st.builds(str.__add__, st.sampled_from(BLANKS + STOPS), TEXT))
def test_pieces_are_encoded_as_the_whole_is(context: str, continuation: str) -> None:
    try:
        Choice(context, continuation)
    except MalformedRowError:
        return
    apart = GPT2.encode(context).ids + GPT2.encode(continuation).ids
    assert apart == GPT2.encode(context + continuation).ids


@pytest.mark.parametrize(
    ("context", "continuation", "why"),
    [
        ("a", " ", "an answer is empty"),
        ("a", "", "an answer is empty"),
        (" ", " b", "nothing before"),
        ("a", "b", "not cut at white space"),
        ("a ", " b", "not cut at white space"),
        ("a!", ".", "not cut at white space"),
        ("a", "\x1cb", "not cut at white space"),
    ],
)
def test_what_is_no_choice(context: str, continuation: str, why: str) -> None:
    with pytest.raises(MalformedRowError, match=why):
        Choice(context, continuation)


@pytest.mark.parametrize("right", [(), (2,), (-1,), (0, 2)])
def test_a_right_answer_is_one_of_the_choices(right: tuple[int, ...]) -> None:
    with pytest.raises(MalformedRowError, match="is none of 2"):
        Item("k", (Choice("a", " b"), Choice("a", " c")), right)


def test_one_answer_is_no_choice() -> None:
    with pytest.raises(MalformedRowError, match="nothing to choose among 1 answers"):
        Item("k", (Choice("a", " b"),), (0,))
