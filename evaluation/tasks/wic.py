"""Words in context (arXiv 1808.09121): has a word one sense in two sentences? SuperGLUE's validation set of 638.

GPT-3's zero-shot 0.0 is not the accuracy of a choice between two: that cannot fall far below a half.
"""

from __future__ import annotations

from typing import Final

from evaluation import fields
from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, worked
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

LAYOUT: Final = ("word", "sentence1", "sentence2", "label")


def item(key: str, row: Row) -> list[Item]:
    """Yes and no behind the two sentences and the question."""
    fields.layout(row, LAYOUT)
    first, second, word = (fields.text(row, name) for name in ("sentence1", "sentence2", "word"))
    question = f"Is the word '{word}' used in the same way in the two sentences above?"
    context = f"{first}\n{second}\nquestion: {question}\nanswer:"
    return [among(key, context, ("yes", "no"), (0 if fields.truth(row, "label") else 1,), first)]


def examples(key: str, row: Row) -> list[Example]:
    """The question with its answer."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="wic",
    title="WiC",
    folder="superglue_wic",
    folders=("WiC", "wic"),
    files=("val.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=json_lines("idx"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt="GPT-3, figure G.32",
    licence="CC-BY-NC-4.0",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
)
