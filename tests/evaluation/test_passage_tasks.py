"""Tasks about a passage: BoolQ, CB, RTE, WiC, WSC, MultiRC and ReCoRD."""

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from small_sets import BOOLQ, CB, MULTIRC, RECORD, RTE, WIC, made, pieces, read, shown, write, wsc

from evaluation.item import MalformedRowError
from evaluation.tasks.listed import find


def test_boolq() -> None:
    item = made("boolq", BOOLQ)
    context = "Moon -- It is near.\nquestion: is the moon nearer than the sun?\nanswer:"
    assert pieces(item) == [(context, " yes"), (context, " no")]
    assert item.right == (0,)
    assert shown("boolq", BOOLQ) == f"{context} yes"
    assert shown("boolq", BOOLQ | {"label": False}) == f"{context} no"


def test_boolq_as_it_was_first_published() -> None:
    row = {"question": "is it near", "title": "Moon", "passage": "It is near.", "answer": True}
    assert shown("boolq", row) == "Moon -- It is near.\nquestion: is it near?\nanswer: yes"


def test_cb() -> None:
    item = made("cb", CB)
    context = "She does not think it rains.\nquestion: it rains. true, false, or neither?\nanswer:"
    assert pieces(item) == [(context, " true"), (context, " false"), (context, " neither")]
    assert item.right == (1,)
    assert shown("cb", CB | {"label": "neutral"}) == f"{context} neither"
    assert made("cb", CB | {"label": 0}).right == (0,)


def test_rte() -> None:
    item = made("rte", RTE)
    context = "Ann met Bob in Rome.\nquestion: Ann was in Rome. True or False?\nanswer:"
    assert pieces(item) == [(context, " True"), (context, " False")]
    assert item.right == (0,)
    assert shown("rte", RTE | {"label": "not_entailment"}) == f"{context} False"


def test_wic() -> None:
    item = made("wic", WIC)
    question = "Is the word 'bank' used in the same way in the two sentences above?"
    context = f"Sit on the bank.\nRob the bank.\nquestion: {question}\nanswer:"
    assert pieces(item) == [(context, " yes"), (context, " no")]
    assert item.right == (1,)
    assert shown("wic", WIC) == f"{context} no"


@pytest.mark.parametrize(
    ("task", "row", "why"),
    [
        ("boolq", BOOLQ | {"label": 2}, "`label` is neither true nor false: 2"),
        ("boolq", BOOLQ | {"label": "true"}, "`label` is neither true nor false: 'true'"),
        ("boolq", BOOLQ | {"passage": " "}, "`passage` is empty"),
        ("cb", CB | {"label": "maybe"}, "`label` is 'maybe': none of entailment contradiction neutral"),
        ("cb", CB | {"label": -1}, "`label` is -1: out of range, 0 to 2"),
        ("rte", RTE | {"label": "neutral"}, "`label` is 'neutral': none of entailment not_entailment"),
        (
            "rte",
            {"sentence1": "a", "sentence2": "b"},
            "fields found: sentence1 sentence2; wanted: premise hypothesis label",
        ),
        ("wic", WIC | {"word": ""}, "`word` is empty"),
        ("wic", WIC | {"label": None}, "`label` is neither true nor false: None"),
    ],
)
def test_a_malformed_row(task: str, row: dict[str, Any], why: str) -> None:
    with pytest.raises(MalformedRowError) as error:
        made(task, row)
    assert str(error.value) == why


def test_superglue_is_read_as_it_unpacks(tmp_path: Path) -> None:
    for folder, row in (("BoolQ", BOOLQ), ("CB", CB), ("RTE", RTE), ("WiC", WIC), ("MultiRC", MULTIRC)):
        write(tmp_path, f"{folder}/val.jsonl", [row])
        write(tmp_path, f"{folder}/train.jsonl", [row])
        found = read(folder.lower(), tmp_path)
        assert (found.file, found.leave_one_out) == (f"{folder}/val.jsonl", False)


