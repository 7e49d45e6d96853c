"""Vocabularies: which id stands for which bytes, and how a document becomes ids.

Text is always cut into tokens by GPT-2's byte-level BPE, in GPT-2's order of ids, which follows from the merges
alone: the 256 bytes, then one token a merge, then <|endoftext|>. OPT uses the same tokens under other numbers
(RoBERTa's: by frequency, behind four ids of its own), so its ids are GPT-2's through a table.

No id stands for a marker inside a text: a literal "<|endoftext|>" or "</s>" is ordinary text.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import orjson
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.errors import IntegrityError, RecipeError
from corpus.storage import open_input

TOKENIZER_VERSION: Final = 1

GPT2_SIZE: Final = 50_257
_GPT2_END: Final = 50_256
_MERGES_SHA256: Final = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"

# The entries of OPT's vocabulary that are no token of GPT-2's.
# Source: metaseq, projects/OPT/assets/gpt2-vocab.json; fairseq Dictionary (bos, pad, eos, unk come first).
_OPT_SPECIALS: Final = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 50_264}
_OPT_FILLERS: Final = {"madeupword0000": 50_261, "madeupword0001": 50_262, "madeupword0002": 50_263}
_END_OF_TEXT: Final = "<|endoftext|>"
_OPT_END_OF_TEXT: Final = 50_260

# Source: metaseq, `dictionary.pad_to_multiple_(8)`: OPT's 50,265 entries are the 50,272 rows of its embedding.
_PADDED_TO: Final = 8


@dataclass(frozen=True, eq=False)
class Tokens:
    """The ids of some documents, packed end to end.

    Attributes:
        ids: uint16[offsets[-1]].
        offsets: int64[n + 1], starting at 0; document i is ids[offsets[i]:offsets[i + 1]].
    """

    ids: NDArray[np.uint16]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.uint16]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64[n], tokens per document."""
        return np.diff(self.offsets)


class Encoder(Protocol):
    """Cuts texts into tokens. Encoders differ in speed alone, so none is part of a corpus's identity."""

    @property
    def name(self) -> str:
        """The library behind it."""

    @property
    def version(self) -> str:
        """The release of that library."""

    def encode(self, texts: Texts) -> Tokens:
        """The ids in GPT-2's order of n texts of valid UTF-8, without end-of-document ids."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """An order of ids over GPT-2's tokens, and the ids that stand for no text.

    Attributes:
        name: "gpt2" or "opt".
        tokens: The bytes each id stands for; b"" for ids that stand for no text.
        from_gpt2: uint16[50257], GPT-2's id -> this vocabulary's.
        bos: Begin of sequence. None, like each of the next three, where the order has no such id.
        eos: End of sequence.
        pad: Padding.
        unk: Unknown; never produced, for every byte is a token.
        end_of_document: The id every document ends with.
        strip_end: Whether white space at a text's end is dropped before encoding (`strip_end`).
        files: File name -> sha256, in hex, of what the vocabulary was read from.
    """

    name: str
    tokens: tuple[bytes, ...]
    from_gpt2: NDArray[np.uint16]
    bos: int | None
    eos: int | None
    pad: int | None
    unk: int | None
    end_of_document: int
    strip_end: bool
    files: Mapping[str, str]

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.tokens)

    @property
    def padded_size(self) -> int:
        """The rows of an embedding: the size rounded up to a multiple of 8 (gpt2 50,264, opt 50,272)."""
        return -(-self.size // _PADDED_TO) * _PADDED_TO

    def spellings(self) -> tuple[str, ...]:
        """How each id is written in files of vocabularies, in the characters of `gpt2_merges`."""
        spelt = dict(zip(self.from_gpt2.tolist(), gpt2_spellings(), strict=True))
        if self.name == "opt":
            spelt |= {number: entry for entry, number in (_OPT_SPECIALS | _OPT_FILLERS).items()}
        return tuple(spelt[number] for number in range(self.size))

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes that ids of this vocabulary stand for; ids that stand for no text give none.

        Raises:
            IntegrityError: An id is outside the vocabulary.
        """
        numbers = np.asarray(ids, np.int64)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < self.size:
            wrong = int(np.flatnonzero((numbers < 0) | (numbers >= self.size))[0])
            raise IntegrityError(
                f"id {numbers[wrong]} is not in the vocabulary {self.name}, which has {self.size:,} ids",
                where=f"token {wrong} of the sequence",
                remedy="decode with the vocabulary that the manifest names",
            )
        return b"".join(map(self.tokens.__getitem__, numbers.tolist()))


