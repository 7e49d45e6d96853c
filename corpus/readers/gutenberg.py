r"""Project Gutenberg's own text files, a book a file, in any charset. The notices stay, for a rule to cut.

What is valid UTF-8 is UTF-8, whatever the header says: text in another charset is that by accident hardly ever.
Anything else is read in the charset that the header declares (`Character set encoding: ISO-8859-1`), or
Windows-1252, the usual one, where it declares none that is known. PG-19 is UTF-8 without notices: it is for
`text.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.repair import is_utf8, repair_utf8
from corpus.readers.stretches import Reading, never, read_stretches

VERSION = 1

# The header ends within this, licence and all; a longer one declares nothing. Unpublished: our choice.
_HEADER_BYTES = 2**15
_DECLARED = re.compile(
    rb"^Character set (?:encoding|for .{0,80}?):[ \t]*([^\r\n]{1,40})", re.IGNORECASE | re.MULTILINE
)

_DEFAULT = "cp1252"
# The charsets Project Gutenberg names, by letters and digits alone. ISO 8859-1 is read as its superset
# Windows-1252, as browsers do. Source: the Encoding Standard (WHATWG), section 4.2.
_CODECS = {
    **dict.fromkeys(
        ("ascii", "usascii", "iso646usascii", "iso646us", "iso88591", "isolatin1", "latin1"), "cp1252"
    ),
    **dict.fromkeys(("windows1252", "cp1252", "windowscodepage1252", "codepage1252"), "cp1252"),
    **dict.fromkeys(("utf8", "unicodeutf8", "utf8unicode"), "utf-8"),
    **dict.fromkeys(("cp437", "codepage437", "ibm437"), "cp437"),
    **dict.fromkeys(("cp850", "codepage850"), "cp850"),
    **dict.fromkeys(("windows1250", "cp1250"), "cp1250"),
    **dict.fromkeys(("windows1251", "cp1251", "windows1251cyrillic"), "cp1251"),
    **dict.fromkeys(("windows1253", "cp1253"), "cp1253"),
    **dict.fromkeys(("macintosh", "macroman"), "mac_roman"),
    **{f"iso8859{part}": f"iso8859_{part}" for part in (2, 3, 4, 5, 7, 9, 10, 13, 14, 15)},
    **dict.fromkeys(("koi8r",), "koi8_r"),
    **dict.fromkeys(("big5",), "big5"),
    **dict.fromkeys(("gb2312", "gbk"), "gbk"),
    **dict.fromkeys(("shiftjis", "sjis"), "shift_jis"),
}


def read_gutenberg(chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Records]:
    r"""The stream as one book: UTF-8, b"\r\n" made b"\n", what its charset has not made U+FFFD and counted.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer file is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read is given first, as `Drop.TRUNCATED_RECORD`.
    """
    return read_stretches(chunks, never, _read, max_record_bytes)


def _read(raw: bytes) -> Reading:
    codec = "utf-8" if is_utf8(raw) else _declared(raw)
    if codec == "utf-8":
        text, repairs = repair_utf8(raw)
    else:
        decoded = raw.decode(codec, errors="replace")
        text, repairs = decoded.encode(), decoded.count("\ufffd")
    return Reading(text.replace(b"\r\n", b"\n"), repairs)


def _declared(raw: bytes) -> str:
    """The codec of the charset a header names."""
    declared = _DECLARED.search(raw, 0, _HEADER_BYTES)
    name = re.sub(rb"[^a-z0-9]", b"", declared[1].lower()).decode() if declared else ""
    return _CODECS.get(name, _DEFAULT)
