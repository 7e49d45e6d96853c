"""In which language a text is written: naive Bayes over byte n-grams, in integers, the same on every machine.

The model is py3langid's (langid.py: Lui and Baldwin, ACL 2012 system demonstrations; 140 labels), which lies
inside its package; this file is the seam to it. The library itself multiplies the counts of a text with the
model's table by BLAS, whose last bits move with the processor. Here the same tables are read as integers:

- The automaton walks over the first `SEEN_BYTES` of the text and counts the n-grams it knows. A text without a
  lower-case ASCII letter is walked in lower case. No Unicode table is asked, so none is part of the rule; the
  library lowers other capitals too and composes accents, which the tests hold to be all that parts the two.
- A language's score is its prior and, for every n-gram counted c times, ln(1 + c) times its weight there: weights
  in 512ths, which they are whole numbers of, logarithms in 4096ths, both summed in 64 bits.
- Its share is exp(score / sqrt(bytes)) over the sum of all (the library's own temperature), from tables of
  integers; in hundredths, rounded down. The tables come from `decimal`, which rounds correctly everywhere.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.metadata
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.errors import RecipeError

LANGUAGE_VERSION: Final = 1
SEEN_BYTES: Final = 2048
"""How much of a text is looked at (unpublished: our choice; RESULTS.md has what other bounds tell)."""

NOT_ASKED: Final = -1
"""Language and share of a text whose recipe names no language; the language of a text without any n-gram."""

_WEIGHT_SCALE: Final = 512  # the model's half floats lie in -15 to -2: every one is a multiple of 1/512
_LOG_SCALE: Final = 4096
_SHARE_BITS: Final = 30
_COARSE, _FINE = 80, 256  # exp(-x) for x below 20 as exp(-coarse / 4) * exp(-fine / 1024)
_CONTINUES: Final = 0x80  # of a byte within a UTF-8 character, its two highest bits


class LanguageRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which languages a recipe keeps; by default the question is not asked.

    Attributes:
        keep: Labels of the model: ISO 639 codes.
        min_percent: A text is dropped when the shares of these languages together are less.
    """

    keep: tuple[str, ...] = ()
    min_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50


@dataclass(frozen=True, eq=False)
class Languages:
    """What was found of n texts.

    Attributes:
        language: int32[n], the likeliest language as an index of `labels()`, or `NOT_ASKED`.
        percent: int32[n], the share of the wanted languages together, or `NOT_ASKED`.
    """

    language: NDArray[np.int32]
    percent: NDArray[np.int32]


class _Model(NamedTuple):
    """The model's tables and ours; F n-grams, S states of the automaton, R distinct rows of it, C columns.

    Attributes:
        moves: int32[R * 256], the next state by row and byte.
        states: int64[S], of each state where its row starts, times 2**32, plus the n-gram that ends in it, plus 1.
        weights: int16[F, C], in 512ths.
        priors: int64[C], in 512ths of 4096ths.
        label: int64[C], the label of a column; some have two.
        logs: int32[SEEN_BYTES + 1], ln(1 + count) in 4096ths.
        coarse: int64[80], exp(-i / 4) in 2**30ths.
        fine: int64[256], exp(-i / 1024) in 2**30ths.
    """

    moves: NDArray[np.int32]
    states: NDArray[np.int64]
    weights: NDArray[np.int16]
    priors: NDArray[np.int64]
    label: NDArray[np.int64]
    logs: NDArray[np.int32]
    coarse: NDArray[np.int64]
    fine: NDArray[np.int64]


def identify(texts: Texts, keep: Sequence[str]) -> Languages:
    """Finds the language of every text and how likely the wanted ones are.

    Args:
        texts: n texts of valid UTF-8.
        keep: Labels that are wanted; none asks nothing.

    Raises:
        RecipeError: The library is not installed, or there is no such label.
    """
    if not keep:
        nothing = np.full(len(texts), NOT_ASKED, np.int32)
        return Languages(nothing, nothing)
    labels, model = _load()
    wanted = np.zeros(len(labels), np.bool_)
    for code in keep:
        if code not in labels:
            near = difflib.get_close_matches(code.lower(), labels, n=1) or ["en"]
            raise RecipeError(
                f"the language model knows no language `{code}`",
                where="text.language.keep",
                remedy=f"did you mean `{near[0]}`? It knows: {', '.join(labels)}",
            )
        wanted[labels.index(code)] = True
    language, percent = _identify(texts.data, texts.offsets, model, wanted)
    return Languages(language, percent)


def labels() -> tuple[str, ...]:
    """The languages the model knows, in the order that the ledger counts them by.

    Raises:
        RecipeError: The library is not installed.
    """
    return _load()[0]


def describe(keep: Sequence[str]) -> dict[str, Any]:
    """What the manifest says of the rule: our version, the library's, its model's digest, the labels by number.

    Raises:
        RecipeError: The library is not installed, or a label is not the model's.
    """
    identify(Texts.from_list([]), keep)
    from py3langid.langid import MODEL_DIR, MODEL_FILE

    return {
        "version": LANGUAGE_VERSION,
        "py3langid": importlib.metadata.version("py3langid"),
        "model": hashlib.sha256(Path(MODEL_DIR, MODEL_FILE).read_bytes()).hexdigest(),
        "labels": list(labels()),
    }