def load_vocabulary(spec: str) -> Vocabulary:
    """GPT-2's vocabulary, or OPT's from the file that defines it; one serves all tasks of a process.

    Args:
        spec: "gpt2", or the path or URL of OPT's gpt2-vocab.json.

    Raises:
        RecipeError: The file is not OPT's vocabulary.
        SourceError: The file is missing or may not be read.
    """
    if spec == "gpt2":
        return _gpt2_vocabulary()
    with open_input(spec) as file:
        return _opt_vocabulary(file.read(), spec)


def merges_file() -> bytes:
    """GPT-2's merges as they were released: a line of a version, then one a merge.

    Raises:
        IntegrityError: The file installed with this package is not the one released.
    """
    path = importlib.resources.files("corpus") / "vocabulary" / "gpt2" / "vocab.bpe"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != _MERGES_SHA256:
        raise IntegrityError(
            "GPT-2's merges are not as they were released", where=str(path), remedy="install the package anew"
        )
    return data


def gpt2_merges() -> list[tuple[str, str]]:
    """GPT-2's 50,000 merges, best first, spelled in the characters that stand for bytes (`spelling_of_bytes`).

    Raises:
        IntegrityError: The file installed with this package is not the one released.
    """
    _version, *lines = merges_file().decode().splitlines()
    return [(left, right) for left, right in map(str.split, lines)]


@functools.cache
def gpt2_spellings() -> tuple[str, ...]:
    """GPT-2's 50,257 tokens in the order of their ids, spelled as in `gpt2_merges`."""
    return (*spelling_of_bytes().values(), *(left + right for left, right in gpt2_merges()), _END_OF_TEXT)


def spelling_of_bytes() -> dict[int, str]:
    """The character that stands for each byte, in the order of GPT-2's first 256 ids.

    Source: openai/gpt-2, `bytes_to_unicode`: a byte that prints in Latin-1 stands for itself, and comes first; the
    others are numbered from U+0100.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)).difference(printing))
    return {byte: chr(byte) for byte in printing} | {byte: chr(0x100 + i) for i, byte in enumerate(others)}


@functools.cache
def _gpt2_vocabulary() -> Vocabulary:
    return Vocabulary(
        name="gpt2",
        tokens=(*_bytes_of(gpt2_spellings()[:_GPT2_END]), b""),
        from_gpt2=np.arange(GPT2_SIZE, dtype=np.uint16),
        bos=None,
        eos=_GPT2_END,
        pad=None,
        unk=None,
        end_of_document=_GPT2_END,
        strip_end=False,
        files={"vocab.bpe": _MERGES_SHA256},
    )


@functools.lru_cache(maxsize=1)
def _opt_vocabulary(data: bytes, where: str) -> Vocabulary:
    entries = _opt_entries(data, where)
    spellings = gpt2_spellings()
    from_gpt2 = np.array([entries[spelling] for spelling in spellings], np.uint16)
    tokens = [b""] * len(entries)
    for own, text in zip(from_gpt2[:_GPT2_END].tolist(), _bytes_of(spellings[:_GPT2_END]), strict=True):
        tokens[own] = text
    return Vocabulary(
        name="opt",
        tokens=tuple(tokens),
        from_gpt2=from_gpt2,
        bos=_OPT_SPECIALS["<s>"],
        eos=_OPT_SPECIALS["</s>"],
        pad=_OPT_SPECIALS["<pad>"],
        unk=_OPT_SPECIALS["<unk>"],
        end_of_document=_OPT_SPECIALS[
            "</s>"
        ],  # Source: metaseq, `end_of_document_symbol`, whose default is "</s>"
        strip_end=True,  # Source: metaseq, which encodes `text.rstrip()`
        files={"vocab.bpe": _MERGES_SHA256, "gpt2-vocab.json": hashlib.sha256(data).hexdigest()},
    )


def _opt_entries(data: bytes, where: str) -> dict[str, int]:
    def refuse(why: str) -> RecipeError:
        return RecipeError(
            f"this is not OPT's vocabulary: {why}",
            where=where,
            remedy="give metaseq's projects/OPT/assets/gpt2-vocab.json, or `gpt2` for GPT-2's own order",
        )

    try:
        entries = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise refuse(f"it is not JSON ({error})") from error
    if not isinstance(entries, dict):
        raise refuse("it is not a JSON object")
    fixed = _OPT_SPECIALS | _OPT_FILLERS | {_END_OF_TEXT: _OPT_END_OF_TEXT}
    expected = set(gpt2_spellings()) | fixed.keys()
    if missing := expected - entries.keys():
        raise refuse(f"{len(missing):,} of its {len(expected):,} tokens are missing, one of them {min(missing)!r}")
    if surplus := entries.keys() - expected:
        raise refuse(f"it has {len(surplus):,} tokens too many, one of them {min(surplus)!r}")
    for token, number in fixed.items():
        if entries[token] != number:
            raise refuse(f"{token} is {entries[token]!r}, not {number}")
    numbers = list(entries.values())
    if not all(type(number) is int for number in numbers) or sorted(numbers) != list(range(len(expected))):
        raise refuse(f"its ids are not 0 to {len(expected) - 1}, each once")
    return entries


def _bytes_of(spellings: Iterable[str]) -> tuple[bytes, ...]:
    byte_of = {ord(character): byte for byte, character in spelling_of_bytes().items()}
    return tuple(spelling.translate(byte_of).encode("latin-1") for spelling in spellings)


def encode_documents(encoder: Encoder, vocabulary: Vocabulary, texts: Texts) -> Tokens:
    """The ids of whole documents in the vocabulary's own order, each closed by its end-of-document id."""
    plain = encoder.encode(strip_end(texts) if vocabulary.strip_end else texts)
    offsets = plain.offsets + np.arange(len(plain.offsets))
    ids = _renumber(plain.ids, plain.offsets, vocabulary.from_gpt2, np.uint16(vocabulary.end_of_document))
    return Tokens(ids, offsets)


