"""One small XML document in memory, event by event, without what XML can do to its reader.

No external entity is fetched and none is declared inside: a document that declares one with a value, the stuff of
entity bombs, is broken. A name that its absent DTD would declare is read as HTML's of that name, nearly the same.
"""

from __future__ import annotations

import html.entities
import re
from typing import Protocol
from xml.parsers import expat

from corpus.drops import Drop
from corpus.readers.repair import repair_utf8

_ENCODING = re.compile(rb"""<\?xml[^>]{0,80}?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


class Events(Protocol):
    """What is told of a document, in its order."""

    def start(self, name: str, attributes: dict[str, str], /) -> None:
        """An element starts."""

    def end(self, name: str, /) -> None:
        """An element ends."""

    def text(self, data: str, /) -> None:
        """Some characters of its text."""


def parse_xml(document: bytes, events: Events) -> tuple[Drop, int]:
    """Tells the events of a document: UTF-8, or, where its bytes are not that, what it declares.

    Returns:
        `Drop.BROKEN_XML` or `Drop.KEPT`, and the characters that were not UTF-8 and became U+FFFD.
    """
    repaired, repairs = repair_utf8(document)
    declared = _ENCODING.match(document) if repairs else None
    if declared and declared[1].lower() not in (b"utf-8", b"utf8"):
        parser, repaired, repairs = expat.ParserCreate(), document, 0
    else:
        parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = events.start
    parser.EndElementHandler = events.end
    parser.CharacterDataHandler = events.text
    parser.EntityDeclHandler = _refuse_value
    parser.SkippedEntityHandler = lambda name, _: events.text(html.entities.html5.get(f"{name};", f"&{name};"))
    try:
        parser.Parse(repaired, True)
    except (expat.ExpatError, _EntityError, LookupError, ValueError):
        return Drop.BROKEN_XML, 0
    return Drop.KEPT, repairs


class _EntityError(Exception):
    """A document declares an entity with a value."""


def _refuse_value(*declaration: object) -> None:
    # name, is a parameter entity, value, base, system id, public id, notation: a value only where it is internal
    if declaration[2] is not None:
        raise _EntityError
