"""RTE, as SuperGLUE has it: does a premise entail a hypothesis? Its validation set of 277."""

from __future__ import annotations

from typing import Final

from evaluation import fields
from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, ended, worked
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

LAYOUT: Final = ("premise", "hypothesis", "label")
# In the order of Hugging Face's whole numbers, and their names in the prompt.
LABELS: Final = ("entailment", "not_entailment")
NAMES: Final = ("True", "False")


def item(key: str, row: Row) -> list[Item]:
    """True and False behind the premise and the hypothesis."""
    fields.layout(row, LAYOUT)
    premise, hypothesis = fields.text(row, "premise"), ended(fields.text(row, "hypothesis"), ".")
    context = f"{premise}\nquestion: {hypothesis} True or False?\nanswer:"
    return [among(key, context, NAMES, (fields.named(row, "label", LABELS),), premise)]


def examples(key: str, row: Row) -> list[Example]:
    """The question with its answer."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="rte",
    title="RTE",
    folder="superglue_rte",
    folders=("RTE", "rte"),
    files=("val.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=json_lines("idx"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt="GPT-3, figure G.31",
    licence="not stated (PASCAL RTE, by way of SuperGLUE)",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(47.7, 49.8, 48.4, 56.0, 46.6, 55.2, 62.8, 63.5),
)
