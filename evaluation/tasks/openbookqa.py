"""OpenBookQA (arXiv 1809.02789): elementary science, the book closed. Counted on its test set.

The stem stands bare, as in GPT-3's figure: it is a question, or a sentence that its answer ends.
"""

from __future__ import annotations

from typing import Final

from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, worked
from evaluation.tasks.exam_questions import exam_question
from evaluation.tasks.published import gpt3, opt_175b, opt_by_mobilellm
from evaluation.tasks.task import Task


def item(key: str, row: Row) -> list[Item]:
    """The answers behind the stem."""
    asked = exam_question(row)
    return [among(key, asked.stem, asked.answers, (asked.right,), asked.stem)]


def examples(key: str, row: Row) -> list[Example]:
    """The stem with its answer."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="openbookqa",
    title="OpenBookQA",
    folder="openbookqa",
    folders=("OpenBookQA-V1-Sep2018/Data/Main",),
    files=("test.jsonl", "test_olmes_docs.jsonl", "openbook_qa.jsonl"),
    pool=("train.jsonl", "dev.jsonl", "validation.jsonl"),
    rows=json_lines("id"),
    item=item,
    examples=examples,
    judged_by="unconditional",
    counted="item",
    chance=25.0,
    prompt="GPT-3, figure G.8",
    unconditional="Answer:",
    licence="Apache-2.0",
    origin="https://allenai.org/data/open-book-qa",
    published=gpt3(35.6, 43.2, 45.2, 46.8, 53.0, 50.4, 55.6, 57.6) + opt_175b(58.6) + opt_by_mobilellm(31.2, 33.3),
)
