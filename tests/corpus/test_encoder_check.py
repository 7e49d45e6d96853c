"""A build's own documents, encoded by both encoders: what is taken, and what a difference says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.encoder_check import ONE_IN, EncoderCheck
from corpus.encoders import choose_encoder
from corpus.errors import IntegrityError
from corpus.tokenizer import Encoder, Tokens, encode_documents, load_vocabulary

DOCUMENTS = 8 * ONE_IN


@dataclass
class OneIdOff:
    """An encoder as one of another release may be: right but for the last id of texts that hold a word."""

    right: Encoder
    word: bytes
    name: str = "quicktoken"
    version: str = "0.1"

    def encode(self, texts: Texts) -> Tokens:
        tokens = self.right.encode(texts)
        ids = tokens.ids.copy()
        for row, text in enumerate(texts):
            if self.word in text:
                ids[tokens.offsets[row + 1] - 1] ^= 1
        return Tokens(ids, tokens.offsets)


def documents() -> tuple[NDArray[np.uint8], Texts]:
    numbers = [str(number).encode() for number in range(DOCUMENTS)]
    ids = b"".join(hashlib.sha256(number).digest()[:16] for number in numbers)
    texts = [b"The tide came in, wave " + number + b", and went." for number in numbers]
    return np.frombuffer(ids, np.uint8).reshape(-1, 16), Texts.from_list(texts)


def checked(encoder: Encoder) -> tuple[EncoderCheck, Tokens]:
    vocabulary = load_vocabulary("gpt2")
    _, texts = documents()
    return EncoderCheck(encoder, choose_encoder("tokenizers"), vocabulary), encode_documents(
        encoder, vocabulary, texts
    )


def test_a_document_in_a_thousand_is_taken_whatever_batch_it_is_in() -> None:
    ids, texts = documents()
    check, tokens = checked(choose_encoder("tokenizers"))
    whole = check.check(ids, texts, tokens)
    expected = sum(int.from_bytes(each.tobytes()[-4:], "big") % ONE_IN == 0 for each in ids)
    assert whole == expected > 1
    pieces = 0
    for first in range(0, DOCUMENTS, 1000):
        rows = np.arange(first, min(first + 1000, DOCUMENTS))
        piece = Tokens(
            tokens.ids[tokens.offsets[first] : tokens.offsets[rows[-1] + 1]],
            tokens.offsets[first : rows[-1] + 2] - tokens.offsets[first],
        )
        pieces += check.check(ids[rows], texts.take(rows), piece)
    assert pieces == whole


def test_the_fast_encoder_passes() -> None:
    pytest.importorskip("gigatoken")
    ids, texts = documents()
    check, tokens = checked(choose_encoder("fast"))
    assert check.check(ids, texts, tokens) > 1


def test_a_difference_is_an_error_that_shows_the_text() -> None:
    ids, texts = documents()
    check, tokens = checked(OneIdOff(choose_encoder("tokenizers"), b"wave"))
    with pytest.raises(IntegrityError) as raised:
        check.check(ids, texts, tokens)
    said = str(raised.value).splitlines()
    assert said[0] == "error: quicktoken 0.1 does not encode as tokenizers does"
    assert ", and went." in said[1] and "document " in said[1]
    assert "--encoder tokenizers" in said[2]


def test_a_difference_in_length_is_one() -> None:
    ids, texts = documents()
    check, tokens = checked(choose_encoder("tokenizers"))
    row = next(row for row in range(DOCUMENTS) if int.from_bytes(ids[row].tobytes()[-4:], "big") % ONE_IN == 0)
    mine = tokens[row]
    with pytest.raises(IntegrityError, match=r"does not encode as tokenizers does"):
        check.check(ids[[row]], texts.take(np.array([row])), Tokens(mine[:-1], np.array([0, len(mine) - 1])))
