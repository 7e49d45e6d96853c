"""Tasks whose answers continue a text: HellaSwag, StoryCloze, PIQA, COPA, Winograd and WinoGrande."""

from pathlib import Path

import pytest
from small_sets import (
    COPA,
    HELLASWAG,
    PIQA,
    SCHEMA,
    STORYCLOZE,
    WIKIHOW,
    WINOGRANDE,
    collection,
    made,
    pieces,
    read,
    shown,
    write,
)

from corpus.errors import SourceError
from evaluation.item import MalformedRowError
from evaluation.tasks.listed import find


def test_hellaswag() -> None:
    item = made("hellaswag", HELLASWAG)
    context = "Mending a net: A woman sits on a quay with a net in her lap. The woman"
    assert pieces(item) == [
        (context, " ties a knot."),
        (context, " eats the quay."),
        (context, " paints a boat blue."),
        (context, " sings to a goat."),
    ]
    assert (item.right, item.family) == ((0,), "activitynet~v_1")
    assert shown("hellaswag", HELLASWAG) == context + " ties a knot."


def test_hellaswag_reads_no_marks() -> None:
    item = made("hellaswag", WIKIHOW)
    context = "Food: How to boil an egg. Fill a pot. Use cold water."
    assert pieces(item) == [
        (context, " Add salt. Light the stove."),
        (context, " Wait Rest."),
        (context, " Run."),
        (context, " Sleep."),
    ]
    assert item.right == (1,)


def test_hellaswag_is_found_under_either_name(tmp_path: Path) -> None:
    write(tmp_path, "hellaswag/validation.jsonl", [WIKIHOW])
    assert [item.key for item in read("hellaswag", tmp_path).items] == ["wikihow~9 5"]
    write(tmp_path, "hellaswag/hellaswag_val.jsonl", [HELLASWAG])
    assert [item.key for item in read("hellaswag", tmp_path).items] == ["activitynet~v_1 4"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"label": 4}, "`label` is 4: out of range, 0 to 3"),
        ({"label": "-1"}, "`label` is no whole number: '-1'"),
        ({"label": True}, "`label` is no whole number: True"),
        ({"endings": ["a", " ", "b", "c"]}, "`endings` is empty"),
        ({"endings": ["a", "[step]", "b", "c"]}, "an answer is empty"),
        ({"endings": "a"}, "`endings` is no list, but str"),
        ({"ctx_a": None}, "`ctx_a` is no text, but NoneType"),
    ],
)
def test_a_malformed_row_of_hellaswag(change: dict[str, object], why: str) -> None:
    with pytest.raises(MalformedRowError) as error:
        made("hellaswag", HELLASWAG | change)
    assert str(error.value) == why


def test_storycloze() -> None:
    item = made("storycloze", STORYCLOZE)
    story = "Ana lost her key. She looked under the mat. She looked in her shoe. It was in the door."
    assert pieces(item) == [(story, " Ana flew to Mars."), (story, " Ana laughed and went in.")]
    assert item.right == (1,)
    assert shown("storycloze", STORYCLOZE) == story + " Ana laughed and went in."


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_storycloze_is_a_table(tmp_path: Path, mark: str) -> None:
    head = ",".join(STORYCLOZE)
    row = ",".join(f'"{value}"' for value in STORYCLOZE.values())
    short = "s-2,One.,Two."
    write(tmp_path, "storycloze/cloze_test_test__spring2016 - cloze_test_ALL_test.csv", [mark + head, row, short])
    write(
        tmp_path, "storycloze/cloze_test_val__spring2016 - cloze_test_ALL_val.csv", [head, row.replace("s-1", "v")]
    )
    found = read("storycloze", tmp_path)
    assert [item.key for item in found.items] == ["s-1"]
    assert [example.key for example in found.pool] == ["v"]
    assert not found.leave_one_out
    assert [one.why for one in found.skipped] == ["it has not the 8 columns of the first line"]
    assert found.skipped[0].where.endswith("_ALL_test.csv, line 3")


@pytest.mark.parametrize(
    "name",
    [
        "cloze_test_val__winter2018-cloze_test_ALL_val - 1 - 1.csv",
        "cloze_test_val__spring2016 - cloze_test_ALL_val.csv",
    ],
)
def test_storycloze_with_one_file_alone(tmp_path: Path, name: str) -> None:
    lines = [",".join(STORYCLOZE), ",".join(STORYCLOZE.values())]
    write(tmp_path, f"storycloze/{name}", lines)
    found = read("storycloze", tmp_path)
    assert (len(found.items), len(found.pool), found.leave_one_out) == (1, 1, True)


