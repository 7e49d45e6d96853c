"""ARC (arXiv 1803.05457): questions of school examinations, easy and challenging. Counted on both test sets."""

from __future__ import annotations

from typing import Final

from evaluation.item import Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.asked import among, worked
from evaluation.tasks.exam_questions import exam_question
from evaluation.tasks.published import gpt3, opt_by_harness
from evaluation.tasks.task import Published, Task


def item(key: str, row: Row) -> list[Item]:
    """The answers behind the question."""
    asked = exam_question(row)
    return [among(key, f"Question: {asked.stem}\nAnswer:", asked.answers, (asked.right,), asked.stem)]


def examples(key: str, row: Row) -> list[Example]:
    """The question with its answer."""
    return [worked(one) for one in item(key, row)]


def _arc(name: str, part: str, figure: str, published: tuple[Published, ...]) -> Task:
    return Task(
        name=name,
        title=f"ARC ({part})",
        folder=name,
        folders=(f"ARC-V1-Feb2018-2/ARC-{part}", f"ARC-V1-Feb2018/ARC-{part}", f"ARC-{part}"),
        files=(f"ARC-{part}-Test.jsonl", "test.jsonl", "test_olmes_docs.jsonl"),
        pool=(f"ARC-{part}-Train.jsonl", "train.jsonl", f"ARC-{part}-Dev.jsonl", "validation.jsonl"),
        rows=json_lines("id"),
        item=item,
        examples=examples,
        judged_by="unconditional",
        counted="item",
        chance=25.02,  # some questions have three answers, or five: the mean over both test sets is the same
        prompt=f"GPT-3, figure {figure}",
        unconditional="Answer:",
        licence="CC-BY-SA-4.0",
        origin="https://allenai.org/data/arc",
        published=published,
    )


ARC_EASY: Final = _arc(
    "arc_easy",
    "Easy",
    "G.16",
    gpt3(43.6, 46.5, 53.0, 53.8, 58.2, 60.2, 63.8, 68.8)
    + opt_by_harness("acc", 43.52, 44.02, 57.03, 60.77, 65.61, 67.09, 69.99, 71.68),
)
ARC_CHALLENGE: Final = _arc(
    "arc_challenge",
    "Challenge",
    "G.11",
    gpt3(26.6, 29.5, 31.8, 35.5, 38.0, 41.4, 43.7, 51.4)
    + opt_by_harness("acc_norm", 22.78, 23.89, 29.44, 31.23, 34.73, 35.75, 37.97, 40.1),
)
