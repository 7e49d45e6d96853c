"""StoryCloze (arXiv 1604.01696): which of two sentences ends a story of four? Counted on the test set of 2016.

The files are had by a form; those of 2016 and of 2018 have the same columns. GPT-3 counts on the test set and
draws examples from the development set (section 2.4). The test set of 2018 has no labels: where its validation
set alone is there, that is counted on.
"""

from __future__ import annotations

from typing import Final

from evaluation import fields
from evaluation.item import Example, Item
from evaluation.records import Row, table
from evaluation.tasks.asked import among, worked
from evaluation.tasks.published import gpt3, opt_175b
from evaluation.tasks.task import Task

STORY: Final = tuple(f"InputSentence{number}" for number in (1, 2, 3, 4))
ENDINGS: Final = ("RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2")
LAYOUT: Final = (*STORY, *ENDINGS, "AnswerRightEnding")


def item(key: str, row: Row) -> list[Item]:
    """Both endings behind the four sentences."""
    fields.layout(row, LAYOUT)
    story = " ".join(fields.text(row, name) for name in STORY)
    endings = [fields.text(row, name) for name in ENDINGS]
    return [among(key, story, endings, (fields.place(row, "AnswerRightEnding", 2, first=1),), story)]


def examples(key: str, row: Row) -> list[Example]:
    """The story with its true ending."""
    return [worked(one) for one in item(key, row)]


TASK: Final = Task(
    name="storycloze",
    title="StoryCloze",
    folder="storycloze",
    files=(
        "cloze_test_test__spring2016*.csv",
        "test.csv",
        "cloze_test_val__winter2018*.csv",
        "cloze_test_val__spring2016*.csv",
    ),
    pool=("cloze_test_val__spring2016*.csv", "val.csv"),
    rows=table("InputStoryid"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=50.0,
    prompt="GPT-3, figure G.17",
    licence="by request form; not to be passed on",
    origin="https://cs.rochester.edu/nlp/rocstories/",
    published=gpt3(63.3, 68.5, 72.4, 73.4, 77.2, 77.7, 79.5, 83.2) + opt_175b(82.1),
)