def test_a_story_ends_in_one_of_two_ways() -> None:
    with pytest.raises(MalformedRowError, match="`AnswerRightEnding` is 3: out of range, 1 to 2"):
        made("storycloze", STORYCLOZE | {"AnswerRightEnding": "3"})


def test_a_damaged_table_is_no_set(tmp_path: Path) -> None:
    write(tmp_path, "storycloze/test.csv", [",".join(STORYCLOZE), '"a"b,c'])
    with pytest.raises(SourceError, match="this table is damaged"):
        read("storycloze", tmp_path)
    (tmp_path / "storycloze/test.csv").write_bytes(b"InputStoryid\n\xff\n")
    with pytest.raises(SourceError, match="this table is not UTF-8"):
        read("storycloze", tmp_path)


def test_piqa() -> None:
    assert pieces(made("piqa", PIQA)) == [("Open a jar.", " Turn the lid."), ("Open a jar.", " Turn the table.")]
    assert shown("piqa", PIQA) == "Open a jar. Turn the lid."


def test_labels_lie_beside_piqa(tmp_path: Path) -> None:
    row = {name: PIQA[name] for name in ("goal", "sol1", "sol2")}
    write(tmp_path, "piqa/valid.jsonl", [row, "{damaged", row])
    write(tmp_path, "piqa/valid-labels.lst", ["0", "0", "1"])
    found = read("piqa", tmp_path)
    assert [item.right for item in found.items] == [(0,), (1,)]
    assert [name for name, _ in found.digests] == ["piqa/valid.jsonl", "piqa/valid-labels.lst"]
    assert [one.where for one in found.skipped] == ["piqa/valid.jsonl, line 2"]
    assert found.skipped[0].why.startswith("no JSON: ")


def test_labels_are_as_many_as_rows(tmp_path: Path) -> None:
    write(tmp_path, "piqa/valid.jsonl", [PIQA])
    write(tmp_path, "piqa/valid-labels.lst", ["0", "1"])
    with pytest.raises(SourceError, match="1 rows have 2 labels"):
        read("piqa", tmp_path)


def test_copa() -> None:
    item = made("copa", COPA)
    assert pieces(item) == [
        ("The glass broke because", " it fell."),
        ("The glass broke because", " I drank milk."),
    ]
    effect = COPA | {"question": "effect", "choice1": "Isa swept.", "label": 1}
    assert pieces(made("copa", effect))[0] == ("The glass broke so", " isa swept.")
    assert shown("copa", effect) == "The glass broke so I drank milk."


def test_copa_asks_for_a_cause_or_an_effect() -> None:
    with pytest.raises(MalformedRowError, match="`question` is 'reason': neither cause nor effect"):
        made("copa", COPA | {"question": "reason"})


def test_winogrande() -> None:
    item = made("winogrande", WINOGRANDE)
    assert pieces(item) == [
        ("The cup did not fit in the box because the cup", " was too big."),
        ("The cup did not fit in the box because the box", " was too big."),
    ]
    assert (item.right, item.family) == ((0,), "box / cup")
    assert shown("winogrande", WINOGRANDE) == "The cup did not fit in the box because the cup was too big."


def test_winogrande_with_the_blank_filled() -> None:
    row = {"context_options": ["So Eva", "So Ida"], "continuation": "ran home.", "gold": 1}
    assert pieces(made("winogrande", row)) == [("So Eva", " ran home."), ("So Ida", " ran home.")]
    assert shown("winogrande", row) == "So Ida ran home."


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("I took _'s hat off.", [("I took cup's", " hat off."), ("I took box's", " hat off.")]),
        ("I took the _.", [("I took the cup", "."), ("I took the box", ".")]),
    ],
)
def test_what_stands_right_behind_a_blank(sentence: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(made("winogrande", WINOGRANDE | {"sentence": sentence})) == expected


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("No blank.", "not one blank"),
        ("A _ and a _ met.", "not one blank"),
        ("I saw the _", "nothing follows the blank"),
    ],
)
def test_a_sentence_without_its_blank(sentence: str, why: str) -> None:
    with pytest.raises(MalformedRowError, match=why):
        made("winogrande", WINOGRANDE | {"sentence": sentence})


