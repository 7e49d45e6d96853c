"""ReCoRD (arXiv 1810.12885): which entity of a news article is left out of a sentence about it?

All entities of the passage are choices, each once; every one that the file gives as an answer is right, as its script
counts an exact match: the same words but for case, punctuation and articles. The highlights below an article are
bullets, and the sentence is one more (GPT-3, figure G.6).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Final

from evaluation import fields
from evaluation.item import Choice, Example, Item, MalformedRowError
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import worked
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

PUBLISHED: Final = ("passage", "qas")
HUGGING_FACE: Final = ("passage", "query", "entities", "answers")
BLANK: Final = "@placeholder"
ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")


def item(key: str, row: Row) -> list[Item]:
    """The sentence with every entity, behind the article; an article is a family."""
    shape = fields.layout(row, HUGGING_FACE, PUBLISHED)
    if shape == HUGGING_FACE:
        article, entities = fields.text(row, "passage"), fields.texts(row, "entities")
        return [_item(key, article, entities, fields.text(row, "query"), fields.texts(row, "answers"))]
    passage = fields.within(row, "passage")
    fields.layout(passage, ("text", "entities"))
    article, entities = fields.text(passage, "text"), tuple(_entities(passage))
    found = []
    for number, one in enumerate(fields.several(row, "qas")):
        question = one if isinstance(one, dict) else {}
        fields.layout(question, ("query", "answers"))
        answers = [each if isinstance(each, dict) else {} for each in fields.several(question, "answers")]
        right = tuple(fields.text(each, "text") for each in answers)
        found.append(_item(f"{key}/{number}", article, entities, fields.text(question, "query"), right))
    return found


def _entities(passage: Row) -> Iterator[str]:
    """The entities, by their places in the text as it stands; their ends are inclusive."""
    text = fields.value(passage, "text")
    for one in fields.several(passage, "entities"):
        span = one if isinstance(one, dict) else {}
        start = fields.place(span, "start", len(text))
        yield fields.text({"entity": text[start : fields.place(span, "end", len(text)) + 1]}, "entity")


def _item(key: str, article: str, entities: tuple[str, ...], query: str, answers: tuple[str, ...]) -> Item:
    if BLANK not in query:
        raise MalformedRowError(f"`query` has no {BLANK}")
    body, *highlights = (part.strip() for part in article.split("@highlight"))
    context = "\n\n".join(part for part in (body, "\n".join(f"- {one}" for one in highlights)) if part)
    choices = tuple(dict.fromkeys(entities))
    exact = {_words(one) for one in answers}
    right = tuple(place for place, entity in enumerate(choices) if _words(entity) in exact)
    if not right:
        raise MalformedRowError("none of the answers is an entity of the passage")
    sentences = (f"\n- {query.replace(BLANK, entity)}" for entity in choices)
    return Item(key, tuple(Choice(context, sentence) for sentence in sentences), right, "", article)


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
    rows=json_lines("idx"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=10.0,
    prompt="GPT-3, figure G.6",
    licence="Apache-2.0",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(70.8, 78.5, 82.1, 84.1, 86.2, 88.6, 89.0, 90.2),
)
