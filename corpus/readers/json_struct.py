"""From lines to structs, each line one JSON object: the fields we use, of records that meet by exchange."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.drops import Drop
from corpus.readers.json_record import parse_object
from corpus.readers.repair import is_utf8

_DEEPEST = 1024  # levels; orjson's own limit

Struct = TypeVar("Struct")


def read_structs(
    raw: Texts, damage: NDArray[np.uint8], decoder: msgspec.json.Decoder[Struct], nothing: Struct
) -> tuple[list[Struct], NDArray[np.uint8], NDArray[np.int32]]:
    """The fields of every line.

    msgspec checks the rest of the line and builds none of it. A line that it refuses, or would read otherwise than
    orjson, is read once more as all JSON lines are: slowly, repaired, and with the last word.

    Args:
        raw: n lines.
        damage: uint8[n]; a damaged line keeps its damage.
        decoder: Of the struct, strict or not.
        nothing: What stands for a line that is damaged.

    Returns:
        n structs; uint8[n], damage, with `Drop.BROKEN_JSON` and `Drop.WRONG_TYPE` (of a field we use) filled in;
        int32[n], characters of the line that became U+FFFD.
    """
    records: list[Struct] = []
    damage, repairs = damage.copy(), np.zeros(len(raw), np.int32)
    for line, sound in zip(raw, _are_utf8(raw), strict=True):
        # msgspec checks no UTF-8 in a string that it skips, and its depth limit moves with Python's. A level takes
        # two bytes, which clears most lines by their length.
        if sound and (len(line) < 2 * _DEEPEST or line.count(b"[") + line.count(b"{") < _DEEPEST):
            try:
                records.append(decoder.decode(line))
                continue
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
        row, fields = len(records), nothing
        if not damage[row]:
            fields, damage[row], repairs[row] = _second_reading(line, decoder, nothing)
        records.append(fields)
    return records, damage, repairs


def _are_utf8(texts: Texts) -> list[bool]:
    try:
        texts.to_arrow().cast(pa.large_string())
    except pa.ArrowInvalid:
        return [is_utf8(text) for text in texts]
    return [True] * len(texts)


def _second_reading(
    line: bytes, decoder: msgspec.json.Decoder[Struct], nothing: Struct
) -> tuple[Struct, int, int]:
    """The fields, a `Drop` or 0, and how many characters were not Unicode."""
    record, repairs = parse_object(line)
    if record is None:
        return nothing, Drop.BROKEN_JSON, 0
    try:
        return msgspec.convert(record, decoder.type, strict=decoder.strict), 0, repairs
    except msgspec.ValidationError:
        return nothing, Drop.WRONG_TYPE, 0
