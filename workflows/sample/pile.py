"""Shards of the Pile: the sets shuffled together, with the Pile's repeats, near-copies, oddities and damage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import forms
from containers import DumpFile, text_bytes, zstd
from draws import Draws
from planted import Copy, Place, Planting, jaccard, near_copies
from prose import Library, Passage, sentences

SHARDS = ("pile/train/00.jsonl.zst", "pile/train/01.jsonl.zst", "pile/train/02.jsonl.zst")
# The shard of several frames, and the one where some records hold their meta as a JSON string.
FRAMES = (1, 5, 1)
STRING_META = (SHARDS[2], 0.01)

# Each set's distinct text as a part of the whole sample, and the part of it that a later epoch repeats. Shares are
# unpublished: our choice; which sets repeat: The Pile, table 1. The last three are not among OPT's.
SETS = {
    "Pile-CC": (0.135, 0.0),
    "OpenWebText2": (0.080, 0.25),
    "USPTO Backgrounds": (0.050, 0.25),
    "Wikipedia (en)": (0.100, 0.30),
    "HackerNews": (0.040, 0.0),
    "DM Mathematics": (0.030, 0.25),
    "Gutenberg (PG-19)": (0.095, 0.20),
    "OpenSubtitles": (0.070, 0.10),
    "Github": (0.015, 0.0),
    "ArXiv": (0.015, 0.0),
    "PubMed Abstracts": (0.012, 0.0),
}
# Originals of near-copies come from these; a copy stays in its set or turns up on the web.
ORIGINAL_SETS = ("Pile-CC", "OpenWebText2", "USPTO Backgrounds", "Wikipedia (en)", "OpenSubtitles")
WEB_SETS = ("Pile-CC", "OpenWebText2")
# Documentation kept back for the words and lines that near-copies get.
FILLER_PASSAGES = 400


@dataclass(frozen=True)
class Document:
    """A text and the set it is in."""

    set_name: str
    text: str


def generate(
    library: Library, manual: Iterator[Passage], articles: Iterator[Passage], megabytes: float
) -> tuple[list[DumpFile], list[Planting]]:
    """Makes the shards, and says what is planted in them.

    Args:
        library: The prose.
        manual: Its documentation; the shards take what they need from the front.
        articles: Its encyclopaedia, likewise.
        megabytes: The size of the whole sample.
    """
    draws = Draws("pile")
    documents = [
        Document(name, text)
        for name, texts in _texts(library, manual, articles).items()
        for text in _up_to(texts, SETS[name][0] * megabytes * 1e6)
    ]
    filler = [sentence for passage in islice(manual, FILLER_PASSAGES) for sentence in sentences(passage)]
    eligible = [index for index, document in enumerate(documents) if document.set_name in ORIGINAL_SETS]
    copies = near_copies([document.text for document in documents], eligible, filler, megabytes)
    deal = _Deal(draws)
    for document in documents:
        deal.put(document)
    _put_copies(deal, documents, copies)
    _put_repeats(deal, documents, {copy.original for copy in copies}, megabytes)
    for how, document in _oddities(articles):
        deal.plant("odd", how, deal.put(document))
    for how, line in _damaged(next(articles)):
        deal.plant("damaged", how, deal.put(line))
    return deal.close()


class _Deal:
    """Deals records to shards and remembers what was planted, until every record's line is known."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._records: list[tuple[Document | str, int]] = []
        self._planted: list[tuple[str, str, int, int | None, tuple[int, int] | None]] = []

    def put(self, record: Document | str, away_from: int | None = None) -> int:
        """Adds a document or a raw line to a shard, another one than a given record's; gives its number."""
        if away_from is None:
            shard = self._draws.below(len(SHARDS))
        else:
            shard = (self._records[away_from][1] + self._draws.between(1, len(SHARDS) - 1)) % len(SHARDS)
        self._records.append((record, shard))
        return len(self._records) - 1

    def plant(
        self, kind: str, how: str, a: int, b: int | None = None, integers: tuple[int, int] | None = None
    ) -> None:
        """Notes what was planted, by the numbers of the records."""
        self._planted.append((kind, how, a, b, integers))

    def close(self) -> tuple[list[DumpFile], list[Planting]]:
        """Shuffles each shard, writes it, and gives the places of what was planted."""
        places: dict[int, Place] = {}
        shards = []
        for shard, name in enumerate(SHARDS):
            mine = self._draws.shuffled([n for n, (_, where) in enumerate(self._records) if where == shard])
            places |= {number: Place(name, line) for line, number in enumerate(mine)}
            shards.append(self._shard(name, [self._records[number][0] for number in mine], FRAMES[shard]))
        return shards, [
            Planting(kind, how, places[a], None if b is None else places[b], integers)
            for kind, how, a, b, integers in self._planted
        ]

    def _shard(self, name: str, records: list[Document | str], frames: int) -> DumpFile:
        lines, sets = list[str](), Counter[str]()
        for record in records:
            if isinstance(record, Document):
                sets[record.set_name] += text_bytes(record.text)
                meta: object = {"pile_set_name": record.set_name}
                if name == STRING_META[0] and self._draws.chance(STRING_META[1]):
                    meta = json.dumps(meta)
                # Key order, separators and ASCII escapes are json.dumps' defaults, as in the Pile.
                lines.append(json.dumps({"text": record.text, "meta": meta}))
            else:
                lines.append(record)
        data = "".join(line + "\n" for line in lines).encode("ascii")
        return DumpFile(name, zstd(data, frames=frames), len(lines), sets)


