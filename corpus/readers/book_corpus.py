"""Toronto's BookCorpus (books_large_p1.txt, books_large_p2.txt): a tokenised, lower-case sentence a line.

The files mark no book, and which lines OPT and RoBERTa made one document is unpublished: here so many consecutive
lines are one, counted from the start of the file, blank ones too. BookCorpusOpen (books1/epubtxt, a file a book)
is plain text: `text.py` reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from corpus.errors import RecipeError
from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.stretches import every, read_plain, read_stretches

VERSION = 1

LINES_PER_DOCUMENT = 512
"""About four blocks of 2,048 tokens, and a thirteenth of the mean book. Unpublished: our choice."""


def read_book_corpus(
    chunks: Iterable[bytes],
    lines_per_document: int = LINES_PER_DOCUMENT,
    *,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Iterator[Records]:
    """A record every `lines_per_document` lines; the last of a file may have fewer.

    Args:
        chunks: The uncompressed stream.
        lines_per_document: At least 1.
        max_record_bytes: More in one document is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        RecipeError: `lines_per_document` is not positive (raised by the call itself).
        DamagedContainerError: As `chunks` raises it; what was read is given first.
    """
    if lines_per_document < 1:
        raise RecipeError(
            "a document has at least one line",
            where=f"lines_per_document = {lines_per_document}",
            remedy=f"set it to {LINES_PER_DOCUMENT}, or any positive number",
        )
    return read_stretches(chunks, every(lines_per_document), read_plain, max_record_bytes)
