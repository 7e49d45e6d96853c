r"""OpenSubtitles as OPUS has it (v2018, raw): the subtitles of a film a file, in XML, a sentence an `<s>`.

As in the Pile's parser, every sentence stands in double quotes and one space between two: a film is one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from corpus.drops import Drop
from corpus.readers.lines import MAX_RECORD_BYTES
from corpus.readers.record import Records
from corpus.readers.stretches import Reading, never, read_stretches
from corpus.readers.xml_record import parse_xml

VERSION = 1


def read_open_subtitles(chunks: Iterable[bytes], *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Records]:
    """The stream as one film; `Drop.BROKEN_XML` where it is not the XML of one.

    Args:
        chunks: The uncompressed stream.
        max_record_bytes: A longer file is `Drop.OVERSIZE_RECORD`: passed over, not held.

    Raises:
        DamagedContainerError: As `chunks` raises it; what was read is given first, as `Drop.TRUNCATED_RECORD`.
    """
    return read_stretches(chunks, never, _read, max_record_bytes)


class _Film:
    """The sentences of a film, as its XML tells them; what stands outside of them is times and metadata."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.root = ""
        self._inside = False
        self._data: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        self.root = self.root or name
        if name == "s":
            self._inside = True
            self._data.clear()

    def end(self, name: str) -> None:
        if name == "s":
            self._inside = False
            if sentence := " ".join("".join(self._data).split()):
                self.sentences.append(f'"{sentence}"')

    def text(self, data: str) -> None:
        if self._inside:
            self._data.append(data)


def _read(raw: bytes) -> Reading:
    film = _Film()
    damage, repairs = parse_xml(raw, film)
    if damage or film.root != "document":
        return Reading(damage=damage or Drop.BROKEN_XML)
    return Reading(" ".join(film.sentences).encode(), repairs)
