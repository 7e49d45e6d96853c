"""Samples as they are read again: every line is judged before any number is made of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from corpus.errors import IntegrityError, SourceError
from evaluation.sample import Sample


def read_samples(path: Path, task: str, shots: int) -> tuple[tuple[Sample, ...], str]:
    """The samples of a task at one number of shots, in the order of the file, and the file's sha256.

    Raises:
        SourceError: There is no such file.
        IntegrityError: A line is no sample, or is one of another task or of an item that stood before.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"the samples cannot be read: {error.strerror}", where=str(path), remedy="copy the whole folder"
        ) from error
    lines = data.split(b"\n")
    if lines.pop():
        raise _damaged("the last line is cut short", path, len(lines) + 1)
    samples, seen = [], set[str]()
    for number, line in enumerate(lines, start=1):
        try:
            sample = msgspec.json.decode(line, type=Sample)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _damaged(f"a line is no sample: {error}", path, number) from error
        wrong = _fault(sample, task, shots)
        if not wrong and sample.key in seen:
            wrong = f"item {sample.key} stands twice"
        if wrong:
            raise _damaged(wrong, path, number)
        seen.add(sample.key)
        samples.append(sample)
    return tuple(samples), hashlib.sha256(data).hexdigest()


def _damaged(what: str, path: Path, line: int) -> IntegrityError:
    return IntegrityError(what, where=f"{path}, line {line}", remedy="restore the file, or score the task again")


def _fault(sample: Sample, task: str, shots: int) -> str:
    """What is wrong with a sample, or ""."""
    places = range(len(sample.choices))
    if (sample.task, sample.shots) != (task, shots):
        return f"a sample of {sample.task} with {sample.shots} shots stands among those of {task} with {shots}"
    if len(places) < 2 or not sample.right or not all(one in places for one in sample.right):
        return f"item {sample.key} has {len(places)} answers, of which {list(sample.right)} are right"
    for choice in sample.choices:
        if not choice.logprobs or choice.characters < 1 or choice.bytes < choice.characters:
            return f"item {sample.key} has an answer of no length"
        if not all(map(math.isfinite, (*choice.logprobs, choice.unconditional or 0.0))):
            return f"item {sample.key} has a log-probability that is no number"
    return ""


def prompts_digest(samples: Iterable[Sample]) -> str:
    """sha256 over what was asked, item after item: two runs with the same digest were asked the same ids."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(sample.prompt.encode() + b"\n")
    return digest.hexdigest()


def shown(samples: Sequence[Sample]) -> tuple[float, int]:
    """How many examples stood before an item: the mean, and the fewest."""
    counts = [sample.shown for sample in samples]
    return (sum(counts) / len(counts), min(counts)) if counts else (0.0, 0)
