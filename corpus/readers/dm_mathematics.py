"""DeepMind Mathematics: a module a file, its questions and answers on alternating lines.

As in the Pile, a file is cut after whole pairs of lines into documents of about 8,192 characters: here each has so
many or more and would have fewer without its last pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.stretches import Starts, line_starts, read_plain, read_stretches

VERSION = 1

DOCUMENT_CHARACTERS = 8192
"""Source: the Pile's own code for this set; its mean document has 8.00 KiB (arXiv 2101.00027, table 1)."""


def read_dm_mathematics(chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Records]:
    """A record every 8,192 characters (of ASCII, bytes), line ends counted, cut after an answer.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer document is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read is given first.
    """
    return read_stretches(chunks, _pairs(min(DOCUMENT_CHARACTERS, max_record_bytes)), read_plain, max_record_bytes)


def _pairs(document_bytes: int) -> Starts:
    lines = held = 0  # seen in the stream; bytes in the open document

    def starts(data: bytes) -> list[int]:
        nonlocal lines, held
        bounds = [*line_starts(data), len(data)]
        # Of a line over the limit only the first bytes are here.
        sizes = np.minimum(np.diff(bounds), document_bytes)
        sums = held + np.concatenate([[0], np.cumsum(sizes)])  # before each line, had there been no cut
        questions = np.arange(lines % 2, len(sizes), 2)
        before = sums[questions]
        begins = []
        at = base = 0
        while (at := int(np.searchsorted(before, base + document_bytes))) < len(before):
            begins.append(bounds[questions[at]])
            base = int(before[at])
        held = int(sums[-1]) - base
        lines += len(sizes)
        return begins

    return starts