def strip_end(texts: Texts) -> Texts:
    """The texts without the white space at their ends, as Python's `str.rstrip` takes it.

    White space is, in every Python: U+0009-000D, U+001C-0020, U+0085, U+00A0, U+1680, U+2000-200A, U+2028-2029,
    U+202F, U+205F, U+3000.
    """
    ends = _stripped_ends(texts.data, texts.offsets)
    if np.array_equal(ends, texts.offsets[1:]):
        return texts
    starts = texts.offsets[:-1].tolist()
    return Texts.from_list([texts.data[a:b].tobytes() for a, b in zip(starts, ends.tolist(), strict=True)])


@njit(cache=True, nogil=True)
def _renumber(
    ids: NDArray[np.uint16], offsets: NDArray[np.int64], table: NDArray[np.uint16], end: np.uint16
) -> NDArray[np.uint16]:
    out = np.empty(len(ids) + len(offsets) - 1, np.uint16)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            out[i + row] = table[ids[i]]
        out[offsets[row + 1] + row] = end
    return out


@njit(cache=True, nogil=True)
def _stripped_ends(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    ends = np.empty(len(offsets) - 1, np.int64)
    for row in range(len(ends)):
        start, end = offsets[row], offsets[row + 1]
        width = 1
        while width > 0 and end > start:
            width = _space_before(data[start:end])
            end -= width
        ends[row] = end
    return ends


@njit(cache=True, nogil=True)
def _space_before(text: NDArray[np.uint8]) -> int:
    """The bytes of the white-space character a text of at least one byte ends with, or 0."""
    c = text[-1]
    if c < 0x80:
        return 1 if c == 0x20 or 0x09 <= c <= 0x0D or 0x1C <= c <= 0x1F else 0
    b = text[-2] if len(text) >= 2 else 0
    if b == 0xC2:
        return 2 if c == 0x85 or c == 0xA0 else 0
    a = text[-3] if len(text) >= 3 else 0
    if a == 0xE2 and b == 0x80:
        return 3 if c <= 0x8A or c == 0xA8 or c == 0xA9 or c == 0xAF else 0
    narrow = a == 0xE2 and b == 0x81 and c == 0x9F
    return 3 if narrow or (c == 0x80 and ((a == 0xE1 and b == 0x9A) or (a == 0xE3 and b == 0x80))) else 0
