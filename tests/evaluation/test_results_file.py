"""`results.json`: the same bytes for the same samples; whatever is wrong with a file is said in three lines."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from small_results import CHOOSE, EXAM, LABEL, READING, TASKS, choice, evaluate, sample

from corpus.errors import IntegrityError, SourceError, StoreError, TokentrailError
from evaluation.results import FILE, Results, number, read_results, write_results
from evaluation.sample_file import prompts_digest, read_samples
from evaluation.tally import ScoredTask, Tally, results_of

GOOD = sample("a", [choice(-1.0), choice(-2.0)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("results") / "small"
    evaluate(made)
    return made


def test_the_same_samples_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """The digest is frozen: what moves it changes the format, a rule, or an interval."""
    evaluate(tmp_path / "again")
    data = (tmp_path / "again" / FILE).read_bytes()
    assert data == (folder / FILE).read_bytes() == rfc8785.dumps(json.loads(data))
    assert hashlib.sha256(data).hexdigest() == GOLDEN
    read = read_results(folder)
    assert read.digest() == GOLDEN and read.canonical() == data
    assert ".results.json.part" not in [path.name for path in folder.iterdir()]


def test_nothing_is_a_float(folder: Path) -> None:
    def leaves(value: Any) -> list[Any]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return [value] if inner is None else [leaf for one in inner for leaf in leaves(one)]

    assert not [one for one in leaves(json.loads((folder / FILE).read_bytes())) if isinstance(one, float)]


@given(st.floats(-1e9, 1e9))
def test_a_number_keeps_six_digits(value: float) -> None:
    written = number(value)
    assert float(written) == pytest.approx(value, abs=5.1e-7) and written != "-0.000000"
    assert len(written.split(".")[1]) == 6


def test_what_stands_in_it(folder: Path) -> None:
    results = read_results(folder)
    assert [(one.task, one.shots) for one in results.scores] == [(of.name, n) for of in TASKS for n in (0, 1, 32)]
    label = results.score(LABEL.name, 32)
    assert label is not None and label.macro_f1 is not None and label.macro_f1.low is not None
    assert label.skipped == {"malformed": 2}  # what happened to none is not told
    assert (label.shown_mean, label.shown_fewest, label.items, label.n) == ("27.000000", 27, 60, 60)
    reading = results.score(READING.name, 0)
    assert reading is not None and (reading.items, reading.n) == (60, 20) and reading.of_items is not None
    choose = results.score(CHOOSE.name, 0)
    assert choose is not None and choose.score is not None
    assert choose.score.value == number(100 * choose.right / 60) and choose.columns["unconditional"] is None
    samples, digest = read_samples(folder / choose.samples, CHOOSE.name, 0)
    assert (choose.samples_sha256, choose.prompts) == (digest, prompts_digest(samples))
    prompts = [line["prompt"] for one in results.scores for line in _lines(folder / one.samples)]
    assert results.prompts == hashlib.sha256("".join(f"{one}\n" for one in prompts).encode()).hexdigest()
    values = [one.score.value for one in results.scores if one.shots == 1 and one.score is not None]
    average = results.averages[1]
    assert float(average.score or 0) == pytest.approx(sum(map(float, values)) / 4, abs=1e-6)
    exam = results.score(EXAM.name, 1)
    assert exam is not None and exam.leave_one_out and results.score(EXAM.name, 5) is None


def test_examples_that_fitted_in_and_files_of_several_runs(tmp_path: Path) -> None:
    """Of three items 5, 2 and 5 examples; the pool is read only where there are shots."""
    plain = evaluate(tmp_path / "a", tasks=(), sources=())
    made = [sample(str(place), GOOD.choices, shown=shown) for place, shown in enumerate((5, 2, 5))]
    runs = [
        ScoredTask(CHOOSE, shots, made, f"samples/choose-{shots}.jsonl", "a" * 64, files, {}, leave_one_out=False)
        for shots, files in ((0, {"choose/validation.jsonl": "1" * 64}), (5, {"choose/train.jsonl": "2" * 64}))
    ]
    results = results_of(Tally(plain.checkpoint, plain.settings, tasks=runs))
    assert (results.scores[1].shown_mean, results.scores[1].shown_fewest) == ("4.000000", 2)
    assert list(results.tasks[0].files) == ["choose/validation.jsonl", "choose/train.jsonl"]
    assert results.averages[0].missing == () and results.averages[0].score is None


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_an_average_of_the_paper_s_tasks_needs_all_of_them(tmp_path: Path) -> None:
    results = evaluate(tmp_path / "a", shots=(0,), averaged=("choose", "copa", "wsc"))
    assert results.averages[0].score is None and results.averages[0].missing == ("copa", "wsc")


def test_a_task_of_which_nothing_was_scored(tmp_path: Path) -> None:
    results = evaluate(tmp_path / "a", tasks=(CHOOSE, LABEL), shots=(0,), items=0)
    assert {one.score for one in results.scores} == {None}
    assert results.averages[0].missing == ("choose", "label")
    assert read_results(tmp_path / "a") == results


def changed(folder: Path, to: Path, change: Any) -> Path:
    """A copy of a file of results, as a person or a disk left it."""
    to.mkdir()
    value = json.loads((folder / FILE).read_bytes())
    change(value)
    (to / FILE).write_bytes(rfc8785.dumps(value))
    return to


def says(error: pytest.ExceptionInfo[TokentrailError]) -> str:
    assert len(str(error.value).splitlines()) == 3
    return str(error.value)


def test_a_newer_format_and_none(folder: Path, tmp_path: Path) -> None:
    def newer(value: dict[str, Any]) -> None:
        value.update(format="tokentrail/results/2", tasks=7)

    with pytest.raises(SourceError) as error:
        read_results(changed(folder, tmp_path / "a", newer))
    assert "of format 2, and this release reads 1" in says(error)
    with pytest.raises(IntegrityError) as damage:
        read_results(changed(folder, tmp_path / "b", lambda value: value.update(format="tokentrail/results/0")))
    assert "their format is tokentrail/results/0" in says(damage)
    with pytest.raises(SourceError) as missing:
        read_results(tmp_path / "nowhere")
    assert "there are no results here" in says(missing)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value.pop("scores"), "scores"),
        (lambda value: value.update(extra=1), "extra"),
        (lambda value: value["scores"][0].update(n=-1), "scores"),
        (lambda value: value["scores"][0]["score"].update(value="33.3"), "score"),
        (lambda value: value["scores"][0].update(samples="../../secret"), "samples"),
        (lambda value: value["scores"][0].update(samples="/secret"), "samples"),
        (lambda value: value["scores"].append(value["scores"][0]), "choose with 0 shots stands twice"),
        (lambda value: value["tasks"].pop(0), "choose has a score and is no task"),
        (lambda value: value["perplexity"].append(value["perplexity"][0]), "prose stands twice"),
    ],
)
def test_a_damaged_file(folder: Path, tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(IntegrityError) as error:
        read_results(changed(folder, tmp_path / "a", change))
    assert words in says(error)


@given(st.data())
def test_a_file_cut_short_or_flipped_is_never_a_traceback(folder: Path, data: st.DataObject) -> None:
    whole = (folder / FILE).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))])
    broken = data.draw(st.sampled_from([whole[:at], whole[:at] + flipped + whole[at + 1 :]]))
    there = folder.parent / "broken"
    there.mkdir(exist_ok=True)
    (there / FILE).write_bytes(broken)
    try:
        assert isinstance(read_results(there), Results)  # a digit is another digit
    except (SourceError, IntegrityError) as error:
        assert len(str(error).splitlines()) == 3


def test_results_that_cannot_be_written(folder: Path) -> None:
    with pytest.raises(StoreError) as error:
        write_results(folder / "nowhere", read_results(folder))
    assert "cannot write the results" in says(error)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([b"{}"], "a line is no sample"),
        ([msgspec.json.encode(GOOD).replace(b"key", b"k\xe1y")], "a line is no sample"),
        ([msgspec.json.encode(GOOD).replace(b"-1.0", b"null")], "a line is no sample"),
        ([msgspec.json.encode(sample("a", GOOD.choices, task="copa"))], "a sample of copa with 0 shots"),
        ([msgspec.json.encode(sample("a", GOOD.choices, shots=3))], "a sample of choose with 3 shots"),
        ([msgspec.json.encode(sample("a", GOOD.choices, 2))], "has 2 answers, of which [2] are right"),
        ([msgspec.json.encode(sample("a", GOOD.choices, ()))], "of which [] are right"),
        ([msgspec.json.encode(sample("a", GOOD.choices[:1]))], "has 1 answers"),
        ([msgspec.json.encode(sample("a", [GOOD.choices[0], choice(length=3)]))], "an answer of no length"),
        ([msgspec.json.encode(GOOD), msgspec.json.encode(GOOD)], "item a stands twice"),
    ],
)
def test_samples_that_are_none(tmp_path: Path, lines: list[bytes], words: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(IntegrityError) as error:
        read_samples(path, "choose", 0)
    assert words in says(error) and f"line {len(lines)}" in str(error.value)


def test_samples_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(msgspec.json.encode(GOOD) + b"\n" + msgspec.json.encode(GOOD)[:-1])
    with pytest.raises(IntegrityError, match="the last line is cut short"):
        read_samples(path, "choose", 0)
    with pytest.raises(SourceError, match="cannot be read"):
        read_samples(tmp_path / "nowhere", "choose", 0)


GOLDEN = "0dc7b18e1684e545b4662381107fc505abd244147849016a3bb98bce4ced008d"
