"""BoolQ (arXiv 1905.10044): is the answer to a question about a passage yes? SuperGLUE's validation set."""

from __future__ import annotations

from typing import Final

from evaluation import fields
from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, ended, worked
from evaluation.tasks.published import gpt3, opt_by_mobilellm
from evaluation.tasks.task import Task

SUPERGLUE: Final = ("question", "passage", "label")
# The publisher's own: the passage's title stands apart.
PUBLISHED: Final = ("question", "title", "passage", "answer")


def item(key: str, row: Row) -> list[Item]:
    """Yes and no behind the passage and the question."""
    passage = fields.text(row, "passage") if "passage" in row else ""
    if fields.layout(row, SUPERGLUE, PUBLISHED) == PUBLISHED:
        passage, right = f"{fields.text(row, 'title')} -- {passage}", fields.truth(row, "answer")
    else:
        right = fields.truth(row, "label")
    context = f"{passage}\nquestion: {ended(fields.text(row, 'question'), '?')}\nanswer:"
    return [among(key, context, ("yes", "no"), (0 if right else 1,), passage)]


def examples(key: str, row: Row) -> list[Example]:
    """The question with its answer."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="boolq",
    title="BoolQ",
    folder="superglue_boolq",
    folders=("BoolQ", "boolq"),
    files=("val.jsonl", "dev.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=json_lines("idx"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt="GPT-3, figure G.29",
    licence="CC-BY-SA-3.0",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(49.7, 60.3, 58.9, 62.4, 67.1, 65.4, 66.2, 60.5) + opt_by_mobilellm(57.5, 54.0),
)
