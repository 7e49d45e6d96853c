"""MultiRC (Khashabi et al., NAACL 2018): which answers to a question about a passage are right? 953 questions.

Each answer is an item of its own, "[True]" or "[False]", and a question is answered rightly when all its answers are
(GPT-3, figure G.15). An example is one question with all its answers: GPT-3 counts K in questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from evaluation import fields
from evaluation.item import Choice, Example, Item
from evaluation.records import Row, json_lines
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

LAYOUT: Final = ("idx", "passage")
MARKS: Final = ("[True]", "[False]")


def item(key: str, row: Row) -> list[Item]:
    """An item for every answer; a passage is a family."""
    return [
        Item(f"{question}/{number}", _choices(context, text), (0 if right else 1,), question, key)
        for question, context, answers in _questions(key, row)
        for number, (text, right) in enumerate(answers)
    ]


def _choices(context: str, answer: str) -> tuple[Choice, ...]:
    return tuple(Choice(context, f"\n- {mark} {answer}") for mark in MARKS)


def _questions(key: str, row: Row) -> Iterator[tuple[str, str, list[tuple[str, bool]]]]:
    """Of each question: its name, the passage with the question, and the answers with whether they are right."""
    fields.layout(row, LAYOUT)
    passage = fields.within(row, "passage")
    fields.layout(passage, ("text", "questions"))
    for number, one in enumerate(fields.several(passage, "questions")):
        question = one if isinstance(one, dict) else {}
        fields.layout(question, ("question", "answers"))
        answers = [each if isinstance(each, dict) else {} for each in fields.several(question, "answers")]
        context = f"{fields.text(passage, 'text')}\n\n{fields.text(question, 'question')}"
        yield (
            f"{key}/{number}",
            context,
            [(fields.text(each, "text"), fields.truth(each, "label")) for each in answers],
        )


def examples(key: str, row: Row) -> list[Example]:
    """An example for every question: the passage, the question, and its answers, each marked."""
    return [
        Example(question, context + "".join(f"\n- {MARKS[not right]} {text}" for text, right in answers), key)
        for question, context, answers in _questions(key, row)
    ]


TASK: Final = Task(
    name="multirc",
    title="MultiRC",
    folder="superglue_multirc",
    folders=("MultiRC", "multirc"),
    files=("val.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=json_lines("idx"),
    item=item,
    examples=examples,
    judged_by="token",
    counted="question",
    chance=5.77,  # the mean over the questions of the validation set of a half to the power of their answers
    prompt="GPT-3, figure G.15",
    preamble="READING COMPREHENSION ANSWER KEY",
    licence="for research (MultiRC, by way of SuperGLUE)",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(4.72, 9.65, 12.3, 13.6, 14.3, 18.4, 24.2, 27.6),
)
