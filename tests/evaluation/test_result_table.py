"""The table of a run, as a person sees it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from small_results import CHOOSE, EXAM, LABEL, evaluate, published

from evaluation.beside import named, nearest, of_family, size_of
from evaluation.results import PublishedEntry
from evaluation.table import score_notes, summary

GOLDEN = """\
small, 11,200,000 parameters, sha256:81db8ebbbbc69c6c

task    shots  score  s.e.    95% interval  chance   n           OPT          GPT-3
------  -----  -----  ----  --------------  ------  --  ------------  -------------
Choose      0  55.00  6.48  42.49 to 66.91    25.0  60  31.4 of 125M  33.7* of 125M
Choose     32  53.33  6.49  40.89 to 65.37    25.0  60             -              -
Label       0  66.67  6.14  54.06 to 77.27    33.3  60             -              -
Label      32  56.67  6.45  44.10 to 68.43    33.3  60             -              -
Exam        0  51.67  6.51  39.31 to 63.82    25.0  60             -              -
Exam       32  61.67  6.33  49.02 to 72.91    25.0  60             -   41.0 of 125M
* from memory: not verified in its source

average of the paper's tasks, 0 shots: 60.83, standard error 4.46
average of the paper's tasks, 32 shots: 55.00, standard error 4.58

held out  tokens  per token      95% interval  per GPT-2 token  per byte  bits a byte
--------  ------  ---------  ----------------  ---------------  --------  -----------
prose     20,480     14.444  13.089 to 15.940           14.596    1.9495       0.9631
web        6,144     44.642  35.754 to 54.380           45.312    2.5848       1.3701

storycloze: not scored, its set is not there: StoryCloze, by request: https://cs.rochester.edu/nlp/rocstories
web: 3 windows too short
Choose, 32 shots: 27.0 examples fitted in the mean, 27 at least
Label, 0 shots: not scored: 2 malformed
Label, 32 shots: not scored: 2 malformed
Label, 32 shots: 27.0 examples fitted in the mean, 27 at least
Exam, 32 shots: 27.0 examples fitted in the mean, 27 at least
Exam, 32 shots: examples are drawn from the other rows that are scored

results sha256:f54e23b7abd14004f46cd42ac5b62132e6dca43d976b11bb494814acb916d733
"""


def test_the_transcript(tmp_path: Path) -> None:
    results = evaluate(tmp_path / "a", averaged=("choose", "label"), tasks=(CHOOSE, LABEL, EXAM), shots=(0, 32))
    assert summary(results) == GOLDEN


def test_nothing_but_held_out_text_and_nothing_but_tasks(tmp_path: Path) -> None:
    text = summary(evaluate(tmp_path / "a", tasks=(), missing={}))
    assert "task" not in text and "average" not in text and "prose" in text
    text = summary(evaluate(tmp_path / "b", tasks=(LABEL,), shots=(1,), sources=(), corpus=None))
    assert "held out" not in text and "* from memory" not in text and "Label" in text


def test_a_limit_is_told(tmp_path: Path) -> None:
    results = evaluate(tmp_path / "a", tasks=(CHOOSE,), shots=(0,))
    few = msgspec.structs.replace(results, settings=msgspec.structs.replace(results.settings, limit=1000))
    assert "limit: the first 1,000 items of each task alone" in summary(few) and "limit" not in summary(results)


def test_what_a_score_does_not_say_of_itself(tmp_path: Path) -> None:
    one = evaluate(tmp_path / "a", tasks=(CHOOSE,), shots=(1,)).scores[0]
    assert score_notes(one) == []
    told = msgspec.structs.replace(
        one, ties=1234, skipped={"malformed": 2, "too long": 1}, shown_fewest=0, leave_one_out=True
    )
    assert score_notes(told) == [
        "not scored: 2 malformed, 1 too long",
        "1.0 examples fitted in the mean, 0 at least",
        "examples are drawn from the other rows that are scored",
        "1,234 ties of a right and a wrong answer: the first stands",
    ]
    assert score_notes(msgspec.structs.replace(one, shots=0, leave_one_out=True)) == []


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("OPT 175B", 175e9),
        ("OPT 6.7B", 6.7e9),
        ("OPT-125M", 125e6),
        ("GPT-3 13B", 13e9),
        ("GPT-3 XL", 1.3e9),
        ("GPT-3 Small", 125e6),
        ("davinci", None),
        ("GPT-3", None),
    ],
)
def test_sizes_of_models(model: str, parameters: float | None) -> None:
    assert size_of(model) == parameters


def entries(*made: tuple[str, int | None, float, bool]) -> list[PublishedEntry]:
    return [
        PublishedEntry(model=model, shots=shots, value=f"{value:.6f}", source="a table", verified=verified)
        for model, shots, value, verified in made
    ]


def test_the_nearest_is_nearest_by_factor() -> None:
    known = entries(("OPT 125M", 0, 1.0, True), ("OPT 1.3B", 0, 2.0, True), ("OPT 175B", None, 3.0, True))
    assert [nearest(known, "OPT", size, 0).value[0] for size in (1, 390_000_000, 410_000_000, 10**13)] == [  # type: ignore[union-attr]
        *"1123"
    ]
    assert nearest(known, "OPT", 10**9, 32) is None and nearest(known, "GPT-3", 10**9, 0) is None


def test_what_was_verified_stands_before_what_was_not() -> None:
    known = entries(("OPT 125M", 0, 1.0, False), ("OPT 125M", 0, 2.0, True), ("OPT 125M", 0, 3.0, True))
    ((size, one),) = of_family(known, "OPT", 0)
    assert (size, one.value, named(one, "OPT")) == (125e6, "2.000000", "2.0 of 125M")
    assert named(known[0], "OPT") == "1.0* of 125M"
    assert [one.model for one in published(0, GPT3_125M=1.0)] == ["GPT-3 125M"]