def test_wsc_puts_the_candidates_of_one_pronoun_together(tmp_path: Path) -> None:
    again = "But she left, and *she* was late."
    write(
        tmp_path,
        "superglue_wsc/val.jsonl",
        [
            wsc(0, "Olga", False),
            wsc(1, "Kim", False, text="Kim met Lee, but she left."),
            wsc(2, "Petra 's aunt", True),
            wsc(3, "Kim", False, again, 1),
            wsc(4, "olga", False),
            wsc(0, "Ida", False),
            "[]",
        ],
    )
    found = read("wsc", tmp_path)
    (item,) = found.items
    context = (
        "Passage: Olga thanked Petra's aunt because *she* had helped.\n"
        'Question: In the passage above, what does the pronoun "*she*" refer to?\n'
        "Answer:"
    )
    assert pieces(item) == [(context, " olga"), (context, " petra 's aunt")]
    assert (item.key, item.right) == ("0, 2, 4", (1,))
    assert [example.text for example in found.pool] == [f"{context} petra 's aunt"]
    assert [(one.where.split(", ", 1)[1], one.why) for one in found.skipped] == [
        ("line 6", "of the same name as line 1"),
        ("line 7", "no JSON object, but list"),
        ("line 2", "one candidate alone is given: nothing to choose"),
        ("line 4", "one candidate alone is given: nothing to choose"),
    ]


def test_wsc_in_its_flat_copy(tmp_path: Path) -> None:
    rows = [wsc(0, "Olga", True), wsc(1, "Petra", False)]
    write(tmp_path, "superglue_wsc/val.jsonl", [row | row.pop("target") for row in rows])
    assert [item.right for item in read("wsc", tmp_path).items] == [(0,)]


def test_the_header_stands_once() -> None:
    assert find("wsc").preamble.startswith("Final Exam with Answer Key\nInstructions: Please carefully read")
    assert find("wsc").preamble.endswith("the pronoun marked in *bold* refers to.\n=====")
    assert find("multirc").preamble == "READING COMPREHENSION ANSWER KEY"


@pytest.mark.parametrize(
    ("index", "text", "expected"),
    [
        (1, "And she, he said, left.", "And *she*, he said, left."),
        (3, "And she, he said, left.", "And *she*, he said, left."),  # a word off, but there is one alone
        (4, "She is what she is", None),
    ],
)
def test_the_pronoun_is_marked(index: int, text: str, expected: str | None) -> None:
    nouns = [{"noun": "Ann", "right": True}, {"noun": "Eva", "right": False}]
    row = {"text": text, "pronoun": "she", "index": index, "nouns": nouns}
    if expected is None:
        with pytest.raises(MalformedRowError, match="word 4 is not the pronoun 'she'"):
            made("wsc", row)
    else:
        assert pieces(made("wsc", row))[0][0].startswith(f"Passage: {expected}\nQuestion")


def test_a_noun_said_twice_is_right_where_one_of_both_is() -> None:
    nouns = [{"noun": noun, "right": right} for noun, right in (("Ann", True), ("Eva", False), ("ann", False))]
    item = made("wsc", {"text": "And she left.", "pronoun": "she", "index": 1, "nouns": nouns})
    assert (len(item.choices), item.right) == (2, (0,))


def test_a_pronoun_without_a_right_candidate() -> None:
    nouns = [{"noun": "Ann", "right": False}, {"noun": "Eva", "right": False}]
    with pytest.raises(MalformedRowError, match="none of the candidates given is right: nothing to choose"):
        made("wsc", {"text": "And she left.", "pronoun": "she", "index": 1, "nouns": nouns})


