"""MultiRC (Khashabi et al., NAACL 2018): which answers to a question about a passage are right? 953 questions.

Each answer is an item of its own, "[True]" or "[False]", and a question is answered rightly when all its answers
are (GPT-3, figure G.15). An example is one question with all its answers: GPT-3 counts K in questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from evaluation import fields
from evaluation.item import Choice, Example, Item, MalformedRowError
from evaluation.records import Record, Row, json_lines
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

PASSAGES: Final = ("idx", "passage")
QUESTION: Final = ("passage", "question", "answers")
MARKS: Final = ("[True]", "[False]")


def rows(path: Path) -> Iterator[Record]:
    """Reads the file, a question at a time, each with its passage."""
    for record in json_lines("idx")(path):
        try:
            found = [record] if record.fault else _questions(record)
        except MalformedRowError as error:
            found = [replace(record, row={}, fault=str(error))]
        yield from found


def _questions(record: Record) -> list[Record]:
    fields.layout(record.row, PASSAGES)
    passage = fields.within(record.row, "passage")
    fields.layout(passage, ("text", "questions"))
    text = fields.text(passage, "text")
    found = []
    for number, one in enumerate(fields.several(passage, "questions")):
        row = {**one, "passage": text} if isinstance(one, dict) else {}
        found.append(Record(f"{record.place}, question {number + 1}", f"{record.key}/{number}", row))
    return found


def item(key: str, row: Row) -> list[Item]:
    """An item for every answer of a question; a passage is a family."""
    context, answers = _question(row)
    return [
        Item(f"{key}/{number}", _choices(context, text), (0 if right else 1,), key, fields.text(row, "passage"))
        for number, (text, right) in enumerate(answers)
    ]


def _choices(context: str, answer: str) -> tuple[Choice, ...]:
    return tuple(Choice(context, f"\n- {mark} {answer}") for mark in MARKS)


def _question(row: Row) -> tuple[str, list[tuple[str, bool]]]:
    """The passage with the question, and the answers with whether they are right."""
    fields.layout(row, QUESTION)
    answers = [each if isinstance(each, dict) else {} for each in fields.several(row, "answers")]
    if not answers:
        raise MalformedRowError("the question has no answers")
    context = f"{fields.text(row, 'passage')}\n\n{fields.text(row, 'question')}"
    return context, [(fields.text(each, "text"), fields.truth(each, "label")) for each in answers]


def examples(key: str, row: Row) -> list[Example]:
    """The passage, the question, and its answers, each marked."""
    context, answers = _question(row)
    marked = "".join(f"\n- {MARKS[not right]} {text}" for text, right in answers)
    return [Example(key, context + marked, fields.text(row, "passage"))]


TASK: Final = Task(
    name="multirc",
    title="MultiRC",
    folder="superglue_multirc",
    folders=("MultiRC", "multirc"),
    files=("val.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=rows,
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
