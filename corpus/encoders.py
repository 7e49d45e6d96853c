"""The two encoders: `tokenizers`, which defines the ids, and a fast one that is held to it.

The fast one (gigatoken 0.10) cuts text by Unicode 17.0, `tokenizers` 0.23 by 16.0, and the two part where a
character is a letter in one table and not yet assigned in the other: "'s" behind a letter is a token of its own.
A text with any character that Unicode 14.0 had not assigned is therefore encoded by `tokenizers`; on all others
every table since then agrees. Equality is a law (tests); where a corpus is built, `behaviour_digest` checks it on
a fixed set of texts and `encoder_check.py` on some of the corpus's own.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.resources
import importlib.util
import itertools
import os
from typing import Any, Final

import numpy as np
import tokenizers
from numba import njit
from numpy.typing import NDArray
from tokenizers import models, pre_tokenizers

from corpus.document import Texts
from corpus.errors import RecipeError
from corpus.tokenizer import Encoder, Tokens, gpt2_merges, gpt2_spellings

DEFINITION: Final = "tokenizers"

_CODE_POINTS: Final = 0x110000
_SURROGATES: Final = range(0xD800, 0xE000)

# Bytes of text. Unpublished: our choice. 140 MB of books make gigatoken remember 80 MB, noise five times its size;
# to begin anew costs 0.1 CPU-seconds and a cold cache.
_FORGET_AFTER: Final = 1 << 29


def choose_encoder(name: str) -> Encoder:
    """An encoder by the name a command line gives it: "tokenizers" or "fast".

    Raises:
        RecipeError: There is no such encoder, or its library is not installed.
    """
    if name == DEFINITION:
        return TokenizersEncoder()
    if name != "fast":
        raise RecipeError(
            f"there is no encoder {name!r}", where="--encoder", remedy="choose `tokenizers` or `fast`"
        )
    try:
        return GigatokenEncoder()
    except ImportError as error:
        raise RecipeError(
            f"the fast encoder's library is not installed: {error}",
            where="--encoder fast",
            remedy="pip install 'tokentrail[fast]', or choose `tokenizers`",
        ) from error


def best_encoder() -> str:
    """The name of the fastest encoder installed here: the ids are the same."""
    return "fast" if importlib.util.find_spec("gigatoken") else DEFINITION


class TokenizersEncoder:
    """GPT-2's byte-level BPE by Hugging Face's `tokenizers`: the definition of every id."""

    name = "tokenizers"
    version = tokenizers.__version__

    def __init__(self) -> None:
        # The library has no other switch; its threads would fight those of the engine, and do not survive a fork.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        numbers = {spelling: number for number, spelling in enumerate(gpt2_spellings())}
        # No added tokens: a marker written out in a text is text.
        self._tokenizer = tokenizers.Tokenizer(models.BPE(vocab=numbers, merges=gpt2_merges()))
        self._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)

    def encode(self, texts: Texts) -> Tokens:
        """See `Encoder`."""
        encodings = self._tokenizer.encode_batch_fast([text.decode() for text in texts], add_special_tokens=False)
        rows = [encoding.ids for encoding in encodings]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)), out=offsets[1:])
        return Tokens(np.fromiter(itertools.chain.from_iterable(rows), np.uint16, offsets[-1]), offsets)

    def to_json(self) -> str:
        """The same tokenizer as a tokenizer.json."""
        return self._tokenizer.to_str()


class GigatokenEncoder:
    """The same ids by gigatoken, a hundred times as fast, wherever its Unicode table cannot matter.

    Raises:
        ImportError: gigatoken is not installed.
    """

    name = "gigatoken"

    def __init__(self) -> None:
        import gigatoken

        self.version = importlib.metadata.version("gigatoken")
        self._definition = TokenizersEncoder()
        self._build = functools.partial(gigatoken.Tokenizer.from_json, self._definition.to_json())
        self._fast: Any = self._build()
        self._encoded_bytes = 0
        self._assigned = _assigned_in_unicode_14()

    def encode(self, texts: Texts) -> Tokens:
        """See `Encoder`."""
        foreign = _holds_others(texts.data, texts.offsets, self._assigned)
        if not foreign.any():
            return self._encode_fast(list(texts))
        slow_rows = np.flatnonzero(foreign)
        slow = self._definition.encode(texts.take(slow_rows))
        # The slow texts are empty here, so that rows keep their places and cost nothing.
        fast = self._encode_fast([b"" if other else text for text, other in zip(texts, foreign, strict=True)])
        offsets = np.zeros(len(texts) + 1, np.int64)
        lengths = fast.lengths
        lengths[slow_rows] = slow.lengths
        np.cumsum(lengths, out=offsets[1:])
        is_slow = np.repeat(foreign, lengths)
        ids = np.empty(offsets[-1], np.uint16)
        ids[is_slow], ids[~is_slow] = slow.ids, fast.ids
        return Tokens(ids, offsets)

    def _encode_fast(self, texts: list[bytes]) -> Tokens:
        # The library remembers every word it has met, and has no other way to forget.
        if self._encoded_bytes > _FORGET_AFTER:
            self._fast, self._encoded_bytes = self._build(), 0
        self._encoded_bytes += sum(map(len, texts))
        packed = self._fast.encode_batch(texts, parallel=False).layout
        offsets = np.asarray(packed.offsets.data, np.int64)
        return Tokens(np.asarray(packed.content.data).astype(np.uint16), offsets)


def _assigned_in_unicode_14() -> NDArray[np.bool_]:
    """bool[0x110000], whether Unicode 14.0 assigns the code point.

    Source: Unicode Character Database 14.0, general category neither Cn nor Cs.
    """
    table = importlib.resources.files("corpus") / "vocabulary" / "assigned-14.0.txt"
    assigned = np.zeros(_CODE_POINTS, np.bool_)
    for line in table.read_text("ascii").splitlines():
        if not line.startswith("#"):
            first, last = line.split("..")
            assigned[int(first, 16) : int(last, 16) + 1] = True
    return assigned


@njit(cache=True, nogil=True)
def _holds_others(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], assigned: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """bool[n], whether a text holds a code point outside `assigned`."""
    foreign = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(foreign)):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            if end - at >= 64 and _is_ascii(data[at : at + 64]):
                at += 64
                continue
            block_end = min(at + 64, end)
            while at < block_end:
                lead = data[at]
                width = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                code_point = np.int64(lead) if width == 1 else np.int64(lead) & (0x7F >> width)
                for i in range(at + 1, min(at + width, end)):
                    code_point = (code_point << 6) | (data[i] & 0x3F)
                at += width
                if code_point >= _CODE_POINTS or not assigned[code_point]:
                    foreign[row] = True
                    at = end
                    block_end = end
    return foreign


@njit(cache=True, nogil=True)
def _is_ascii(block: NDArray[np.uint8]) -> bool:
    # Without a branch, so that it compiles to vectors.
    seen = np.uint8(0)
    for i in range(64):
        seen |= block[i]
    return bool(seen < 0x80)


def behaviour_digest(encoder: Encoder) -> str:
    """The sha256, in hex, of the ids an encoder gives for a fixed set of texts.

    It stands in the manifest, so that a release of `tokenizers` with other Unicode tables cannot pass unnoticed.
    The digest of any other encoder must be that of `tokenizers` on the same machine.
    """
    tokens = encoder.encode(Texts.from_list([text.encode() for text in _probe()]))
    digest = hashlib.sha256(np.diff(tokens.offsets).astype("<i8").tobytes())
    digest.update(tokens.ids.astype("<u2").tobytes())
    return digest.hexdigest()


# Long runs of code points that are alike and settled: unified ideographs, Hangul syllables, private use, Tangut.
# Only the last of every 16 is tried there and in the two ideographic planes, for new ones join at a run's end.
_ALIKE: Final = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0x17000, 0x187F7))
_IDEOGRAPHIC_PLANES: Final = (0x20000, 0x3FFFF)
_HIGHER_PLANES: Final = 0x40000  # tags and private use, else unassigned: the last of every 1,024
_PROBE_ROW: Final = 256  # code points a text

_PROBE_TEXTS: Final = (
    "",
    " ",
    "  \n\n \t\r\n  x  \n",
    "\0\x01\x7f\ufeff\ufffd",
    "Hello world. I'm you're he'll we've she'd it's can't I'M YOU'RE 'tis 's''s",
    "0 12 345 6,789.01 1e-9 ½ ² Ⅷ ٣٤ ১২ a1b2",
    "<|endoftext|></s><s><pad><unk><mask>madeupword0000",
    "naïve e\u0301 Ελλάς Русский עברית العربية हिन्दी ไทย 日本語 한국어 👋🏽 👩‍👩‍👧 🇪🇺 \u2028\u00a0\u3000.",
    "a" * 5000 + " " * 5000 + "=" * 5000 + "\n" * 5000,
)


def _probe() -> list[str]:
    """Code points of every class before a contraction, which shows letters and digits; and fixed texts."""
    tried = np.ones(_CODE_POINTS, np.bool_)
    for first, last in (*_ALIKE, _IDEOGRAPHIC_PLANES):
        tried[first : last + 1] = False
        tried[first + 15 : last + 1 : 16] = True
    tried[_HIGHER_PLANES:] = False
    tried[_HIGHER_PLANES + 1023 :: 1024] = True
    tried[_SURROGATES.start : _SURROGATES.stop] = False
    # Apart, so that a text of settled code points is one which the fast encoder takes itself.
    settled = _assigned_in_unicode_14()
    code_points = np.concatenate([np.flatnonzero(tried & settled), np.flatnonzero(tried & ~settled)])
    rows = np.array_split(code_points, range(_PROBE_ROW, len(code_points), _PROBE_ROW))
    return [" ".join(f"{chr(code_point)}'s" for code_point in row) for row in rows] + list(_PROBE_TEXTS)
