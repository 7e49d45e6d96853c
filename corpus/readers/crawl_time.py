"""When a page was fetched, in one spelling: UTC to the second, so that times compare as strings."""

from __future__ import annotations

from datetime import UTC, datetime

OPT_CUT_OFF = "2021-09-28T23:59:59Z"
"""The last second of the crawl that OPT used. Source: arXiv 2205.01068, section 2.3."""

AFTER_CUT_OFF = "after the cut-off"
"""What records fetched later are counted as."""


def crawl_time(written: str) -> str:
    """`2021-09-28T23:59:59Z` of any ISO 8601 time, "" of what is none; without an offset it is UTC.

    Fractions of a second (WARC 1.1) are cut off.
    """
    try:
        time = datetime.fromisoformat(written)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return time.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
