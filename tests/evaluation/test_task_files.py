"""What is found below --data, and what is said of what cannot be used."""

import hashlib
from pathlib import Path

import pytest
from small_sets import BOOLQ, CB, COPA, write

from corpus.errors import SourceError
from evaluation.task_files import MissingSet, TaskData, read_task, required
from evaluation.tasks.listed import NLP, find


def test_a_set_and_its_pool(tmp_path: Path) -> None:
    rows = write(tmp_path, "superglue_boolq/val.jsonl", [BOOLQ, "", BOOLQ | {"idx": 1}])
    pool = write(tmp_path, "superglue_boolq/train.jsonl", [BOOLQ | {"idx": 7, "label": 3}, BOOLQ | {"idx": 8}])
    found = read_task(find("boolq"), tmp_path)
    assert isinstance(found, TaskData)
    assert [item.key for item in found.items] == ["0", "1"]
    assert [example.key for example in found.pool] == ["8"]
    assert (found.file, found.leave_one_out) == ("superglue_boolq/val.jsonl", False)
    assert [one.where for one in found.skipped] == ["superglue_boolq/train.jsonl, line 1"]
    assert found.digests == (
        ("superglue_boolq/val.jsonl", hashlib.sha256(rows.read_bytes()).hexdigest()),
        ("superglue_boolq/train.jsonl", hashlib.sha256(pool.read_bytes()).hexdigest()),
    )


def test_without_a_pool_the_rows_are_their_own(tmp_path: Path) -> None:
    write(tmp_path, "superglue_copa/val.jsonl", [COPA, COPA | {"idx": 1, "label": 2}, COPA | {"idx": 2}])
    found = read_task(find("copa"), tmp_path)
    assert isinstance(found, TaskData)
    assert found.leave_one_out
    assert [example.key for example in found.pool] == [item.key for item in found.items] == ["0", "2"]
    assert [one.why for one in found.skipped] == ["`label` is 2: out of range, 0 to 1"]  # once, not twice


def test_rows_without_a_name_are_named_by_their_place(tmp_path: Path) -> None:
    nameless = {name: value for name, value in CB.items() if name != "idx"}
    # In Windows' manner, too.
    write(tmp_path, "superglue_cb/val.jsonl", ["\ufeff"]).write_bytes(
        b"\xef\xbb\xbf" + write(tmp_path, "x", [nameless, nameless]).read_bytes().replace(b"\n", b"\r\n")
    )
    found = read_task(find("cb"), tmp_path)
    assert isinstance(found, TaskData)
    assert [item.key for item in found.items] == ["line 1", "line 2"]


@pytest.mark.parametrize("task", NLP, ids=lambda task: task.name)
def test_a_missing_set_is_one_line(tmp_path: Path, task) -> None:
    missing = read_task(task, tmp_path)
    assert isinstance(missing, MissingSet)
    said = str(missing)
    assert "\n" not in said
    assert all(part in said for part in (task.title, task.licence, task.origin, task.folder))
    with pytest.raises(SourceError) as error:
        required(missing)
    assert len(str(error.value).splitlines()) == 3
    assert task.origin in str(error.value)


def test_what_is_there_is_not_missing(tmp_path: Path) -> None:
    write(tmp_path, "superglue_cb/val.jsonl", [CB])
    found = read_task(find("cb"), tmp_path)
    assert required(found) is found


def test_a_file_of_another_version(tmp_path: Path) -> None:
    row = {"sentence1": "A man ran.", "sentence2": "He moved.", "gold_label": "entailment"}
    write(tmp_path, "superglue_cb/val.jsonl", [row, row])
    with pytest.raises(SourceError) as error:
        read_task(find("cb"), tmp_path)
    assert str(error.value) == (
        "error: no row of this file can be read as CB: fields found: sentence1 sentence2 gold_label; "
        "wanted: premise hypothesis label\n"
        "   at: superglue_cb/val.jsonl, line 1\n"
        "   do: Take the publisher's file (https://super.gluebenchmark.com/tasks), unchanged."
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it has none"),
        (b"\n\n", "it has none"),
        (b"\xff\xfe{}", "no JSON"),
        (b"<html>", "no JSON"),
        (b"3", "int"),
    ],
)
def test_a_file_that_is_no_set(tmp_path: Path, content: bytes, why: str) -> None:
    write(tmp_path, "superglue_cb/val.jsonl", []).write_bytes(content)
    with pytest.raises(SourceError, match=why):
        read_task(find("cb"), tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "superglue_cb").mkdir()
    (tmp_path / "superglue_cb/val.jsonl").symlink_to("/proc/self/mem")  # which is there, and gives an I/O error
    with pytest.raises(SourceError, match="a file of CB cannot be read: Input/output error"):
        read_task(find("cb"), tmp_path)


def test_a_pool_that_holds_no_example_is_an_error_too(tmp_path: Path) -> None:
    write(tmp_path, "superglue_cb/val.jsonl", [CB])
    write(tmp_path, "superglue_cb/train.jsonl", ["x"])
    with pytest.raises(SourceError, match="no JSON") as error:
        read_task(find("cb"), tmp_path)
    assert "train.jsonl" in error.value.where


def test_one_row_of_two_fields_named_alike(tmp_path: Path) -> None:
    write(tmp_path, "superglue_cb/val.jsonl", [CB, CB, CB | {"idx": True}, CB | {"idx": [1]}])
    found = read_task(find("cb"), tmp_path)
    assert isinstance(found, TaskData)
    # What is neither text nor a number names nothing.
    assert [item.key for item in found.items] == ["0", "line 3", "line 4"]
    assert [one.why for one in found.skipped] == ["the same as line 1"]
