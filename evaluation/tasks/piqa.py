"""PIQA (arXiv 1911.11641): which of two ways reaches a goal? Counted on its validation set."""

from __future__ import annotations

from typing import Final

from evaluation import fields
from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, worked
from evaluation.tasks.published import gpt3, opt_175b, opt_by_harness
from evaluation.tasks.task import Task

LAYOUT: Final = ("goal", "sol1", "sol2", "label")


def item(key: str, row: Row) -> list[Item]:
    """Both solutions behind the bare goal."""
    fields.layout(row, LAYOUT)
    goal = fields.text(row, "goal")
    ways = [fields.text(row, "sol1"), fields.text(row, "sol2")]
    return [among(key, goal, ways, (fields.place(row, "label", 2),), goal)]


def examples(key: str, row: Row) -> list[Example]:
    """The goal with the way that reaches it."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="piqa",
    title="PIQA",
    folder="piqa",
    folders=("physicaliqa-train-dev",),
    files=("valid.jsonl", "dev.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=json_lines(),
    label="label",
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt="GPT-3, figure G.4",
    licence="AFL-3.0",
    origin="https://yonatanbisk.com/piqa/data/",
    published=gpt3(64.6, 70.2, 72.9, 75.1, 75.6, 78.0, 78.5, 81.0)
    + opt_175b(80.1)
    + opt_by_harness("acc", 63.0, 64.36, 71.71, 73.88, 76.28, 75.95, 77.58, 78.78),
)
