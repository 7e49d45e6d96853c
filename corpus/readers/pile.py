"""The Pile: JSON lines of `text` and `meta.pile_set_name`, the 22 sets shuffled together.

Source: The Pile (arXiv 2101.00027), section 2 and Table 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from corpus.drops import Drop
from corpus.readers.json_record import Extract, JsonObject, parse_object, read_objects, string_at
from corpus.readers.record import Lines, Records

PILE_SETS = (
    "Pile-CC",
    "PubMed Central",
    "Books3",
    "OpenWebText2",
    "ArXiv",
    "Github",
    "FreeLaw",
    "StackExchange",
    "USPTO Backgrounds",
    "PubMed Abstracts",
    "Gutenberg (PG-19)",
    "OpenSubtitles",
    "Wikipedia (en)",
    "DM Mathematics",
    "Ubuntu IRC",
    "BookCorpus2",
    "EuroParl",
    "HackerNews",
    "YoutubeSubtitles",
    "PhilPapers",
    "NIH ExPorter",
    "Enron Emails",
)
"""Every `pile_set_name`, by weight. Source: The Pile, Table 1, in the spelling of the released files."""

_SETS = frozenset(PILE_SETS)


def read_pile(lines: Iterable[Lines]) -> Iterator[Records]:
    """A record a line, of whichever set: which to use is the caller's to choose.

    The label is `meta.pile_set_name`, which a copy may hold as a JSON object or as a string of one. A name that is
    none of the 22 is `Drop.UNKNOWN_SET`, and stays as the label.
    """
    return read_objects(lines, _extract)


def _extract(parsed: JsonObject) -> Extract:
    label = _set_name(parsed)
    text = string_at(parsed, ("text",))
    if isinstance(text, Drop):
        return Extract(label="" if isinstance(label, Drop) else label, damage=text)
    if isinstance(label, Drop):
        return Extract(damage=label)
    if label not in _SETS:
        return Extract(label=label, damage=Drop.UNKNOWN_SET)
    return Extract(text, label)


def _set_name(parsed: JsonObject) -> str | Drop:
    meta = string_at(parsed, ("meta",))
    if isinstance(meta, Drop):
        return string_at(parsed, ("meta", "pile_set_name"))
    inner, _ = parse_object(meta.encode())
    return Drop.WRONG_TYPE if inner is None else string_at(inner, ("pile_set_name",))
