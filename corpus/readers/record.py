"""What every reader gives: consecutive raw records of one file, parsed, with nothing of the file left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts

FactName = Literal["url", "date", "language", "licence", "opt_out"]
FACTS: tuple[FactName, ...] = get_args(FactName)
"""What may be known of a record beside its text; what is not written down at ingest cannot be had back later."""


@dataclass(frozen=True, eq=False)
class Records:
    """Some consecutive records of one blob. Rows are documents and damaged records, in the blob's order.

    Attributes:
        number: int64[n], the record's number in its blob, from 0; every physical record counts, also skipped ones.
        offset: int64[n], where the raw record starts in the uncompressed stream, bytes.
        raw: n raw records, terminator excluded (what the document id is taken of).
        raw_bytes: int64[n], the bytes of the stream this row accounts for, terminator included.
        label: n source labels (the Pile's `pile_set_name`; "" where a format has none).
        text: n extracted texts, UTF-8; empty where damaged.
        damage: uint8[n], a `Drop` below 20, or 0 for a sound record.
        repairs: int32[n], characters that were not valid Unicode and became U+FFFD.
        skipped: bytes of the stream that are no row's: label or "blank line" -> (records, raw bytes).
        facts: what is known of the records beside the text: some of `FACTS` -> n values, "" where unknown.

    The bytes of the stream are exactly `raw_bytes.sum()` plus the bytes in `skipped`.
    """

    number: NDArray[np.int64]
    offset: NDArray[np.int64]
    raw: Texts
    raw_bytes: NDArray[np.int64]
    label: list[str]
    text: Texts
    damage: NDArray[np.uint8]
    repairs: NDArray[np.int32]
    skipped: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    facts: Mapping[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True, eq=False)
class Lines:
    r"""Some consecutive lines of one uncompressed stream, split at b"\n" and at nothing else.

    Attributes:
        number: int64[n], line number from 0; blank lines count, though they are no row.
        offset: int64[n], where the line starts in the stream, bytes.
        raw: n lines without their terminator; empty where the line was over the limit.
        raw_bytes: int64[n], bytes of the stream the line takes, terminator (and a leading BOM) included.
        damage: uint8[n], 0, `Drop.OVERSIZE_RECORD`, or `Drop.TRUNCATED_RECORD` for the last line before damage.
        skipped: "blank line" -> (lines, raw bytes).
    """

    number: NDArray[np.int64]
    offset: NDArray[np.int64]
    raw: Texts
    raw_bytes: NDArray[np.int64]
    damage: NDArray[np.uint8]
    skipped: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.number)