def test_multirc_asks_answer_by_answer(tmp_path: Path) -> None:
    write(tmp_path, "superglue_multirc/val.jsonl", [MULTIRC])
    found = read("multirc", tmp_path)
    context = "Kim has a red bike and a blue kite.\n\nWhat does Kim have?"
    assert pieces(found.items[0]) == [(context, "\n- [True] A bike"), (context, "\n- [False] A bike")]
    assert [(item.key, item.question, item.right) for item in found.items] == [
        ("3/0/0", "3/0", (0,)),
        ("3/0/1", "3/0", (1,)),
        ("3/1/0", "3/1", (1,)),
    ]
    assert len({item.family for item in found.items}) == 1
    assert found.items[0].family == found.pool[0].family
    assert [example.text for example in found.pool] == [
        f"{context}\n- [True] A bike\n- [False] A car",
        "Kim has a red bike and a blue kite.\n\nWhat is red?\n- [False] The kite",
    ]
    assert find("multirc").counted == "question"


def test_a_damaged_question_of_multirc_costs_no_other(tmp_path: Path) -> None:
    row = copy.deepcopy(MULTIRC)
    row["passage"]["questions"][0]["answers"][1]["label"] = "no"
    row["passage"]["questions"].append({"question": "Who?", "answers": []})
    write(tmp_path, "superglue_multirc/val.jsonl", [row, {"idx": 4, "passage": {"text": "T"}}, "nothing"])
    found = read("multirc", tmp_path)
    assert [item.key for item in found.items] == ["3/1/0"]
    assert [(one.where.split(", ", 1)[1], one.why.split(":")[0]) for one in found.skipped] == [
        ("line 1, question 1", "`label` is neither true nor false"),
        ("line 1, question 3", "the question has no answers"),
        ("line 2", "fields found"),
        ("line 3", "no JSON"),
    ]


def test_record(tmp_path: Path) -> None:
    write(tmp_path, "superglue_record/val.jsonl", [RECORD])
    (item,) = read("record", tmp_path).items
    context = "Lima (CNN) -- Rosa Paz met the U.S. team in Lima.\n\n- Paz runs\n- She won"
    assert pieces(item) == [
        (context, "\n- The mayor of Lima gave Lima a medal."),
        (context, "\n- The mayor of Lima gave Rosa Paz a medal."),
        (context, "\n- The mayor of Lima gave U.S. a medal."),
    ]
    assert (item.key, item.right) == ("8/0", (1,))
    assert read("record", tmp_path).pool[0].text == f"{context}\n- The mayor of Lima gave Rosa Paz a medal."


def test_record_a_query_at_a_time() -> None:
    row = {
        "passage": "Rosa Paz met Kim.",
        "query": "@placeholder and @placeholder ran.",
        "entities": ["Rosa Paz", "Kim", "Paz"],
        "answers": ["Rosa Paz", "Paz"],
    }
    item = made("record", row)
    assert pieces(item)[1] == ("Rosa Paz met Kim.", "\n- Kim and Kim ran.")
    assert item.right == (0, 2)


@pytest.mark.parametrize(
    ("change", "place", "why"),
    [
        ({"qas": [{"query": "No blank.", "answers": [{"text": "Lima"}]}]}, "line 2, query 1", "`query` has no"),
        (
            {"qas": [{"query": "@placeholder", "answers": []}]},
            "line 2, query 1",
            "none of the answers is an entity",
        ),
        ({"qas": ["x"]}, "line 2, query 1", "`query` is no text"),
        (
            {"passage": {"text": "Lima", "entities": [{"start": 0, "end": 4}]}},
            "line 2",
            "`end` is 4: out of range",
        ),
        ({"passage": {"text": "Lima"}}, "line 2", "fields found: text; wanted: text entities"),
    ],
)
def test_a_malformed_row_of_record(tmp_path: Path, change: dict[str, Any], place: str, why: str) -> None:
    write(tmp_path, "superglue_record/val.jsonl", [RECORD, RECORD | {"idx": 9} | change])
    found = read("record", tmp_path)
    assert len(found.items) == 1
    assert Counter(one.where for one in found.skipped) == {f"superglue_record/val.jsonl, {place}": 1}
    assert why in found.skipped[0].why
