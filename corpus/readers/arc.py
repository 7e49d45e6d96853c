"""ARC 1 and 2, what WARC came from: the Internet Archive's crawls to 2008, Common Crawl's to 2012.

    URL IP-address Archive-date Content-type [Result-code Checksum Location Offset Filename] Archive-length \n
    <Archive-length bytes>  \n

Source: Burner and Kahle, "Arc File Format", Internet Archive, 1996. Its records are read as WARC's: what HTTP
fetched is a `response`, the file's own description `warcinfo`, anything else (a `dns:` lookup) a `resource`.
"""

from __future__ import annotations

import re

from corpus.readers.warc import Framing, Head

# URLs may hold spaces, and crawlers wrote media types with them: what cannot be mistaken is the date.
_LINE = re.compile(
    rb"([a-z][a-z0-9+.-]{1,15}):([^\n]{1,4096}?) [^ \n]{1,64} ([0-9]{14}) (?:[^\n]{0,2048}? )?([0-9]{1,18})\r?\n",
    re.IGNORECASE,
)
_NEXT_LINE = re.compile(rb"\n" + _LINE.pattern, re.IGNORECASE)
_LONGEST_LINE = 2**13  # more than the pattern's own limits sum to
_BEGINNING = re.compile(rb"[a-z][a-z0-9+.-]{0,15}(?::[^\n]*)?", re.IGNORECASE)
_KINDS = {b"http": "response", b"https": "response", b"filedesc": "warcinfo"}


def _read_head(data: bytes, at: int) -> Head | None:
    line = _LINE.match(data, at)
    if line is None:
        return None
    scheme, rest, date, length = line.groups()
    fields = {
        "warc-type": _KINDS.get(scheme.lower(), "resource"),
        "warc-target-uri": f"{scheme.decode()}:{rest.decode('utf-8', 'replace')}",
        "warc-date": f"{date[:8].decode()}T{date[8:].decode()}",
    }
    return Head(fields, line.end() - at, int(length))


def _may_begin(after: bytes) -> bool:
    """Whether a record's line stands here, or what there is of one that the stream's end cuts off."""
    return _LINE.match(after) is not None or _BEGINNING.fullmatch(after) is not None


ARC = Framing(_read_head, _may_begin, _NEXT_LINE, _LONGEST_LINE)
"""How the records of an ARC file begin, for `read_warc`."""
