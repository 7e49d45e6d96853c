r"""US patents as the Patent Office gives them in bulk: the background section of each, paragraphs joined by "\n".

Three formats, thousands of patents end to end in a file, told apart patent by patent:

- APS text (1976-2001): four-letter sections and tags in column 1, the text from column 6, lines wrapped. The
  background is what stands in section BSUM from the first PAC (heading) with BACKGROUND in it to the next PAC.
- XML 2.5 (`PATDOC`, 2002-2004), and 1.5 of applications: every paragraph of the brief summary, whatever its
  heading, as in the Pile.
- XML 4 (`us-patent-grant`, `us-patent-application`, since 2005): the paragraphs of `<description>` from the first
  heading with BACKGROUND in it to the next heading.

A patent without a background is skipped. Tables, formulas and structures leave nothing. Source: the rules of the
Pile's own code for this set (pile-uspto).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.repair import repair_utf8
from corpus.readers.stretches import Reading, read_stretches
from corpus.readers.xml_record import parse_xml

VERSION = 1

NO_BACKGROUND = "no background section"
"""The label under which patents without one are counted as skipped."""

OUTSIDE = "outside the patents"
"""The label of what stands before the first patent of a file."""

_START = re.compile(rb"<\?xml |PATN(?=[ \r\n])")
_NEXT_START = re.compile(rb"\n(?=<\?xml |PATN[ \r\n])")  # a tenth of the time of ^ and MULTILINE
_BACKGROUND = "BACKGROUND"
# A line of APS: its tag, if it is not wrapped, and its text.
_APS_LINE = re.compile(r"(?:([A-Z0-9]{3,4})(?: {1,2}|$)| {4,5})(.*)")
_SUMMARY, _HEADING_TAG = "BSUM", "PAC"

_SUMMARIES = frozenset({"BRFSUM", "summary-of-invention"})
_BODIES = _SUMMARIES | {"description"}
_PARAGRAPHS = frozenset({"PARA", "paragraph", "p"})
_HEADING = "heading"
_LEFT_OUT = frozenset(
    {"table", "tables", "TABLE-US", "table-us", "maths", "math", "MATH-US", "chemistry", "CHEM-US"}
)
# Most elements are none of these, and are passed over at once.
_NAMED = _BODIES | _PARAGRAPHS | {_HEADING} | _LEFT_OUT


def read_uspto(chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Records]:
    """A patent with a background a row.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer patent is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read is given first.
    """
    return read_stretches(chunks, _starts, _read, max_record_bytes)


def _starts(data: bytes) -> list[int]:
    first = [0] if _START.match(data) else []
    return first + [before.end() for before in _NEXT_START.finditer(data)]


def _read(raw: bytes) -> Reading:
    if not _START.match(raw):
        return Reading(skip=OUTSIDE)
    return _read_xml(raw) if raw.startswith(b"<") else _read_aps(raw)


def _read_aps(raw: bytes) -> Reading:
    text, repairs = repair_utf8(raw)
    decoded = raw.decode("latin-1") if repairs else text.decode()
    section = tag = ""
    background = _Background()
    for line in decoded.split("\n"):
        match = _APS_LINE.fullmatch(line.rstrip())
        if match is None:
            continue
        name, content = match.groups()
        tag = name or tag
        if name and len(name) == len(_SUMMARY) and not content:
            section = name
        elif section != _SUMMARY:
            continue
        elif tag == _HEADING_TAG:
            background.heading(content, wrapped=not name)
        else:
            background.line(content, wrapped=not name)
    return background.reading(0)


class _Background:
    """The paragraphs from the first heading with BACKGROUND in it to the next heading."""

    def __init__(self) -> None:
        self._paragraphs: list[list[str]] = []
        self._open = self._closed = False

    def heading(self, title: str, *, wrapped: bool = False) -> None:
        if not wrapped:
            self._closed = self._open or self._closed
            self._open = False
        self._open = not self._closed and (self._open or _BACKGROUND in title.upper())

    def line(self, text: str, *, wrapped: bool = False) -> None:
        """One paragraph, or one line of it."""
        if self._open:
            if not wrapped or not self._paragraphs:
                self._paragraphs.append([])
            self._paragraphs[-1].append(text)

    def begin(self) -> None:
        """From here on all paragraphs are the background's, whatever their headings."""
        self._open, self._closed = True, False

    def stop(self) -> None:
        """The section ends here."""
        self._closed, self._open = self._open or self._closed, False

    def reading(self, repairs: int) -> Reading:
        """The paragraphs, one a line."""
        paragraphs = (" ".join(" ".join(lines).split()) for lines in self._paragraphs)
        text = "\n".join(paragraph for paragraph in paragraphs if paragraph)
        return Reading(text.encode(), repairs) if text else Reading(skip=NO_BACKGROUND)


def _read_xml(raw: bytes) -> Reading:
    patent = _Patent()
    damage, repairs = parse_xml(raw, patent)
    if damage:
        return Reading(damage=damage)
    return patent.background.reading(repairs)


class _Patent:
    """The background of a patent, as its XML tells it."""

    def __init__(self) -> None:
        self.background = _Background()
        self._data: list[str] = []
        self._left_out = 0  # open elements with no running text, of one kind or nested
        self._inside = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        if name not in _NAMED:
            return
        if name in _SUMMARIES:
            self.background.begin()
        self._inside = self._inside or name in _BODIES
        if name in _LEFT_OUT:
            self._left_out += 1
        if name in _PARAGRAPHS or name == _HEADING:
            self._data.clear()

    def end(self, name: str) -> None:
        if name not in _NAMED:
            return
        if name in _LEFT_OUT:
            self._left_out -= 1
        if name in _BODIES:
            self._inside = False
            self.background.stop()
        if self._inside and name in _PARAGRAPHS:
            self.background.line("".join(self._data))
            self._data.clear()
        if self._inside and name == _HEADING:
            self.background.heading("".join(self._data))

    def text(self, data: str) -> None:
        if self._inside and not self._left_out:
            self._data.append(data)
