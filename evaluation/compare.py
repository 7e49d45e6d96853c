"""The command line that compares two evaluations, item by item: which is better, by how much, how surely.

    python evaluation/compare.py results/first results/second

Each task has McNemar's exact test over the units that it counts, items or questions: it is the paired test of two
yes-or-no answers, so a question needs no other one. The probabilities of all tasks are corrected together, by
Holm's method. What was measured on other data, by other prompts or with other settings is no comparison of models:
that is refused, and said.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import IntegrityError, SourceError, TokentrailError
from corpus.page import count
from evaluation.intervals import Interval
from evaluation.metrics import outcomes, score
from evaluation.paired_test import difference_interval, holm, mcnemar
from evaluation.results import PerplexityEntry, Results, ScoreEntry, TaskEntry, number, read_results
from evaluation.sample import Sample
from evaluation.sample_file import read_samples
from evaluation.table import columns, ends, estimated

_NAMED_AT_MOST = 6  # unpublished: our choice; of what differs, so many stand in an error


@dataclass(frozen=True)
class TaskDifference:
    """A task in two evaluations, over the units that both have.

    Attributes:
        task: Its title.
        shots: Of both.
        units: Items or questions in both.
        first: Of them, those that the first answered rightly, in percent.
        second: And the second.
        only_first: Units that the first alone answered rightly.
        only_second: And the second alone.
        interval: Of `second - first`, in percent.
        probability: Of McNemar's exact test.
    """

    task: str
    shots: int
    units: int
    first: float
    second: float
    only_first: int
    only_second: int
    interval: Interval
    probability: float


@dataclass(frozen=True)
class Comparison:
    """Two evaluations.

    Attributes:
        first: The one.
        second: The other.
        unlike: In what they differ besides the model, a sentence each; empty where they are alike.
        tasks: Those that both have.
        corrected: The probability of each, after Holm.
        perplexity: Of sources that both scored in the same way, of the same corpus.
    """

    first: Results
    second: Results
    unlike: tuple[str, ...]
    tasks: tuple[TaskDifference, ...]
    corrected: tuple[float, ...]
    perplexity: tuple[tuple[PerplexityEntry, PerplexityEntry], ...]


def compare(first: Path, second: Path, anyway: bool = False) -> Comparison:
    """Compares two folders of results.

    Args:
        first: The one.
        second: The other: differences are its score less the first's.
        anyway: Whether to compare what was not measured alike.

    Raises:
        SourceError: There are no results, or nothing that both have.
        IntegrityError: A file is damaged; or they were not measured alike.
    """
    results = read_results(first), read_results(second)
    pairs = [
        (one, other)
        for one in results[0].scores
        if (other := results[1].score(one.task, one.shots)) is not None and one.n and other.n
    ]
    perplexity = tuple(_sources(*results))
    unlike = tuple(differing(*results))
    if unlike and not anyway:
        more = f", and {len(unlike) - _NAMED_AT_MOST} more" if len(unlike) > _NAMED_AT_MOST else ""
        raise IntegrityError(
            f"these were not measured alike: {'; '.join(unlike[:_NAMED_AT_MOST])}{more}",
            where=f"{first}, {second}",
            remedy="evaluate both in one way; or compare them --anyway, on the items that both have",
        )
    if not pairs and not perplexity:
        raise SourceError(
            "they have no task with as many shots in common",
            where=f"{first}, {second}",
            remedy="score one task in both",
        )
    tasks = [_difference(results, (first, second), pair) for pair in pairs]
    found = tuple(one for one in tasks if one is not None)
    return Comparison(*results, unlike, found, tuple(holm([one.probability for one in found])), perplexity)


def differing(first: Results, second: Results) -> Iterator[str]:
    """In what two evaluations differ besides the model, a sentence each; what only one has is no difference."""
    for name, one in msgspec.structs.asdict(first.settings).items():
        other = getattr(second.settings, name)
        only_one = name == "shots" or (
            name == "stride" and None in (one, other)
        )  # has more, which is not compared
        if one != other and not only_one:
            yield f"{name} is {_said(one)} and {_said(other)}"
    for task in first.tasks:
        there = next((one for one in second.tasks if one.name == task.name), None)
        if there is not None:
            yield from _differing_task(task, there)
    for score_entry in first.scores:
        match = second.score(score_entry.task, score_entry.shots)
        if match is not None and match.prompts != score_entry.prompts:
            yield f"{score_entry.task} with {score_entry.shots} shots: other prompts or items"


def _differing_task(one: TaskEntry, other: TaskEntry) -> Iterator[str]:
    if sorted(one.files.values()) != sorted(other.files.values()):
        yield f"{one.name}: other data"
    if (one.judged_by, one.counted) != (other.judged_by, other.counted):
        rules = " and ".join(f"{each.judged_by} of each {each.counted}" for each in (one, other))
        yield f"{one.name}: judged by {rules}"


def _said(value: object) -> str:
    return "none" if value is None else str(value)


def _sources(first: Results, second: Results) -> Iterator[tuple[PerplexityEntry, PerplexityEntry]]:
    """Sources of one corpus, cut into the same windows."""
    if first.corpus is None or second.corpus is None or first.corpus.digest != second.corpus.digest:
        return
    others = {one.source: one for one in second.perplexity}
    for one in first.perplexity:
        other = others.get(one.source)
        if other is not None and (one.windows, one.bytes) == (other.windows, other.bytes):
            yield one, other


def _difference(
    results: tuple[Results, Results], folders: tuple[Path, Path], pair: tuple[ScoreEntry, ScoreEntry]
) -> TaskDifference | None:
    """None where they have no unit in common."""
    task = results[0].task(pair[0].task)
    right, others = (
        outcomes(task, _samples(of.task(one.task), folder, one))
        for of, folder, one in zip(results, folders, pair, strict=True)
    )
    both = [name for name in right if name in others]
    if not both:
        return None
    only_first = sum(right[name] and not others[name] for name in both)
    only_second = sum(others[name] and not right[name] for name in both)
    interval = difference_interval(only_first, only_second, len(both))
    return TaskDifference(
        task=task.title,
        shots=pair[0].shots,
        units=len(both),
        first=100 * sum(right[name] for name in both) / len(both),
        second=100 * sum(others[name] for name in both) / len(both),
        only_first=only_first,
        only_second=only_second,
        interval=Interval(100 * interval.low, 100 * interval.high),
        probability=mcnemar(only_first, only_second),
    )


def _samples(task: TaskEntry, folder: Path, entry: ScoreEntry) -> tuple[Sample, ...]:
    """The samples that a score was made of, proved."""
    path = folder / entry.samples
    samples, digest = read_samples(path, entry.task, entry.shots)
    if digest != entry.samples_sha256:
        raise IntegrityError(
            "the samples are not those that the results were made of", where=str(path), remedy="restore the file"
        )
    if entry.score is None or number(score(task, samples).value or 0.0) != entry.score.value:
        raise IntegrityError(
            "the score is not that of its samples", where=str(folder), remedy="run evaluation/run.py again"
        )
    return samples


def comparison_text(found: Comparison) -> str:
    """A comparison as a person reads it."""
    sides = zip("AB", (found.first.checkpoint, found.second.checkpoint), strict=True)
    head = [
        f"{side}  {one.name}, {count(one.parameters)} parameters, sha256:{one.digest[:16]}" for side, one in sides
    ]
    parts = [
        "\n".join(head),
        "\n".join(f"not alike: {one}" for one in found.unlike),
        _tasks(found),
        _perplexity(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _tasks(found: Comparison) -> str:
    if not found.tasks:
        return ""
    header = ["task", "shots", "n", "A", "B", "B - A", "95% interval", "A alone", "B alone", "p", "p, Holm"]
    rows = [
        [
            one.task,
            str(one.shots),
            count(one.units),
            f"{one.first:.2f}",
            f"{one.second:.2f}",
            f"{one.second - one.first:+.2f}",
            f"{one.interval.low:+.2f} to {one.interval.high:+.2f}",
            count(one.only_first),
            count(one.only_second),
            probability(one.probability),
            probability(corrected),
        ]
        for one, corrected in zip(found.tasks, found.corrected, strict=True)
    ]
    tests = f"{len(rows)} tests" if len(rows) > 1 else "1 test"
    said = f"p: McNemar's exact test, of few items stricter than the interval; then Holm's correction over {tests}"
    return f"{columns(header, rows)}\n{said}"


def probability(value: float) -> str:
    """A probability with four digits; smaller ones as a bound."""
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _perplexity(found: Comparison) -> str:
    if not found.perplexity:
        if found.first.perplexity and found.second.perplexity:
            return "perplexity is not compared: it is of other text, or of other windows"
        return ""
    header = ["held out, per token", "A", "95% interval", "B", "95% interval"]
    rows = [
        [
            one.source,
            estimated(one.per_token, 3),
            ends(one.per_token, 3),
            estimated(other.per_token, 3),
            ends(other.per_token, 3),
        ]
        for one, other in found.perplexity
    ]
    return columns(header, rows)


def options() -> argparse.ArgumentParser:
    """The options of a comparison."""
    top = argparse.ArgumentParser(prog="compare.py", description="Compares two evaluations, item by item.")
    top.add_argument("first", type=Path, help="a folder of results, for instance results/125m")
    top.add_argument("second", type=Path, help="another: differences are its score less the first's")
    top.add_argument("--anyway", action="store_true", help="compare what differs in data, prompts or settings too")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code: 0 compared, 1 damaged or not alike, 2 the user's mistake."""
    chosen = options().parse_args(argv)
    try:
        print(comparison_text(compare(chosen.first, chosen.second, chosen.anyway)), end="")
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
