r"""Reddit's monthly dumps (Pushshift, Arctic Shift): one comment or submission a line, as the node of a thread.

What a line is, whatever its file is called, whatever else it holds (`created_utc` is an integer, a float or a
string by the month; no field but those named here can spoil a record; null is absent, and so is an empty id):

- A record with a `body` is a comment; else one with a `title` is a submission; else it is damaged.
- `id`, `link_id` (the comment's submission) and `parent_id` are base-36 strings with or without the prefix of
  their kind (`t1_` comment, `t3_` submission), or integers, as later API output has them; below 2**64. A
  prefix of another kind than the field's is a wrong type.
- A parent without a prefix is the submission if it is the `link_id`'s number, otherwise a comment. No parent:
  the comment is at the top, the submission is its parent.
- A text is live unless it is blank or, blanks and case apart, one of the phrases of `TOMBSTONES` in square
  brackets and nothing else. A post's text is what is live of it: a comment's body, or a submission's title and
  selftext, a blank line between. HTML entities and Markdown stand as they are.
- Bytes that are not UTF-8 and surrogate escapes without their partner become U+FFFD, anywhere in the line, and
  are counted. A line nested deeper than orjson reads (1,024 levels) is broken.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.drops import Drop
from corpus.readers.json_struct import read_structs
from corpus.readers.record import Lines

VERSION = 1

COMMENT = 1
SUBMISSION = 3

TOMBSTONES = frozenset(
    {
        "deleted",  # by its author; of 8,101 sample comments 152 are this and 17 the next, none any other
        "removed",  # by a moderator
        # The later ones, from the programs that read Reddit's dumps and API.
        "deleted by user",  # titles
        "removed by moderator",
        "removed by reddit",
        "removed by reddit in response to a copyright notice.",
        "removed by reddit on account of violating the [content policy](/help/contentpolicy).",
        "unavailable",  # the author had blocked the account that fetched it
    }
)
"""What stands, in square brackets, where a text was."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE = np.uint64(36)
_LAST_ID = 2**64 - 1
_LAST_SHIFTED = np.uint64(_LAST_ID // 36)  # times 36 it is still below 2**64


@dataclass(frozen=True, eq=False)
class Posts:
    """Some consecutive lines as posts, one row a line, in order. A damaged line is 0 in every other column.

    Attributes:
        kind: uint8[n], `COMMENT`, `SUBMISSION`, or 0 where damaged.
        thread: uint64[n], the submission's id.
        id: uint64[n], unique within its kind alone.
        parent_kind: uint8[n], the parent's kind; 0 for a submission.
        parent: uint64[n], the parent's id; 0 for a submission.
        live: uint8[n], 1 where the post has a text.
        chars: uint32[n], code points of the text.
        text: n texts, UTF-8; empty where not live.
        damage: uint8[n], a `Drop` below 20, or 0.
        repairs: int32[n], characters of the line that became U+FFFD.
    """

    kind: NDArray[np.uint8]
    thread: NDArray[np.uint64]
    id: NDArray[np.uint64]
    parent_kind: NDArray[np.uint8]
    parent: NDArray[np.uint64]
    live: NDArray[np.uint8]
    chars: NDArray[np.uint32]
    text: Texts
    damage: NDArray[np.uint8]
    repairs: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.kind)


class _Fields(msgspec.Struct, gc=False):
    """The fields we use."""

    id: str | int | None = None
    link_id: str | int | None = None
    parent_id: str | int | None = None
    body: str | None = None
    title: str | None = None
    selftext: str | None = None


_NO_FIELDS = _Fields()
_DECODER = msgspec.json.Decoder(_Fields)


def parse(lines: Lines) -> Posts:
    """Reads every line as a comment or a submission.

    Args:
        lines: Lines of an RC_ or RS_ file, or of both. Lines already damaged keep their damage.

    Returns:
        As many rows as lines. Damage is `Drop.BROKEN_JSON`, `Drop.MISSING_FIELD` (no id, no link_id, neither
        body nor title), `Drop.WRONG_TYPE` (of a field we use, or an id that is none), or the line's own.
    """
    records, damage, repairs = read_structs(lines.raw, lines.damage, _DECODER, _NO_FIELDS)
    return _posts(records, damage, repairs)


def base36(number: int) -> str:
    """The number as Reddit writes ids: base 36, lower case, no prefix."""
    digits = ""
    while number >= 36:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return _DIGITS[number] + digits


def names(kind: NDArray[np.uint8], own: NDArray[np.uint64]) -> Texts:
    """The names of posts as Reddit writes them, `t1_c1a0000`.

    Args:
        kind: uint8[n], `COMMENT` or `SUBMISSION`.
        own: uint64[n], their ids.
    """
    digits = np.ones(len(own), np.int64)
    rest = own // _BASE
    while rest.any():
        digits += rest > 0
        rest //= _BASE
    offsets = np.zeros(len(own) + 1, np.int64)
    np.cumsum(digits + len("t1_"), out=offsets[1:])
    data = np.empty(offsets[-1], np.uint8)
    _write_names(kind, own, offsets, np.frombuffer(_DIGITS.encode(), np.uint8), data)
    return Texts(data, offsets)


