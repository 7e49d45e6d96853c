"""Common Crawl's WET: WARC whose `conversion` records are the plain text Common Crawl made of pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from corpus.readers.crawl_time import crawl_time
from corpus.readers.lines import BATCH_BYTES, MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.repair import repair_utf8
from corpus.readers.warc import Page, WarcRecord, gather, read_warc

FACTS = ("url", "date", "language")
"""What is known of a text beside it; the language is what Common Crawl identified, ISO 639-3, commas between."""


def read_wet(
    chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES, batch_bytes: int = BATCH_BYTES
) -> Iterator[Records]:
    """A record a `conversion`; the others are `skipped`.

    Args:
        chunks: The uncompressed WARC stream.
        max_record_bytes: A longer record is `Drop.OVERSIZE_RECORD`.
        batch_bytes: About how much of the stream a batch covers.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read before is given first.
    """
    return gather(read_warc(chunks, max_record_bytes=max_record_bytes), _take, FACTS, batch_bytes)


def _take(record: WarcRecord) -> Page | str:
    if record.kind != "conversion":
        return "warcinfo" if record.kind == "warcinfo" else "other kind of record"
    text, repairs = repair_utf8(record.block)
    facts = {
        "url": record.url,
        "date": crawl_time(record.head.get("warc-date", "")),
        "language": record.head.get("warc-identified-content-language", ""),
    }
    return Page(text, facts, repairs=repairs)
