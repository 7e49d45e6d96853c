"""COPA, as SuperGLUE has it: which of two is the cause, or the effect? Its validation set of 100.

A cause is asked for with "because" (GPT-3's figure), an effect with "so": OPT's suite says so (metaseq 6c16be49,
`cause_conj` and `effect_conj`). The answer goes on with the sentence, so it begins in lower case, "I" apart (a
name, too: nothing in the file tells it from another word).
"""

from __future__ import annotations

import re
from typing import Final

from evaluation import fields
from evaluation.item import Example, Item, MalformedRowError
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, worked
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

LAYOUT: Final = ("premise", "choice1", "choice2", "question", "label")
CONJUNCTIONS: Final = {"cause": "because", "effect": "so"}


def item(key: str, row: Row) -> list[Item]:
    """Both alternatives behind the premise and its conjunction."""
    fields.layout(row, LAYOUT)
    asked = fields.text(row, "question")
    if asked not in CONJUNCTIONS:
        raise MalformedRowError(f"`question` is {asked!r:.60}: neither cause nor effect")
    premise = fields.text(row, "premise").rstrip(".!?")
    answers = [_going_on(fields.text(row, name)) for name in ("choice1", "choice2")]
    if not premise:
        raise MalformedRowError("`premise` is empty")
    return [
        among(key, f"{premise} {CONJUNCTIONS[asked]}", answers, (fields.place(row, "label", 2),), premise),
    ]


def _going_on(sentence: str) -> str:
    return sentence if re.match(r"I\b", sentence) else sentence[:1].lower() + sentence[1:]


def examples(key: str, row: Row) -> list[Example]:
    """The premise with what caused it, or what it caused."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="copa",
    title="COPA",
    folder="superglue_copa",
    folders=("COPA", "copa"),
    files=("val.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=json_lines("idx"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt='GPT-3, figure G.5; an effect by OPT\'s suite ("so")',
    licence="BSD-2-Clause",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(66.0, 68.0, 73.0, 77.0, 76.0, 80.0, 84.0, 91.0),
)