def _texts(library: Library, manual: Iterator[Passage], articles: Iterator[Passage]) -> dict[str, Iterator[str]]:
    """An unending or long stream of texts for each set, in the order of SETS."""
    draws = Draws("forms")
    page = forms.pages(manual, draws)
    books = draws.shuffled([list(chapters) for _, chapters in groupby(library.scripture(), lambda p: p.title)])
    return {
        "Pile-CC": map(forms.web_page, page),
        "OpenWebText2": map(forms.web_page, page),
        "USPTO Backgrounds": map(forms.patent_background, page),
        "Wikipedia (en)": map(forms.article, articles),
        "HackerNews": (forms.discussion(passages, draws) for passages in page),
        "DM Mathematics": forms.mathematics(draws),
        "Gutenberg (PG-19)": (forms.book(chapters, draws) for chapters in books),
        "OpenSubtitles": map(forms.film, draws.shuffled(list(library.drama()))),
        "Github": (passage.paragraphs[0] for passage in draws.shuffled(list(library.source_code()))),
        "ArXiv": map(forms.paper, page),
        "PubMed Abstracts": map(forms.abstract, articles),
    }


def _up_to(texts: Iterator[str], budget: float) -> Iterator[str]:
    """Texts until their bytes reach the budget."""
    left = budget
    while left > 0 and (text := next(texts, None)) is not None:
        left -= text_bytes(text)
        yield text


def _put_copies(deal: _Deal, documents: list[Document], copies: list[Copy]) -> None:
    """Near-copies, each in its original's set or on the web, in any shard."""
    draws = Draws("sets of the copies")
    for copy in copies:
        original = documents[copy.original].set_name
        set_name = original if draws.chance(0.5) else draws.pick(WEB_SETS)
        number = deal.put(Document(set_name, copy.text))
        deal.plant(copy.kind, copy.how, copy.original, number, copy.jaccard)


def _put_repeats(deal: _Deal, documents: list[Document], originals: set[int], megabytes: float) -> None:
    """A second epoch of a part of some sets: the same record again in another shard."""
    draws = Draws("repeats")
    left = {name: share * part * megabytes * 1e6 for name, (share, part) in SETS.items()}
    for number in draws.shuffled(range(len(documents))):
        document = documents[number]
        if left[document.set_name] <= 0 or number in originals:
            continue
        left[document.set_name] -= text_bytes(document.text)
        again = deal.put(document, away_from=number)
        deal.plant("exact", "repeated", number, again, jaccard(document.text, document.text))


def _oddities(articles: Iterator[Passage]) -> Iterator[tuple[str, Document]]:
    """Sound records that readers and rules trip over, each from an article of its own."""

    def body() -> str:
        return forms.article(next(articles))

    middle = 40
    for how, text in (
        ("CRLF line ends", body().replace("\n", "\r\n")),
        ("tabs and trailing spaces", "\t" + body().replace("\n", "  \t\n") + " \n\n\n\n"),
        ("U+2028 and U+2029", body().replace("\n\n", "\u2028") + "\u2029" + next(articles).title),
        ("lone surrogate", _put_in(body(), middle, "\ud83d")),
        ("NUL and other controls", _put_in(_put_in(body(), middle, "\x00"), 2 * middle, "\x1b\x7f")),
        ("byte order mark inside", "\ufeff" + _put_in(body(), middle, "\ufeff")),
        ("end-of-text token in the text", _put_in(body(), middle, "<|endoftext|>") + "</s>"),
        ("white space only", " \n\t\n \u00a0 \n"),
        ("no text", ""),
        ("few words", "Page not found."),
        ("few letters", " | ".join(f"{n * 37 % 101}.{n % 10}" for n in range(120))),
        ("repeated lines", (next(articles).paragraphs[0][:90] + "\n") * 40),
    ):
        yield how, Document("Pile-CC", text)


def _put_in(text: str, position: int, insertion: str) -> str:
    return text[:position] + insertion + text[position:]


def _damaged(passage: Passage) -> Iterator[tuple[str, str]]:
    """Lines that are no record of the Pile."""
    text = " ".join(passage.paragraphs)
    meta = {"pile_set_name": "Pile-CC"}
    line = json.dumps({"text": text, "meta": meta})
    yield "broken json: cut short", line[: len(line) // 2]
    yield "broken json: two objects", line + line
    yield "broken json: not an object", json.dumps([text])
    yield "missing field: text", json.dumps({"meta": meta})
    yield "missing field: meta", json.dumps({"text": text})
    yield "missing field: pile_set_name", json.dumps({"text": text, "meta": {}})
    yield "wrong type: text is null", json.dumps({"text": None, "meta": meta})
    yield "wrong type: text is a list", json.dumps({"text": [text], "meta": meta})
    yield "wrong type: meta is a list", json.dumps({"text": text, "meta": ["Pile-CC"]})
    yield "unknown set: CommonCrawl", json.dumps({"text": text, "meta": {"pile_set_name": "CommonCrawl"}})
