"""The Winograd schema challenge: which of two nouns does a pronoun mean? The 273 sentences of WSC273.

By partial evaluation: the choices differ in their contexts, where a noun stands for the pronoun, and what
follows it is scored. WSC273 is the collection as Trinh and Le found it (arXiv 1806.02847), who wrote every noun
into its sentence by hand ("her sweater" became "the sweater", as in GPT-3's figure): llm-foundry's copy holds
their sentences and is read where it is there. The collection itself, WSCollection.xml, has grown to 285 schemas
since: the first 273 are taken, the others named among what is skipped. Its nouns are put in by the rules below,
which give 223 of the 273 pairs as they were written by hand.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from corpus.errors import SourceError
from evaluation import fields
from evaluation.item import Example, Item, MalformedRowError
from evaluation.records import Record, Row, json_lines
from evaluation.tasks.asked import partial, worked
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

FILLED: Final = ("context_options", "continuation", "gold")
SCHEMA: Final = ("txt1", "pron", "txt2", "answers", "correctAnswer")
WSC273: Final = 273
DETERMINERS: Final = frozenset(
    {"a", "an", "her", "his", "my", "our", "some", "that", "the", "their", "this", "your"}
)
PRONOUNS: Final = frozenset({"he", "her", "him", "his", "it", "she", "them", "they"})


def rows(path: Path) -> Iterator[Record]:
    """Reads the collection in XML, or its copy in JSON lines."""
    return _schemas(path) if path.suffix == ".xml" else json_lines()(path)


def _schemas(path: Path) -> Iterator[Record]:
    try:
        schemas = ElementTree.fromstring(path.read_bytes()).findall("schema")
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise SourceError(
            f"this collection is no XML: {error}",
            where=str(path),
            remedy="Fetch the file again; it must be the publisher's, unchanged.",
        ) from error
    for number, schema in enumerate(schemas, start=1):
        place = f"schema {number}"
        if number > WSC273:
            yield Record(place, place, {}, f"later than the {WSC273} of WSC273")
            continue
        found: Row = {name: _words(one.text) for name in SCHEMA for one in schema.iter(name) if name != "answers"}
        found |= {"answers": [_words(one.text) for one in schema.iter("answer")]}
        # A sentence quotes its pronoun once more, below <quote>: its own is the first.
        found |= {"pron": _words(schema.findtext("text/pron"))}
        yield Record(place, place, found)


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def item(key: str, row: Row) -> list[Item]:
    """The sentence's rest behind either noun; sentences about the same two are a family."""
    if fields.layout(row, FILLED, SCHEMA) == FILLED:
        contexts = fields.texts(row, "context_options")
        rest, right = fields.text(row, "continuation"), fields.place(row, "gold", len(contexts))
        family = " / ".join(_unlike(contexts))
    else:
        before, pronoun = fields.text_or_nothing(row, "txt1"), fields.text(row, "pron")
        rest, answers = fields.text(row, "txt2"), fields.texts(row, "answers")
        contexts = tuple(f"{before} {_in_place(one, pronoun, rest)}".lstrip() for one in answers)
        letter = fields.text(row, "correctAnswer").rstrip(".")
        if len(letter) != 1 or letter not in "AB"[: len(answers)]:
            raise MalformedRowError(f"`correctAnswer` is {letter!r:.60}: out of range, A to B")
        right, family = "AB".index(letter), " / ".join(answers)
    return [partial(key, contexts, rest if rest in (".", "!", "?") else f" {rest}", right, family)]


def _unlike(contexts: tuple[str, ...]) -> list[str]:
    """The contexts without the words that all of them begin with."""
    words = [one.split() for one in contexts]
    shared = next((i for i, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1), 0)
    return sorted(" ".join(one[shared:]).lower() for one in words)


def _in_place(answer: str, pronoun: str, rest: str) -> str:
    """A noun as it stands where the pronoun stood: definite, in its case, and in upper case where that was."""
    noun = re.sub(r"'s$", "", answer)
    first, _, others = noun.partition(" ")
    if others and first.lower() in DETERMINERS:
        noun = f"the {others}"
    elif noun[:1].islower() and noun not in PRONOUNS:
        noun = f"the {noun}"
    if pronoun.lower() == "his" or (pronoun.lower() == "her" and rest[:1].isalpha()):
        noun += "'s"
    return noun[:1].upper() + noun[1:] if pronoun[:1].isupper() else noun


def examples(key: str, row: Row) -> list[Example]:
    """The sentence, the noun in the pronoun's place."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="winograd",
    title="Winograd",
    folder="winograd",
    files=("winograd_wsc.jsonl", "WSCollection.xml"),
    pool=(),
    rows=rows,
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt="GPT-3, figure G.13",
    licence="CC-BY-4.0",
    origin="https://cs.nyu.edu/~davise/papers/WinogradSchemas/WSCollection.xml",
    published=gpt3(66.3, 72.9, 74.7, 76.9, 82.4, 85.7, 87.9, 88.3),
)
