"""What news-please makes of CC-News: JSON, an article a file or an article a line; the text is title and body.

Source: news-please (github.com/fhamborg/news-please), the fields of its JSON output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from corpus.document import Texts
from corpus.drops import Drop
from corpus.readers.crawl_time import crawl_time
from corpus.readers.json_record import JsonObject, parse_object
from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Lines, Records
from corpus.readers.text import read_text_file

FACTS = ("url", "date", "language")
"""What is known of an article beside its text; the date is when it was fetched."""

_DATE = "date_download"


def read_news_please(lines: Iterable[Lines]) -> Iterator[Records]:
    """A record a line: the title, an empty line, the body; `Drop.MISSING_FIELD` where there is no body.

    A title may be null or absent, a body is what makes an article.
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
        yield _read(empty)


def read_news_please_file(
    chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Records]:
    """The one article of a file, over however many lines.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer file is `Drop.OVERSIZE_RECORD`.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read is given first.
    """
    return map(_read, read_text_file(chunks, max_record_bytes=max_record_bytes))


def _read(records: Records) -> Records:
    """The same records with the articles that their raw bytes hold."""
    texts = [b""] * len(records)
    damage, repairs = records.damage.copy(), np.zeros(len(records), np.int32)
    facts = {name: [""] * len(records) for name in FACTS}
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
        text = _text(article)
        if isinstance(text, Drop):
            damage[row] = text
        else:
            texts[row] = text
    return replace(records, text=Texts.from_list(texts), damage=damage, repairs=repairs, facts=facts)


def _text(article: JsonObject) -> bytes | Drop:
    title, body = article.get("title"), article.get("maintext")
    if body is None:
        return Drop.MISSING_FIELD
    if not isinstance(body, str) or not isinstance(title, str | None):
        return Drop.WRONG_TYPE
    return (f"{title}\n\n{body}" if title else body).encode()
