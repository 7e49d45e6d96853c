"""What news-please makes of CC-News: JSON, an article a file or an article a line; the text is title and body.

Articles fetched after the cut-off are skipped. With a cut-off every article must say when it was fetched: one
whose `date_download` is null or absent is `Drop.MISSING_FIELD`, one where it is no time is `Drop.WRONG_TYPE`,
as with a page of a WARC. Without a cut-off nothing is asked: the date is a fact that may be unknown.
Source: news-please (github.com/fhamborg/news-please), the fields of its JSON output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from corpus.document import Texts
from corpus.drops import Drop
from corpus.readers.crawl_time import AFTER_CUT_OFF, OPT_CUT_OFF, crawl_time
from corpus.readers.json_record import JsonObject, parse_object
from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Lines, Records
from corpus.readers.text import read_text_file

FACTS = ("url", "date", "language")
"""What is known of an article beside its text; the date is when it was fetched."""

_DATE = "date_download"


def read_news_please(lines: Iterable[Lines], *, until: str = OPT_CUT_OFF) -> Iterator[Records]:
    """A record a line: the title, an empty line, the body; `Drop.MISSING_FIELD` where there is no body.

    A title may be null or absent, a body is what makes an article.

    Args:
        lines: The lines of the stream.
        until: The last second at which an article was fetched, like `2021-09-28T23:59:59Z`; "" for no end.
    """
    for batch in lines:
        empty = Records(
            number=batch.number,
            offset=batch.offset,
            raw=batch.raw,
            raw_bytes=batch.raw_bytes,
            label=[""] * len(batch),
            text=Texts.from_list([b""] * len(batch)),
            damage=batch.damage,
            repairs=np.zeros(len(batch), np.int32),
            skipped=batch.skipped,
        )
        yield _read(empty, until)


def read_news_please_file(
    chunks: Iterable[bytes], *, until: str = OPT_CUT_OFF, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Records]:
    """The one article of a file, over however many lines.

    Args:
        chunks: The uncompressed stream.
        until: The last second at which an article was fetched; "" for no end.
        max_record_bytes: A longer file is `Drop.OVERSIZE_RECORD`.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read is given first.
    """
    return (_read(records, until) for records in read_text_file(chunks, max_record_bytes=max_record_bytes))


def _read(records: Records, until: str) -> Records:
    """The same records with the articles that their raw bytes hold."""
    texts = [b""] * len(records)
    damage, repairs = records.damage.copy(), np.zeros(len(records), np.int32)
    facts = {name: [""] * len(records) for name in FACTS}
    late: list[int] = []
    packed = records.raw.data.data
    for row, (start, stop) in enumerate(pairwise(records.raw.offsets.tolist())):
        if damage[row]:
            continue
        article, repairs[row] = parse_object(packed[start:stop])
        if article is None:
            damage[row] = Drop.BROKEN_JSON
            continue
        for name, values in facts.items():
            written = article.get(_DATE if name == "date" else name)
            values[row] = written if isinstance(written, str) else ""
        facts["date"][row] = crawl_time(facts["date"][row])
        if until and not facts["date"][row]:
            damage[row] = Drop.MISSING_FIELD if article.get(_DATE) in (None, "") else Drop.WRONG_TYPE
            continue
        if until and facts["date"][row] > until:
            late.append(row)
            continue
        text = _text(article)
        if isinstance(text, Drop):
            damage[row] = text
        else:
            texts[row] = text
    found = replace(records, text=Texts.from_list(texts), damage=damage, repairs=repairs, facts=facts)
    return _without(found, late) if late else found


def _without(records: Records, late: list[int]) -> Records:
    """The records but for those rows, which are counted as skipped."""
    rows = np.delete(np.arange(len(records)), late)
    size = int(records.raw_bytes[late].sum())
    return Records(
        number=records.number[rows],
        offset=records.offset[rows],
        raw=records.raw.take(rows),
        raw_bytes=records.raw_bytes[rows],
        label=[""] * len(rows),
        text=records.text.take(rows),
        damage=records.damage[rows],
        repairs=records.repairs[rows],
        skipped={**records.skipped, AFTER_CUT_OFF: (len(late), size)},
        facts={name: [values[row] for row in rows.tolist()] for name, values in records.facts.items()},
    )


def _text(article: JsonObject) -> bytes | Drop:
    title, body = article.get("title"), article.get("maintext")
    if body is None:
        return Drop.MISSING_FIELD
    if not isinstance(body, str) or not isinstance(title, str | None):
        return Drop.WRONG_TYPE
    return (f"{title}\n\n{body}" if title else body).encode()
