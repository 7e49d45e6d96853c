"""What samples come to: the score by the task's own rule, by every other, and how sure it is.

Every number is made of the samples alone, in percent. An item is right when the answer with the highest value is;
of equal values the first is taken, so an item whose right and wrong answers share the highest value was decided by
their order: it is counted among the ties.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from corpus.errors import IntegrityError
from evaluation.intervals import Interval, percentile_interval, standard_error, wilson
from evaluation.normalisation import NORMALISATIONS, Normalisation, chosen, value
from evaluation.sample import Sample


class Judged(Protocol):
    """What is to be known of a task to score its samples: a `Task`, or what results keep of one."""

    @property
    def name(self) -> str:
        """As `--tasks` takes it."""

    @property
    def judged_by(self) -> Normalisation:
        """By which value an answer is chosen."""

    @property
    def counted(self) -> Literal["item", "question"]:
        """What one right answer is."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the choices, where every item has the same."""


@dataclass(frozen=True)
class Estimate:
    """A number in percent, and where it lies with 95% confidence."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Score:
    """What a task's samples come to.

    Attributes:
        value: In percent, by the task's own rule; None where nothing was scored.
        standard_error: In percent; None of fewer than two.
        interval: Wilson's; the units are taken to be independent, which questions on one passage are not quite.
        counted: Items, or questions.
        right: Of them, those answered rightly.
        items: Samples.
        ties: Items that the order of their choices decided.
        columns: The score by each value that an answer may be chosen by; None where it was not asked for.
        of_items: The share of items answered rightly, where questions are counted.
        macro_f1: Mean over classes of F1, in percent, with a bootstrap's interval, where the task has classes.
    """

    value: float | None
    standard_error: float | None
    interval: Interval | None
    counted: int
    right: int
    items: int
    ties: int
    columns: Mapping[Normalisation, float | None]
    of_items: float | None
    macro_f1: Estimate | None


def score(task: Judged, samples: Sequence[Sample]) -> Score:
    """Scores a task's samples at one number of shots.

    Raises:
        IntegrityError: A sample cannot be judged by the task's rule.
    """
    found = outcomes(task, samples)
    right, counted = sum(found.values()), len(found)
    error, interval = standard_error(right, counted), wilson(right, counted) if counted else None
    by_item = [chosen(sample, task.judged_by) in sample.right for sample in samples]
    return Score(
        value=_percent(right, counted),
        standard_error=None if error is None else 100 * error,
        interval=None if interval is None else Interval(100 * interval.low, 100 * interval.high),
        counted=counted,
        right=right,
        items=len(samples),
        ties=sum(tied(sample, task.judged_by) for sample in samples),
        columns={by: _column(task, samples, by) for by in NORMALISATIONS},
        of_items=_percent(sum(by_item), len(by_item)) if task.counted == "question" else None,
        macro_f1=_macro_f1(task, samples) if task.classes and samples else None,
    )


def outcomes(task: Judged, samples: Sequence[Sample], by: Normalisation | None = None) -> dict[str, bool]:
    """Whether each item, or each question, was answered rightly.

    Args:
        task: Whose samples they are.
        samples: In any order; the keys of what is given stand in theirs.
        by: Another value to choose by than the task's own.

    Raises:
        IntegrityError: A sample does not hold that value.
    """
    found: dict[str, bool] = {}
    for sample in samples:
        place = chosen(sample, by or task.judged_by)
        if place < 0:
            raise IntegrityError(
                f"a sample cannot be judged by {by or task.judged_by}: a log-probability is missing or no number",
                where=f"{task.name}, {sample.shots} shots, item {sample.key}",
                remedy="score the task again",
            )
        name = sample.key if task.counted == "item" else sample.question
        found[name] = found.get(name, True) and place in sample.right
    return found


def tied(sample: Sample, by: Normalisation) -> bool:
    """Whether a right and a wrong answer share the highest value."""
    values = [value(choice, by) for choice in sample.choices]
    best = [place for place, one in enumerate(values) if one == max(values)]
    return len({place in sample.right for place in best}) > 1


def _percent(right: int, of: int) -> float | None:
    return 100 * right / of if of else None


def _column(task: Judged, samples: Sequence[Sample], by: Normalisation) -> float | None:
    if by == "unconditional" and any(each.unconditional is None for one in samples for each in one.choices):
        return None
    found = outcomes(task, samples, by)
    return _percent(sum(found.values()), len(found))


def _macro_f1(task: Judged, samples: Sequence[Sample]) -> Estimate:
    """Of classes that are neither right nor chosen in any item, nothing is said: scikit-learn's convention."""
    truth = np.array([sample.right[0] for sample in samples])
    taken = np.array([chosen(sample, task.judged_by) for sample in samples])
    name = f"macro-f1/{task.name}/{samples[0].shots}"

    def of_draws(places: NDArray[np.int64]) -> NDArray[np.float64]:
        total, seen = np.zeros(len(places)), np.zeros(len(places))
        for one in range(len(task.classes)):
            is_right, is_taken = (truth == one)[places], (taken == one)[places]
            both = (is_right & is_taken).sum(axis=1)
            either = is_right.sum(axis=1) + is_taken.sum(axis=1)
            total += 2 * both / np.maximum(either, 1)
            seen += either > 0
        return 100 * total / seen

    return Estimate(
        100 * float(macro_f1(truth.tolist(), taken.tolist())), percentile_interval(name, len(samples), of_draws)
    )


def macro_f1(truth: Sequence[int], taken: Sequence[int]) -> Fraction:
    """The mean over classes of the harmonic mean of precision and recall, exactly."""
    classes = {*truth, *taken}
    both = {one: sum(a == b == one for a, b in zip(truth, taken, strict=True)) for one in classes}
    scores = [Fraction(2 * both[one], truth.count(one) + taken.count(one)) for one in classes]
    return sum(scores, Fraction()) / len(classes)


def average(scores: Sequence[Score]) -> tuple[float, float | None]:
    """The plain mean of scores, each of which there is, and its standard error where each has one."""
    mean = math.fsum(one.value or 0.0 for one in scores) / len(scores)
    errors = [one.standard_error for one in scores]
    squares = [error * error for error in errors if error is not None]
    return mean, math.sqrt(math.fsum(squares)) / len(scores) if len(squares) == len(errors) else None
