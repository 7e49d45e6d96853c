"""GPT-2's byte-level BPE for the peers, from the merges table alone: nothing is fetched from a hub."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

END = "<|endoftext|>"
# The split that goes with the merges. Source: openai/gpt-2, src/encoder.py.
SPLIT = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def _read_merges(table: Path) -> list[tuple[str, str]]:
    lines = table.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    return [(left, right) for left, right in pairs]


def _byte_letters() -> dict[int, str]:
    """The printable letter that stands for each byte in the table, in the order of the ids 0 to 255."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(0x100 + rank) for rank, byte in enumerate(hidden)}


def tokenizer(table: Path) -> Tokenizer:
    """GPT-2's tokenizer in its own id order, as the `tokenizers` library runs it."""
    merges = _read_merges(table)
    words = [*_byte_letters().values(), *(left + right for left, right in merges), END]
    made = Tokenizer(BPE({word: rank for rank, word in enumerate(words)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([END])
    return made


def ranks(table: Path) -> dict[bytes, int]:
    """The same vocabulary as tiktoken wants it: bytes to rank, without the special token."""
    letters = {letter: byte for byte, letter in _byte_letters().items()}
    words = [*letters, *(left + right for left, right in _read_merges(table))]
    return {bytes(letters[letter] for letter in word): rank for rank, word in enumerate(words)}
