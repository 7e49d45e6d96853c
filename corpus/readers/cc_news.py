"""CC-News and other crawls kept as WARC: of the responses, the HTML pages; of each, what an extractor makes.

A response that is no page of its time is skipped under the reason for it, and a page that cannot be read is a row.
Source: RoBERTa (arXiv 1907.11692), section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from corpus.drops import Drop
from corpus.html_text import Extractor, extract_text
from corpus.readers.crawl_time import AFTER_CUT_OFF, OPT_CUT_OFF, crawl_time
from corpus.readers.lines import BATCH_BYTES, MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.warc import WARC, Framing, Page, WarcRecord, gather, read_warc
from corpus.readers.web_page import HTML_TYPES, BrokenPageError, page_bytes, page_text, parse_response

FACTS = ("url", "date", "opt_out")
"""What is known of a page beside its text."""

# The kinds of record a standard crawl has; others are counted together, for a file could name any number of them.
_OTHER_KINDS = ("warcinfo", "request", "metadata", "resource", "revisit", "conversion", "continuation")


def read_cc_news(
    chunks: Iterable[bytes],
    extractor: Extractor,
    *,
    until: str = OPT_CUT_OFF,
    max_record_bytes: int = MAX_RECORD_BYTES,
    batch_bytes: int = BATCH_BYTES,
    framing: Framing = WARC,
) -> Iterator[Records]:
    """A record a page: `response`, fetched up to `until`, HTTP 200, HTML. The others are `skipped`.

    Damaged are a broken or oversize WARC record, a date that is none (`Drop.WRONG_TYPE`) or is missing
    (`Drop.MISSING_FIELD`), and a page that is broken or larger than an extractor can be given.

    Args:
        chunks: The uncompressed stream.
        extractor: Which library makes text of HTML.
        until: The last second of crawl time, like `2021-09-28T23:59:59Z`; "" for no end.
        max_record_bytes: A longer record is `Drop.OVERSIZE_RECORD`.
        batch_bytes: About how much of the stream a batch covers.
        framing: How records begin: as in WARC, or as in ARC.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read before is given first.
        RecipeError: The extractor is not installed.
    """
    extract = extract_text(extractor)

    def take(record: WarcRecord) -> Page | str:
        if record.kind != "response":
            return record.kind if record.kind in _OTHER_KINDS else "other kind of record"
        written = record.head.get("warc-date", "")
        date = crawl_time(written)
        facts = {"url": record.url, "date": date}
        if not date:
            return Page(facts=facts, damage=Drop.WRONG_TYPE if written else Drop.MISSING_FIELD)
        if until and date > until:
            return AFTER_CUT_OFF
        response = parse_response(record.block)
        if response is None:
            return Page(facts=facts, damage=Drop.BROKEN_PAGE)
        if response.status != 200:
            return f"status {response.status}"
        if response.media_type not in HTML_TYPES:
            return "not html"
        facts["opt_out"] = response.opt_out
        try:
            page, repairs = page_text(response, page_bytes(response))
        except BrokenPageError as error:
            return Page(facts=facts, damage=error.drop)
        text = extract(page)
        if isinstance(text, Drop):
            return Page(facts=facts, damage=text)
        return Page(text, facts, repairs=repairs)

    records = read_warc(chunks, max_record_bytes=max_record_bytes, framing=framing)
    return gather(records, take, FACTS, batch_bytes)
