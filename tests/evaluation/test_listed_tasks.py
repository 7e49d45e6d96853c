"""The sixteen tasks as a whole: their order, their choice by name, their facts, and rows damaged at random."""

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sets import (
    ARC,
    BOOLQ,
    CB,
    COPA,
    HELLASWAG,
    MULTIRC,
    OPENBOOKQA,
    PIQA,
    RECORD,
    RTE,
    STORYCLOZE,
    WIC,
    WIKIHOW,
    WINOGRANDE,
    WSC_TEXT,
    wsc,
)

from corpus.errors import RecipeError
from evaluation.item import MalformedRowError
from evaluation.normalisation import NORMALISATIONS
from evaluation.tasks.listed import FOURTEEN, NLP, chosen, find
from evaluation.tasks.task import Task

NAMES = [task.name for task in NLP]


def test_the_paper_names_sixteen() -> None:
    assert " ".join(NAMES) == (
        "hellaswag storycloze piqa arc_easy arc_challenge openbookqa winograd winogrande "
        "boolq cb copa wic wsc multirc rte record"
    )
    assert {task.name for task in NLP} - {task.name for task in FOURTEEN} == {"multirc", "wic"}
    assert len(FOURTEEN) == 14


def test_tasks_are_chosen_by_name() -> None:
    assert find("cb") is NLP[NAMES.index("cb")]
    assert [task.name for task in chosen(["rte", "piqa", "rte"])] == ["piqa", "rte"]
    assert chosen(["nlp"]) == chosen(["nlp", "cb"]) == NLP


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("hellaswagg", "Write 'hellaswag'."),
        ("HellaSwag", "Write 'hellaswag'."),
        ("arc", "Write 'arc_easy'."),
        ("xyz", "Choose among nlp, hellaswag, "),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(said: str, remedy: str) -> None:
    with pytest.raises(RecipeError) as error:
        find(said)
    assert error.value.what == f"there is no task {said!r}"
    assert error.value.remedy.startswith(remedy)


@pytest.mark.parametrize("task", NLP, ids=NAMES)
def test_a_task_says_what_it_must(task: Task) -> None:
    assert task.prompt.startswith(("GPT-3, figure G.", "unverified: "))
    assert task.licence and task.origin.startswith("https://")
    assert task.separator.isspace()
    assert task.judged_by in NORMALISATIONS
    assert bool(task.unconditional) == (task.judged_by == "unconditional")
    assert 0 < task.chance <= 50
    assert not set(task.pool) & set(task.files[:1])
    assert len({task.folder, *task.folders}) == 1 + len(task.folders)


@pytest.mark.parametrize("task", NLP, ids=NAMES)
def test_what_others_reached(task: Task) -> None:
    gpt3 = [one for one in task.published if one.model.startswith("GPT-3")]
    sizes = ["125M", "350M", "760M", "1.3B", "2.7B", "6.7B", "13B", "175B"]
    assert [one.model for one in gpt3] == [f"GPT-3 {size}" for size in sizes]
    # Table H.1 is from memory: nothing may print it as read.
    assert not any(one.verified for one in gpt3)
    assert all(one.verified for one in task.published if one.model.startswith("OPT"))
    assert all(0 <= one.value <= 100 and one.source for one in task.published)


ROWS: dict[str, list[dict[str, Any]]] = {
    "hellaswag": [HELLASWAG, WIKIHOW],
    "storycloze": [STORYCLOZE],
    "piqa": [PIQA],
    "arc_easy": [ARC, {"question": "Q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"}],
    "openbookqa": [OPENBOOKQA, {"query": "Q", "choices": ["a", "b"], "gold": 0}],
    "winograd": [
        {"txt1": "A saw B.", "pron": "He", "txt2": "ran.", "answers": ["A", "the b"], "correctAnswer": "B."},
        {"context_options": ["a", "b"], "continuation": "c", "gold": 0},
    ],
    "winogrande": [WINOGRANDE, {"context_options": ["a", "b"], "continuation": "c", "gold": 0}],
    "boolq": [BOOLQ],
    "cb": [CB],
    "copa": [COPA],
    "wic": [WIC],
    "wsc": [
        {
            "text": WSC_TEXT,
            "pronoun": "she",
            "index": 6,
            "nouns": [{"noun": "Olga", "right": True}, {"noun": "Petra", "right": False}],
        }
    ],
    "multirc": [{"passage": "P", "question": "Q", "answers": [{"text": "a", "label": 1}]}],
    "rte": [RTE],
    "record": [{"passage": "P", "query": "@placeholder", "entities": ["a", "b"], "answers": ["a"]}],
}
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["_", "'", ".", "[", "\\", "A", "1", "*", " ", "@placeholder", "\x1c", "²"]),
    st.lists(st.one_of(st.text(max_size=2), st.integers(), st.none()), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, one in inside for place in _places(one, (*path, key))]


def _damaged(row: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """A row with one to three of its parts replaced, or taken out."""
    row = copy.deepcopy(row)
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(row)
        if not places:
            break
        *path, last = data.draw(st.sampled_from(places))
        parent: Any = row
        for key in path:
            parent = parent[key]
        if data.draw(st.booleans()):
            parent[last] = data.draw(JUNK)
        else:
            del parent[last]
    return row


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_row_is_malformed_and_nothing_worse(name: str, data: st.DataObject) -> None:
    row = _damaged(data.draw(st.sampled_from(ROWS[name])), data)
    for make in (find(name).item, find(name).examples):
        try:
            assert all(one.key.startswith("k") for one in make("k", row))
        except MalformedRowError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("name", "good"), [("multirc", MULTIRC), ("record", RECORD), ("wsc", wsc(0, "Olga", True)), ("cb", CB)]
)
@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_line_is_a_fault_and_nothing_worse(
    tmp_path_factory: pytest.TempPathFactory, name: str, good: dict[str, Any], data: st.DataObject
) -> None:
    path: Path = tmp_path_factory.getbasetemp() / f"damaged-{name}.jsonl"
    path.write_text(json.dumps(_damaged(good, data)), encoding="utf-8")
    for record in find(name).rows(path):
        assert record.place.startswith("line 1")
        if not record.fault:
            with contextlib.suppress(MalformedRowError):
                find(name).item(record.key, record.row)
