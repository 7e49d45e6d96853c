"""HellaSwag (arXiv 1905.07830): how does a description of everyday action go on? Counted on its validation set.

As in GPT-3's figure, the activity's label opens the context with a colon, and what continues a sentence begun
(`ctx_b`) begins in upper case. The rows from WikiHow hold marks that no reader of a page sees, "[header]",
"[title]", "[step]" and "[substeps]", which the figure (a row from ActivityNet) does not show: they are taken
out, a "[title]" ending the sentence before it, as lm-evaluation-harness does, whose OPT numbers are the public
ones.
"""

from __future__ import annotations

import re
from typing import Final

from evaluation import fields
from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, worked
from evaluation.tasks.published import gpt3, opt_175b, opt_by_mobilellm
from evaluation.tasks.task import Task

# The original names both halves of a context; Hugging Face's copy, with the label as text, does too.
LAYOUT: Final = ("activity_label", "ctx_a", "ctx_b", "endings", "label")
TITLE: Final = re.compile(r"(?<=[^\s.!?:])\s*\[title\]")
MARK: Final = re.compile(r"\[(?:header|title|step|substeps)\]")


def item(key: str, row: Row) -> list[Item]:
    """The endings behind the label and the context; articles of one how-to are a family."""
    fields.layout(row, LAYOUT)
    begun = fields.text_or_nothing(row, "ctx_b")
    context = _plain(f"{fields.text_or_nothing(row, 'ctx_a')} {begun[:1].upper()}{begun[1:]}")
    endings = [_plain(ending) for ending in fields.texts(row, "endings")]
    right = fields.place(row, "label", len(endings))
    source = row.get("source_id")
    label = fields.text(row, "activity_label")
    family = source if isinstance(source, str) else context
    return [among(key, f"{label}: {context}".rstrip(), endings, (right,), family)]


def _plain(text: str) -> str:
    return " ".join(MARK.sub(" ", TITLE.sub(".", text)).split())


def examples(key: str, row: Row) -> list[Example]:
    """The context with its true ending."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="hellaswag",
    title="HellaSwag",
    folder="hellaswag",
    files=("hellaswag_val.jsonl", "validation.jsonl", "val.jsonl"),
    pool=("hellaswag_train.jsonl", "train.jsonl"),
    rows=json_lines("source_id", "ind"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=25.0,
    prompt="GPT-3, figure G.9",
    licence="MIT",
    origin="https://github.com/rowanz/hellaswag/tree/master/data",
    published=gpt3(33.7, 43.6, 51.0, 54.7, 62.8, 67.4, 70.9, 78.9) + opt_175b(78.5) + opt_by_mobilellm(31.1, 36.2),
)