@functools.cache
def _load() -> tuple[tuple[str, ...], _Model]:
    """The labels and the tables, once a process: half a second."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise RecipeError(
            f"the language model is not installed: {error}",
            where="text.language",
            remedy="pip install 'tokentrail[language]', or take `keep` out of the recipe",
        ) from error
    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    weights = np.asarray(found.nb_ptc, np.float32) * _WEIGHT_SCALE
    if not np.array_equal(weights, weights.astype(np.int16)):
        raise RecipeError(
            "the language model holds weights of another precision than the rule was made for",
            where=f"py3langid {importlib.metadata.version('py3langid')}",
            remedy="pip install 'tokentrail[language]', which names the releases that are tested",
        )
    names = tuple(dict.fromkeys(found.nb_classes))
    priors = np.asarray(found.nb_pc, np.float64) * (_WEIGHT_SCALE * _LOG_SCALE)
    return names, _Model(
        moves=np.asarray(found.tk_nextmove).astype(np.int32),
        states=(np.asarray(found.tk_row).astype(np.int64) << 40) + np.array(found.tk_output, np.int64) + 1,
        weights=weights.astype(np.int16),
        priors=np.rint(priors).astype(np.int64),
        label=np.array([names.index(name) for name in found.nb_classes], np.int64),
        logs=np.array([_rounded((count + 1), _LOG_SCALE) for count in range(SEEN_BYTES + 1)], np.int32),
        coarse=_exponentials(_COARSE, 4),
        fine=_exponentials(_FINE, 1024),
    )


def _rounded(number: int, scale: int) -> int:
    """ln(number) * scale as the nearest integer."""
    return int((Context(prec=20).ln(Decimal(number)) * scale).to_integral_value())


def _exponentials(count: int, divisor: int) -> NDArray[np.int64]:
    """int64[count], exp(-i / divisor) in 2**30ths."""
    context = Context(prec=20)
    powers = (context.exp(context.divide(Decimal(-i), Decimal(divisor))) for i in range(count))
    return np.array([int((power * (1 << _SHARE_BITS)).to_integral_value()) for power in powers], np.int64)


@njit(cache=True, nogil=True)
def _identify(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], model: _Model, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Two int32[n]: the likeliest label, and the share of the wanted ones in hundredths."""
    n = len(offsets) - 1
    language, percent = np.empty(n, np.int32), np.empty(n, np.int32)
    counts = np.zeros(len(model.weights), np.int32)
    seen = np.empty(SEEN_BYTES, np.int32)
    scores = np.empty(len(model.priors), np.int64)
    for i in range(n):
        start, end = offsets[i], offsets[i + 1]
        if end - start > SEEN_BYTES:
            end = start + SEEN_BYTES
            while data[end] & 0xC0 == _CONTINUES:
                end -= 1
        text = data[start:end]
        distinct = _count(text, model, counts, seen)
        if distinct == 0:
            language[i], percent[i] = NOT_ASKED, 0
            continue
        _score(seen[:distinct], counts, model, scores)
        language[i], percent[i] = _share(scores, len(text), model, wanted)
    return language, percent


@njit(cache=True, nogil=True)
def _count(text: NDArray[np.uint8], model: _Model, counts: NDArray[np.int32], seen: NDArray[np.int32]) -> int:
    """How many different n-grams a text holds; fills in which, and how often each."""
    capitals = True
    for byte in text:
        capitals &= (byte < 0x61) | (byte > 0x7A)
    state, distinct = model.states[0], 0
    for byte in text:
        if capitals and 0x41 <= byte <= 0x5A:
            byte |= 0x20
        state = model.states[model.moves[(state >> 32) + byte]]
        ngram = (state & 0xFFFFFFFF) - 1
        if ngram >= 0:
            if counts[ngram] == 0:
                seen[distinct] = ngram
                distinct += 1
            counts[ngram] += 1
    return distinct


@njit(cache=True, nogil=True)
def _score(seen: NDArray[np.int32], counts: NDArray[np.int32], model: _Model, scores: NDArray[np.int64]) -> None:
    """Fills in the score of every column, and forgets the counts."""
    scores[:] = model.priors
    for ngram in seen:
        weight = model.logs[counts[ngram]]
        counts[ngram] = 0
        row = model.weights[ngram]
        for column in range(len(scores)):
            scores[column] += np.int32(weight * np.int32(row[column]))  # below 2**28: 31,232 * 7,672


@njit(cache=True, nogil=True)
def _share(scores: NDArray[np.int64], size: int, model: _Model, wanted: NDArray[np.bool_]) -> tuple[int, int]:
    """The likeliest label, the first of equals, and the share of the wanted ones in hundredths."""
    best = scores.max()
    # In 2048ths, as scores are in 2**21sts: `below` counts 1024ths. IEEE 754 rounds a square root correctly.
    root = np.int64(math.sqrt(float(size << 22)))
    shares = np.zeros(len(wanted), np.int64)
    for column in range(len(scores)):
        below = (best - scores[column]) // root
        if below < _COARSE * _FINE:
            share = (model.coarse[below // _FINE] * model.fine[below % _FINE]) >> _SHARE_BITS
            shares[model.label[column]] += share
    kept = np.int64(0)
    for label in range(len(wanted)):
        kept += shares[label] * wanted[label]
    return int(shares.argmax()), int(100 * kept // shares.sum())
