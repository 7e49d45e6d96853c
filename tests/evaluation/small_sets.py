"""Test sets of a few rows in the publishers' formats, every sentence invented; and what the tasks make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evaluation.item import Example, Item
from evaluation.task_files import TaskData, read_task
from evaluation.tasks.listed import find


def write(data: Path, name: str, rows: list[Any]) -> Path:
    """JSON lines, or, where the rows are text, those lines."""
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def read(task: str, data: Path) -> TaskData:
    found = read_task(find(task), data)
    assert isinstance(found, TaskData)
    return found


def made(task: str, row: dict[str, Any], key: str = "k") -> Item:
    """The one item of a row."""
    (item,) = find(task).item(key, row)
    return item


def shown(task: str, row: dict[str, Any]) -> str:
    """The text of the one example of a row."""
    (example,) = find(task).examples("k", row)
    assert isinstance(example, Example)
    return example.text


def pieces(item: Item) -> list[tuple[str, str]]:
    """What stands before each choice, and the choice."""
    return [(choice.context, choice.continuation) for choice in item.choices]


HELLASWAG = {
    "ind": 4,
    "activity_label": "Mending a net",
    "ctx_a": "A woman sits on a quay with a net in her lap.",
    "ctx_b": "the woman",
    "ctx": "A woman sits on a quay with a net in her lap. the woman",
    "endings": ["ties a knot.", "eats the quay.", "paints a boat blue.", "sings to a goat."],
    "source_id": "activitynet~v_1",
    "split": "val",
    "split_type": "indomain",
    "label": 0,
}
WIKIHOW = {
    "ind": 5,
    "activity_label": "Food",
    "ctx_a": "[header] How to boil an egg [title] Fill a pot. [step] Use cold water.",
    "ctx_b": "",
    "endings": ["[substeps] Add salt. [title] Light the stove.", "[title] Wait [step] Rest.", "Run.", "Sleep."],
    "source_id": "wikihow~9",
    "label": "1",
}
STORYCLOZE = {
    "InputStoryid": "s-1",
    "InputSentence1": "Ana lost her key.",
    "InputSentence2": "She looked under the mat.",
    "InputSentence3": "She looked in her shoe.",
    "InputSentence4": "It was in the door.",
    "RandomFifthSentenceQuiz1": "Ana flew to Mars.",
    "RandomFifthSentenceQuiz2": "Ana laughed and went in.",
    "AnswerRightEnding": "2",
}
PIQA = {"goal": "Open a jar.", "sol1": "Turn the lid. ", "sol2": "Turn the table.", "label": 0}
ARC = {
    "id": "X_1",
    "question": {
        "stem": "Which of these floats on water?",
        "choices": [
            {"text": "a cork", "label": "A"},
            {"text": "a nail", "label": "B"},
            {"text": "a coin", "label": "C"},
        ],
    },
    "answerKey": "A",
}
OPENBOOKQA = {
    "id": "7-1",
    "question": {
        "stem": "A kettle makes water",
        "choices": [
            {"text": text, "label": label}
            for text, label in zip(("hot", "dry", "red", "loud"), "ABCD", strict=True)
        ],
    },
    "answerKey": "A",
}
WINOGRANDE = {
    "qID": "Q-1",
    "sentence": "The cup did not fit in the box because the _ was too big.",
    "option1": "cup",
    "option2": "box",
    "answer": "1",
}
BOOLQ = {"question": "is the moon nearer than the sun", "passage": "Moon -- It is near.", "idx": 0, "label": True}
CB = {"premise": "She does not think it rains.", "hypothesis": "it rains", "label": "contradiction", "idx": 0}
COPA = {
    "premise": "The glass broke.",
    "choice1": "It fell.",
    "choice2": "I drank milk.",
    "question": "cause",
    "label": 0,
    "idx": 0,
}
RTE = {"premise": "Ann met Bob in Rome.", "hypothesis": "Ann was in Rome.", "label": "entailment", "idx": 0}
WIC = {"word": "bank", "sentence1": "Sit on the bank.", "sentence2": "Rob the bank.", "idx": 0, "label": False}
WSC_TEXT = "Olga thanked Petra 's aunt because she had helped ."


def wsc(idx: int, noun: str, label: bool, text: str = WSC_TEXT, index: int = 6) -> dict[str, Any]:
    """A row of SuperGLUE's WSC about the pronoun "she"."""
    target = {"span1_index": 0, "span1_text": noun, "span2_index": index, "span2_text": "she"}
    return {"text": text, "target": target, "idx": idx, "label": label}


MULTIRC = {
    "idx": 3,
    "version": 1.1,
    "passage": {
        "text": "Kim has a red bike and a blue kite.",
        "questions": [
            {
                "idx": 0,
                "question": "What does Kim have?",
                "answers": [{"text": "A bike", "idx": 0, "label": 1}, {"text": "A car", "idx": 1, "label": 0}],
            },
            {"idx": 1, "question": "What is red?", "answers": [{"text": "The kite", "idx": 2, "label": 0}]},
        ],
    },
}
RECORD = {
    "source": "CNN",
    "idx": 8,
    "passage": {
        "text": "Lima (CNN) -- Rosa Paz met the U.S. team in Lima.\n@highlight\nPaz runs\n@highlight\nShe won",
        "entities": [
            {"start": 0, "end": 3},
            {"start": 14, "end": 21},
            {"start": 31, "end": 34},
            {"start": 44, "end": 47},
        ],
    },
    "qas": [
        {
            "query": "The mayor of Lima gave @placeholder a medal.",
            "answers": [{"start": 14, "end": 21, "text": "the rosa paz"}],
            "idx": 1,
        }
    ],
}
SCHEMA = """<schema><text><txt1>
{before}</txt1><pron> {pronoun} </pron><txt2> {after}
</txt2></text><quote><quote1></quote1><pron>other</pron></quote>
<answers><answer>{first} </answer><answer>{second} </answer></answers>
<correctAnswer> {right} </correctAnswer><source> (invented) </source></schema>"""


def collection(data: Path, schemas: list[str]) -> Path:
    """Winograd's collection as it is published: in XML, and in ISO-8859-1."""
    path = data / "winograd" / "WSCollection.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    inside = "\n".join(schemas)
    head = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<collection>'
    path.write_bytes(f"{head}\n{inside}\n</collection>".encode("iso-8859-1"))
    return path