def test_labels_lie_beside_winogrande(tmp_path: Path) -> None:
    row = {name: value for name, value in WINOGRANDE.items() if name != "answer"}
    write(tmp_path, "winogrande_1.1/dev.jsonl", [row, WINOGRANDE | {"qID": "Q-2"}])
    write(tmp_path, "winogrande_1.1/dev-labels.lst", ["2", "2"])
    # What a row says of itself goes before what lies beside it.
    assert [(item.key, item.right) for item in read("winogrande", tmp_path).items] == [
        ("Q-1", (1,)),
        ("Q-2", (0,)),
    ]


def test_winograd_in_json_lines() -> None:
    row = {"context_options": ["Zoë saw Max. Zoë", "Zoë saw Max. Max"], "continuation": "ran.", "gold": 1}
    item = made("winograd", row)
    assert pieces(item) == [("Zoë saw Max. Zoë", " ran."), ("Zoë saw Max. Max", " ran.")]
    assert (item.right, item.family) == ((1,), "max / zoë")
    ending = row | {"context_options": ["We fed the cats", "We fed the dogs"], "continuation": "."}
    assert pieces(made("winograd", ending)) == [("We fed the cats", "."), ("We fed the dogs", ".")]


@pytest.mark.parametrize(
    ("before", "pronoun", "after", "answers", "contexts"),
    [
        ("Zoë saw Max. ", "She", "ran.", ("Zoë", "Max"), ("Zoë saw Max. Zoë", "Zoë saw Max. Max")),
        ("I put a cup on a box;", "it", "fell.", ("a cup", "Box's"), ("…; the cup", "…; Box")),
        ("Ann met Max's aunt.", "She", "left.", ("Ann", "aunt"), ("…. Ann", "…. The aunt")),
        ("Ann saw Eva lose", "her", "hat.", ("Ann", "the girl"), ("… Ann's", "… the girl's")),
        ("Ann saw Eva call", "her", ".", ("Ann", "him"), ("… Ann", "… him")),
        ("The men met the boys;", "they", "ran.", ("The men", "My boys"), ("…; the men", "…; the boys")),
    ],
)
def test_winograd_in_xml(
    tmp_path: Path,
    before: str,
    pronoun: str,
    after: str,
    answers: tuple[str, str],
    contexts: tuple[str, str],
) -> None:
    schema = SCHEMA.format(
        before=before, pronoun=pronoun, after=after, first=answers[0], second=answers[1], right="B."
    )
    collection(tmp_path, [schema])
    (item,) = read("winograd", tmp_path).items
    wanted = [one.replace("…", before.rstrip(".;")) for one in contexts]
    assert pieces(item) == [(one, after if after == "." else f" {after}") for one in wanted]
    assert (item.key, item.right) == ("schema 1", (1,))


def test_of_the_collection_the_first_273_are_taken(tmp_path: Path) -> None:
    names = {"pronoun": "She", "after": "ran.", "first": "Ann", "second": "Eva"}
    schemas = [SCHEMA.format(before=f"Ann saw Eva {number}.", right="A", **names) for number in range(285)]
    schemas[3] = SCHEMA.format(before="Ann saw Eva.", right="C", **names)
    collection(tmp_path, schemas)
    found = read("winograd", tmp_path)
    assert (len(found.items), len(found.pool), found.leave_one_out) == (272, 272, True)
    assert (found.skipped[0].where, found.skipped[0].why) == (
        "winograd/WSCollection.xml, schema 4",
        "`correctAnswer` is 'C': out of range, A to B",
    )
    assert [one.why for one in found.skipped[1:]] == ["later than the 273 of WSC273"] * 12


def test_a_schema_without_its_parts_is_skipped(tmp_path: Path) -> None:
    whole = SCHEMA.format(before="Ann saw Eva.", pronoun="She", after="ran.", first="Ann", second="Eva", right="A")
    collection(tmp_path, [whole, "<schema/>", whole.replace("ran.", "")])
    found = read("winograd", tmp_path)
    assert len(found.items) == 1
    assert [(one.where.split(", ")[1], one.why.split(":")[0]) for one in found.skipped] == [
        ("schema 2", "fields found"),
        ("schema 3", "`txt2` is empty"),
    ]


def test_a_collection_that_is_no_xml(tmp_path: Path) -> None:
    path = collection(tmp_path, [])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SourceError, match="this collection is no XML"):
        read("winograd", tmp_path)


def test_winograd_has_no_other_rows_to_draw_from() -> None:
    assert find("winograd").pool == ()
