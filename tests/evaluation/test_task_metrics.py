"""Scores: each against a case that was computed by hand."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_results import CHOOSE, EXAM, LABEL, READING, choice, sample, samples

from corpus.errors import IntegrityError
from evaluation.intervals import Interval
from evaluation.metrics import average, macro_f1, outcomes, score, tied
from evaluation.sample import Sample


def by_each_rule() -> Sample:
    """Five answers, each the best by one rule alone; the rules stand beside them."""
    return sample(
        "one",
        [
            choice(-1.0, length=1, unconditional=-1.0),  # sum -1; token -1; character -1; unconditional 0
            choice(-0.75, -0.75, -0.75, length=2, unconditional=-2.0),  # token -.75; character -1.125
            choice(-2.0, length=20, unconditional=-1.0),  # character -.1; byte -2/21
            choice(-4.0, length=4, unconditional=-9.0),  # unconditional 5
        ],
    )


def test_columns_of_one_set_of_samples() -> None:
    found = score(CHOOSE, [by_each_rule()])
    assert found.columns == {"sum": 100.0, "token": 0.0, "character": 0.0, "byte": 0.0, "unconditional": 0.0}
    for right, by in ((1, "token"), (2, "character"), (3, "unconditional")):
        there = score(CHOOSE, [sample("one", by_each_rule().choices, right)])
        assert there.columns[by] == 100.0  # type: ignore[index]
    assert score(EXAM, [sample("one", by_each_rule().choices, 3)]).value == 100.0


def test_a_score_by_hand() -> None:
    """Three of four, by the mean over tokens."""
    right, wrong = [choice(-1.0), choice(-2.0)], [choice(-2.0), choice(-1.0, -1.0)]
    found = score(CHOOSE, [sample(key, right if key != "d" else wrong) for key in "abcd"])
    assert (found.value, found.counted, found.right, found.items) == (75.0, 4, 3, 4)
    assert found.standard_error == pytest.approx(25.0)  # sqrt(.75 * .25 / 3)
    assert found.interval == Interval(pytest.approx(30.06, abs=0.01), pytest.approx(95.44, abs=0.01))
    assert found.columns["sum"] == 100.0  # there the last one ties, and the first answer stands
    assert found.columns["unconditional"] is None
    assert found.of_items is None and found.macro_f1 is None


def test_questions_need_all_their_items() -> None:
    right, wrong = [choice(-1.0), choice(-2.0)], [choice(-2.0), choice(-1.0)]
    given_ = [("a", "p", right), ("b", "p", right), ("c", "q", right), ("d", "q", wrong), ("e", "r", wrong)]
    found = score(READING, [sample(key, choices, question=of) for key, of, choices in given_])
    assert (found.counted, found.right, found.items) == (3, 1, 5)
    assert found.value == pytest.approx(100 / 3) and found.of_items == 60.0
    assert found.columns["token"] == pytest.approx(100 / 3)
    assert outcomes(READING, [sample("e", wrong, question="r"), sample("f", right, question="r")]) == {"r": False}


def test_any_of_several_right_answers_will_do() -> None:
    choices = [choice(-3.0), choice(-1.0), choice(-2.0)]
    assert score(CHOOSE, [sample("a", choices, (1, 2))]).value == 100.0
    assert score(CHOOSE, [sample("a", choices, (0, 2))]).value == 0.0


def test_ties_are_counted_where_they_decide() -> None:
    level = [choice(-1.0), choice(-1.0), choice(-2.0)]
    assert tied(sample("a", level, 0), "sum") and tied(sample("a", level, 1), "sum")
    assert not tied(sample("a", level, (0, 1)), "sum")  # both are right
    assert not tied(sample("a", level, 2), "sum")  # both are wrong
    found = score(CHOOSE, [sample("a", level, 0), sample("b", level, 1), sample("c", level, 2)])
    assert (found.ties, found.right) == (2, 1)


def test_macro_f1_by_hand() -> None:
    """True: precision 2/3, recall 1, F1 .8. False: nothing found. Neither: precision 1, recall 1/2, F1 2/3."""
    truth, taken = [0, 0, 1, 2, 2], [0, 0, 0, 2, 1]
    assert macro_f1(truth, taken) == (Fraction(4, 5) + 0 + Fraction(2, 3)) / 3
    made = [
        sample(str(place), [choice(-1.0 if one == chosen else -2.0) for one in range(3)], right)
        for place, (right, chosen) in enumerate(zip(truth, taken, strict=True))
    ]
    found = score(LABEL, made).macro_f1
    assert found is not None and found.value == pytest.approx(100 * 22 / 45)
    # Of ten items and one class each draw says the same: what no draw holds takes nothing off.
    alike = score(LABEL, [msgspec.structs.replace(made[0], key=str(place)) for place in range(10)]).macro_f1
    assert alike is not None and (alike.value, alike.interval) == (100.0, Interval(100.0, 100.0))
    assert found.interval is not None and found.interval.low <= found.value <= found.interval.high
    assert (
        macro_f1([0, 1], [0, 1]) == 1 and macro_f1([0, 0], [0, 0]) == 1
    )  # of a class nobody names nothing is said


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_macro_f1_is_that_of_scikit_learn_s_definition(pairs: list[tuple[int, int]]) -> None:
    truth, taken = [a for a, _ in pairs], [b for _, b in pairs]
    scores = []
    for one in {*truth, *taken}:
        hits = sum(a == b == one for a, b in pairs)
        precision = hits / max(1, taken.count(one))
        recall = hits / max(1, truth.count(one))
        scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert float(macro_f1(truth, taken)) == pytest.approx(sum(scores) / len(scores))


def test_the_average_by_hand() -> None:
    """Of 75 with a standard error of 25, and 50 with one of 50 / sqrt(1)."""
    right, wrong = [choice(-1.0), choice(-2.0)], [choice(-2.0), choice(-1.0)]
    first = score(CHOOSE, [sample(key, right if key != "d" else wrong) for key in "abcd"])
    second = score(CHOOSE, [sample("a", right), sample("b", wrong)])
    mean, error = average([first, second])
    assert mean == 62.5 and error == pytest.approx((25**2 + 50**2) ** 0.5 / 2)
    assert average([first, score(CHOOSE, [sample("a", right)])]) == (87.5, None)


def test_nothing_was_scored() -> None:
    for task in (CHOOSE, LABEL, READING):
        found = score(task, [])
        assert (found.value, found.standard_error, found.interval, found.counted) == (None, None, None, 0)
        assert set(found.columns.values()) == {None} and found.macro_f1 is None


@pytest.mark.parametrize("bad", [choice(float("nan"), unconditional=-1.0), choice(-1.0)])
def test_what_cannot_be_judged_is_no_wrong_answer(bad: object) -> None:
    """A log-probability that is no number, or one behind nothing that was never taken."""
    broken = sample("seven", [choice(-1.0, unconditional=-1.0), bad])  # type: ignore[list-item]
    with pytest.raises(IntegrityError) as error:
        score(EXAM, [broken])
    assert len(str(error.value).splitlines()) == 3 and "item seven" in str(error.value)


def test_skill_shows() -> None:
    found = [score(CHOOSE, samples(CHOOSE, 0, skill, 400, "who")).value for skill in (0.0, 0.5, 1.0)]
    assert found[0] == pytest.approx(25, abs=8) and found[1] == pytest.approx(62, abs=8) and found[2] == 100.0
