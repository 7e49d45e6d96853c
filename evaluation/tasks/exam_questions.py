"""What ARC and OpenBookQA share: a question, three to five answers, and the letter or number of the right one.

Four layouts are read: the publisher's own ({"question": {"stem", "choices": [{"text", "label"}]}, "answerKey"}),
Hugging Face's, that of OLMES' requests ({"query", "choices", "gold"}, whose query is the question already in its
prompt), and llm-foundry's, which is the latter without the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from evaluation import fields
from evaluation.item import MalformedRowError
from evaluation.records import Row

PUBLISHED: Final = ("question", "answerKey")
HUGGING_FACE_ARC: Final = ("question", "choices", "answerKey")
HUGGING_FACE_OPENBOOKQA: Final = ("question_stem", "choices", "answerKey")
READY: Final = ("query", "choices", "gold")
LAYOUTS: Final = (HUGGING_FACE_ARC, HUGGING_FACE_OPENBOOKQA, PUBLISHED, READY)


@dataclass(frozen=True)
class ExamQuestion:
    """A question, its answers, and which of them is right."""

    stem: str
    answers: tuple[str, ...]
    right: int


def exam_question(row: Row) -> ExamQuestion:
    """Reads a row of any of the layouts.

    Raises:
        MalformedRowError: It is of none, or its fields are not what they must be.
    """
    shape = fields.layout(row, *LAYOUTS)
    if shape == READY:
        answers = fields.texts(row, "choices")
        return ExamQuestion(
            _unprompted(fields.text(row, "query")), answers, fields.place(row, "gold", len(answers))
        )
    if shape == PUBLISHED:
        question = fields.within(row, "question")
        fields.layout(question, ("stem", "choices"))
        choices = [one if isinstance(one, dict) else {} for one in fields.several(question, "choices")]
        answers = tuple(fields.text(one, "text") for one in choices)
        return ExamQuestion(
            fields.text(question, "stem"), answers, _keyed(row, [one.get("label") for one in choices])
        )
    choices_of = fields.within(row, "choices")
    fields.layout(choices_of, ("text", "label"))
    answers, labels = fields.texts(choices_of, "text"), fields.several(choices_of, "label")
    if len(answers) != len(labels):
        raise MalformedRowError(f"{len(answers)} answers have {len(labels)} labels")
    return ExamQuestion(fields.text(row, shape[0]), answers, _keyed(row, labels))


def _unprompted(query: str) -> str:
    return query.removeprefix("Question: ").removesuffix("\nAnswer:").strip()


def _keyed(row: Row, labels: list[Any]) -> int:
    """The place of the answer that `answerKey` names: A to E, or 1 to 4."""
    key = fields.value(row, "answerKey")
    if labels.count(key) != 1 or not isinstance(key, str):
        raise MalformedRowError(f"`answerKey` is {key!r:.60}: none of {' '.join(map(str, labels)):.60}")
    return labels.index(key)
