"""CommitmentBank, as SuperGLUE has it: is an embedded clause true, false, or neither? Its validation set of 56."""

from __future__ import annotations

from typing import Final

from evaluation import fields
from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, ended, worked
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Published, Task

LAYOUT: Final = ("premise", "hypothesis", "label")
# In the order of Hugging Face's whole numbers, and their names in the prompt.
LABELS: Final = ("entailment", "contradiction", "neutral")
NAMES: Final = ("true", "false", "neither")


def item(key: str, row: Row) -> list[Item]:
    """True, false and neither behind the premise and the hypothesis."""
    fields.layout(row, LAYOUT)
    premise, hypothesis = fields.text(row, "premise"), ended(fields.text(row, "hypothesis"), ".")
    context = f"{premise}\nquestion: {hypothesis} true, false, or neither?\nanswer:"
    return [among(key, context, NAMES, (fields.named(row, "label", LABELS),), premise)]


def examples(key: str, row: Row) -> list[Example]:
    """The question with its answer."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="cb",
    title="CB",
    folder="superglue_cb",
    folders=("CB", "cb"),
    files=("val.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=json_lines("idx"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=33.33,
    classes=NAMES,
    prompt="GPT-3, figure G.30",
    licence="not stated (CommitmentBank, by way of SuperGLUE)",
    origin="https://super.gluebenchmark.com/tasks",
    published=(
        *gpt3(0.0, 32.1, 8.93, 19.6, 19.6, 28.6, 19.6, 46.4),
        Published(
            "OPT 125M", 0, 48.21, "metaseq 6c16be49, result file of its own suite (125M_gptz)", verified=True
        ),
    ),
)
