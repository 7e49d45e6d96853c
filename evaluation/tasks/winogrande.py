"""WinoGrande (arXiv 1907.10641): which of two nouns fills a blank? Counted on its validation set (XL).

By partial evaluation: the choices differ in their contexts, and what follows the blank is scored.
"""

from __future__ import annotations

from typing import Final

from evaluation import fields
from evaluation.item import Example, Item, MalformedRowError
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import partial, worked
from evaluation.tasks.published import gpt3, opt_175b, opt_by_harness
from evaluation.tasks.task import Task

PUBLISHED: Final = ("sentence", "option1", "option2", "answer")
# llm-foundry's copy, the blank filled already.
FILLED: Final = ("context_options", "continuation", "gold")


def item(key: str, row: Row) -> list[Item]:
    """The sentence's rest behind either noun; sentences that choose between the same two are a family."""
    if fields.layout(row, PUBLISHED, FILLED) == FILLED:
        contexts = fields.texts(row, "context_options")
        right, rest = fields.place(row, "gold", len(contexts)), " " + fields.text(row, "continuation")
        return [partial(key, contexts, rest, right, " / ".join(contexts))]
    before, blank, rest = fields.text(row, "sentence").partition("_")
    if not blank or "_" in rest:
        raise MalformedRowError("`sentence` has not one blank")
    options = [fields.text(row, "option1"), fields.text(row, "option2")]
    right = fields.place(row, "answer", 2, first=1)
    return [partial(key, [before + one for one in options], rest, right, " / ".join(sorted(options)))]


def examples(key: str, row: Row) -> list[Example]:
    """The sentence, the blank filled rightly."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="winogrande",
    title="WinoGrande",
    folder="winogrande",
    folders=("winogrande_1.1",),
    files=("dev.jsonl", "validation.jsonl", "winogrande.jsonl"),
    pool=("train_xl.jsonl", "train.jsonl"),
    rows=json_lines("qID"),
    label="answer",
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt="GPT-3, figure G.14",
    licence="CC-BY-4.0",
    origin="https://winogrande.allenai.org/",
    published=gpt3(52.0, 52.1, 57.4, 58.7, 62.3, 64.5, 67.9, 70.2)
    + opt_175b(71.4)
    + opt_by_harness("acc", 50.28, 52.33, 59.75, 61.01, 65.27, 65.19, 68.19, 68.75),
)
