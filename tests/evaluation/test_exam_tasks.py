"""Questions with lettered answers: ARC and OpenBookQA, in four layouts."""

from pathlib import Path

import pytest
from small_sets import ARC, OPENBOOKQA, made, pieces, read, shown, write

from evaluation.item import MalformedRowError
from evaluation.tasks.listed import find

ANSWERS = ["a cork", "a nail", "a coin"]
QUESTION = "Which of these floats on water?"
LAYOUTS = {
    "published": ARC,
    "Hugging Face": {
        "id": "X_1",
        "question": QUESTION,
        "choices": {"text": ANSWERS, "label": ["1", "2", "3"]},
        "answerKey": "1",
    },
    "OLMES": {"id": "X_1", "query": f"Question: {QUESTION}\nAnswer:", "choices": ANSWERS, "gold": 0},
    "llm-foundry": {"query": QUESTION, "choices": ANSWERS, "gold": 0},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("task", ["arc_easy", "arc_challenge"])
def test_arc(task: str, layout: str) -> None:
    item = made(task, LAYOUTS[layout])
    context = "Question: Which of these floats on water?\nAnswer:"
    assert pieces(item) == [(context, " a cork"), (context, " a nail"), (context, " a coin")]
    assert item.right == (0,)
    assert shown(task, LAYOUTS[layout]) == "Question: Which of these floats on water?\nAnswer: a cork"


@pytest.mark.parametrize(
    "row",
    [
        OPENBOOKQA,
        {
            "question_stem": "A kettle makes water",
            "choices": {"text": ["hot", "dry", "red", "loud"], "label": ["A", "B", "C", "D"]},
            "answerKey": "A",
        },
        {"query": "Question: A kettle makes water\nAnswer:", "choices": ["hot", "dry", "red", "loud"], "gold": 0},
        {"query": "A kettle makes water", "choices": ["hot", "dry", "red", "loud"], "gold": 0},
    ],
)
def test_openbookqa(row: dict[str, object]) -> None:
    item = made("openbookqa", row)
    context = "A kettle makes water"
    assert pieces(item) == [(context, " hot"), (context, " dry"), (context, " red"), (context, " loud")]
    assert shown("openbookqa", row) == "A kettle makes water hot"


def test_answers_are_judged_against_themselves_alone() -> None:
    for name in ("arc_easy", "arc_challenge", "openbookqa"):
        assert (find(name).judged_by, find(name).unconditional) == ("unconditional", "Answer:")


@pytest.mark.parametrize(
    ("layout", "change", "why"),
    [
        ("published", {"answerKey": "D"}, "`answerKey` is 'D': none of A B C"),
        ("published", {"answerKey": 1}, "`answerKey` is 1: none of A B C"),
        ("published", {"question": {"stem": "", "choices": []}}, "`stem` is empty"),
        ("published", {"question": {"stem": "S"}}, "fields found: stem; wanted: stem choices"),
        ("published", {"question": {"stem": "S", "choices": ["x"]}}, "fields found: none; wanted: text"),
        ("Hugging Face", {"choices": {"text": ANSWERS, "label": ["1"]}}, "3 answers have 1 labels"),
        ("Hugging Face", {"choices": {"text": ["a", ""], "label": ["1", "2"]}}, "`text` is empty"),
        ("Hugging Face", {"answerKey": "A"}, "`answerKey` is 'A': none of 1 2 3"),
        ("OLMES", {"gold": 3}, "`gold` is 3: out of range, 0 to 2"),
        ("OLMES", {"choices": ["a"], "gold": 0}, "there is nothing to choose among 1 answers"),
    ],
)
def test_a_malformed_question(layout: str, change: dict[str, object], why: str) -> None:
    with pytest.raises(MalformedRowError) as error:
        made("arc_easy", LAYOUTS[layout] | change)
    assert str(error.value) == why


def test_two_letters_alike_name_no_answer() -> None:
    row = LAYOUTS["Hugging Face"] | {"choices": {"text": ANSWERS, "label": ["1", "1", "2"]}}
    with pytest.raises(MalformedRowError, match="`answerKey` is '1'"):
        made("arc_easy", row)


def test_the_publishers_archive_is_read_as_it_unpacks(tmp_path: Path) -> None:
    write(tmp_path, "ARC-V1-Feb2018-2/ARC-Easy/ARC-Easy-Test.jsonl", [ARC])
    write(tmp_path, "ARC-V1-Feb2018-2/ARC-Easy/ARC-Easy-Train.jsonl", [ARC | {"id": "X_2"}])
    write(tmp_path, "OpenBookQA-V1-Sep2018/Data/Main/test.jsonl", [OPENBOOKQA])
    found = read("arc_easy", tmp_path)
    assert found.file == "ARC-V1-Feb2018-2/ARC-Easy/ARC-Easy-Test.jsonl"
    assert [example.key for example in found.pool] == ["X_2"]
    assert read("openbookqa", tmp_path).leave_one_out


def test_olmes_lists_every_document_twice(tmp_path: Path) -> None:
    other = LAYOUTS["OLMES"] | {"gold": 1}
    write(tmp_path, "arc_easy/test_olmes_docs.jsonl", [LAYOUTS["OLMES"], LAYOUTS["OLMES"], other])
    found = read("arc_easy", tmp_path)
    assert [item.right for item in found.items] == [(0,)]
    assert [(one.where, one.why) for one in found.skipped] == [
        ("arc_easy/test_olmes_docs.jsonl, line 2", "the same as line 1"),
        ("arc_easy/test_olmes_docs.jsonl, line 3", "another row, of the same name as line 1"),
    ]
