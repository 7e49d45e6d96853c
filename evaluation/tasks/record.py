"""ReCoRD (arXiv 1810.12885): which entity of a news article is left out of a sentence about it?

All entities of the passage are choices, each once; every one that the file gives as an answer is right, as its
script counts an exact match: the same words but for case, punctuation and articles. The highlights below an
article are bullets, and the sentence is one more (GPT-3, figure G.6).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from evaluation import fields
from evaluation.item import Choice, Example, Item, MalformedRowError
from evaluation.records import Record, Row, json_lines
from evaluation.tasks.asked import worked
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

PUBLISHED: Final = ("passage", "qas")
# Hugging Face's copy: a query at a time, which is what `rows` makes of the publisher's file.
QUERY: Final = ("passage", "query", "entities", "answers")
BLANK: Final = "@placeholder"
ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")


def rows(path: Path) -> Iterator[Record]:
    """Reads the file, a query at a time, each with its passage and the passage's entities."""
    for record in json_lines("idx")(path):
        try:
            found = [record] if record.fault else _queries(record)
        except MalformedRowError as error:
            found = [replace(record, row={}, fault=str(error))]
        yield from found


def _queries(record: Record) -> list[Record]:
    if fields.layout(record.row, QUERY, PUBLISHED) == QUERY:
        return [record]
    passage = fields.within(record.row, "passage")
    fields.layout(passage, ("text", "entities"))
    shared = {"passage": fields.text(passage, "text"), "entities": list(_entities(passage))}
    found = []
    for number, one in enumerate(fields.several(record.row, "qas")):
        query = one if isinstance(one, dict) else {}
        answers = query.get("answers")
        texts = (
            [each.get("text") for each in answers if isinstance(each, dict)] if isinstance(answers, list) else []
        )
        row = {**shared, "query": query.get("query"), "answers": texts}
        found.append(Record(f"{record.place}, query {number + 1}", f"{record.key}/{number}", row))
    return found


def _entities(passage: Row) -> Iterator[str]:
    """The entities, by their places in the text as it stands; their ends are inclusive."""
    text = fields.value(passage, "text")
    for one in fields.several(passage, "entities"):
        span = one if isinstance(one, dict) else {}
        start = fields.place(span, "start", len(text))
        yield fields.text({"entity": text[start : fields.place(span, "end", len(text)) + 1]}, "entity")


def item(key: str, row: Row) -> list[Item]:
    """The sentence with every entity, behind the article; an article is a family."""
    fields.layout(row, QUERY)
    article, query = fields.text(row, "passage"), fields.text(row, "query")
    if BLANK not in query:
        raise MalformedRowError(f"`query` has no {BLANK}")
    body, *highlights = (part.strip() for part in article.split("@highlight"))
    context = "\n\n".join(part for part in (body, "\n".join(f"- {one}" for one in highlights)) if part)
    entities = tuple(dict.fromkeys(fields.texts(row, "entities")))
    exact = {_words(one) for one in fields.texts(row, "answers")}
    right = tuple(place for place, entity in enumerate(entities) if _words(entity) in exact)
    if not right:
        raise MalformedRowError("none of the answers is an entity of the passage")
    sentences = (f"\n- {query.replace(BLANK, entity)}" for entity in entities)
    return [Item(key, tuple(Choice(context, sentence) for sentence in sentences), right, "", article)]


def _words(text: str) -> str:
    bare = "".join(one for one in text.lower() if one not in string.punctuation)
    return " ".join(ARTICLES.sub(" ", bare).split())


def examples(key: str, row: Row) -> list[Example]:
    """The article with the sentence, an answer in its place."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="record",
    title="ReCoRD",
    folder="superglue_record",
    folders=("ReCoRD", "record"),
    files=("val.jsonl", "validation.jsonl", "dev32.jsonl"),
    pool=("train.jsonl",),
    rows=rows,
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=13.84,  # of 32 queries; their number of entities, and of right ones, differs: unknown of all 10,000
    prompt="GPT-3, figure G.6",
    licence="Apache-2.0",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(70.8, 78.5, 82.1, 84.1, 86.2, 88.6, 89.0, 90.2),
)