@njit(cache=True, nogil=True)
def _write_names(kind, own, offsets, digits, data):  # type: ignore[no-untyped-def]
    """Writes each name from its end."""
    for row in range(len(own)):
        start, at, rest = offsets[row], offsets[row + 1], own[row]
        data[start], data[start + 1], data[start + 2] = ord("t"), ord("0") + kind[row], ord("_")
        while at > start + 3:
            at -= 1
            data[at] = digits[rest % _BASE]
            rest //= _BASE


def _posts(records: list[_Fields], damage: NDArray[np.uint8], repairs: NDArray[np.int32]) -> Posts:
    """The columns of all records at once; fills in the damage of those whose fields make no post."""
    kind = np.array([_kind(record) for record in records], np.uint8)
    own = _ids([record.id for record in records])
    link = _ids([record.link_id for record in records])
    parent = _ids([record.parent_id for record in records])
    is_comment = kind == COMMENT
    missing = (kind == 0) | ~own.given | (is_comment & ~link.given)
    wrong = ~own.sound | ((own.prefix > 0) & (own.prefix != kind))
    wrong |= is_comment & (~link.sound | (link.prefix == COMMENT) | (parent.given & ~parent.sound))
    damage = np.where(damage > 0, damage, np.where(missing, Drop.MISSING_FIELD, wrong * Drop.WRONG_TYPE))
    sound = damage == 0
    is_comment &= sound

    thread = np.where(is_comment, link.number, own.number)
    is_top = ~parent.given | (parent.prefix == SUBMISSION) | ((parent.prefix == 0) & (parent.number == thread))
    texts = [_text(record) if keep else "" for record, keep in zip(records, sound.tolist(), strict=True)]
    chars = np.fromiter(map(len, texts), np.uint32, len(texts))
    return Posts(
        kind=kind * sound,
        thread=thread * sound,
        id=own.number * sound,
        parent_kind=(np.where(is_top, SUBMISSION, COMMENT) * is_comment).astype(np.uint8),
        parent=np.where(parent.given, parent.number, thread) * is_comment,
        live=(chars > 0).astype(np.uint8),
        chars=chars,
        text=Texts.from_list([text.encode() for text in texts]),
        damage=damage.astype(np.uint8),
        repairs=repairs * sound,
    )


def _kind(record: _Fields) -> int:
    if record.body is not None:
        return COMMENT
    return SUBMISSION if record.title is not None else 0


def _text(record: _Fields) -> str:
    body = record.body
    if body is not None:
        return body if _is_live(body) else ""
    return "\n\n".join([part for part in (record.title or "", record.selftext or "") if _is_live(part)])


def _is_live(text: str) -> bool:
    bare = text.strip()
    if bare[-1:] != "]" or bare[0] != "[":
        return bare != ""
    return bare[1:-1].strip().lower() not in TOMBSTONES


@dataclass(frozen=True, eq=False)
class _Ids:
    """One id field of all records: is it there, is it an id, the kind its prefix names or 0, its number."""

    given: NDArray[np.bool_]
    sound: NDArray[np.bool_]
    prefix: NDArray[np.uint8]
    number: NDArray[np.uint64]


def _ids(values: list[str | int | None]) -> _Ids:
    strings = [value if type(value) is str else _spelt(value) for value in values]
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    packed = np.frombuffer("".join(strings).encode("ascii", "replace"), np.uint8)  # one byte a code point
    sound, prefix = np.zeros(len(values), np.bool_), np.zeros(len(values), np.uint8)
    number = np.zeros(len(values), np.uint64)
    _read_ids(packed, np.cumsum(lengths), sound, prefix, number)
    return _Ids(lengths > 0, sound, prefix, number)


def _spelt(value: str | int | None) -> str:
    """An id that is not a string as one; no value as the empty string, an impossible number as no id."""
    if isinstance(value, int):
        return base36(value) if 0 <= value <= _LAST_ID else "-"
    return value or ""


@njit(cache=True, nogil=True)
def _read_ids(
    packed: NDArray[np.uint8],
    ends: NDArray[np.int64],
    sound: NDArray[np.bool_],
    prefix: NDArray[np.uint8],
    number: NDArray[np.uint64],
) -> None:
    """Fills the last three. An id: `t1_`, `t3_` or nothing, then base-36 digits of either case, below 2**64."""
    start = 0
    for row in range(len(ends)):
        end = ends[row]
        if end - start > 3 and packed[start] == ord("t") and packed[start + 2] == ord("_"):
            prefix[row] = packed[start + 1] - ord("0")
            start += 3
        sound[row] = start < end and (prefix[row] == 0 or prefix[row] == COMMENT or prefix[row] == SUBMISSION)
        value = np.uint64(0)
        for at in range(start, end):
            digit = _digit(packed[at])
            grown = value * np.uint64(36) + digit
            # Past the range the sum wraps round and is smaller than what was added.
            if digit == 36 or value > _LAST_SHIFTED or grown < digit:
                sound[row] = False
            value = grown
        number[row] = value
        start = end


@njit(cache=True, nogil=True)
def _digit(character: int) -> np.uint64:
    """The value of a base-36 digit; 36 for any other character."""
    if ord("0") <= character <= ord("9"):
        return np.uint64(character - ord("0"))
    lower = character | 32
    if ord("a") <= lower <= ord("z"):
        return np.uint64(lower - ord("a") + 10)
    return np.uint64(36)
