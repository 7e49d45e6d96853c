"""What a run hands in when its tasks are done, and the results that are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluation import metrics
from evaluation.metrics import Estimate, Score
from evaluation.results import (
    FORMAT,
    AverageEntry,
    CheckpointEntry,
    CorpusEntry,
    EstimateEntry,
    PerplexityEntry,
    PublishedEntry,
    Results,
    ScoreEntry,
    SettingsEntry,
    TaskEntry,
    number,
)
from evaluation.sample import Sample
from evaluation.sample_file import prompts_digest, shown
from evaluation.tasks.task import Task
from evaluation.window_loss import Windows, window_loss


@dataclass(frozen=True)
class ScoredTask:
    """A task that was scored with one number of shots.

    Attributes:
        task: Which.
        shots: That were asked for.
        samples: In the order of the file.
        file: The file of samples, by its path in the folder of results.
        file_sha256: Of that file.
        files: sha256 of every file that was read of the task, by its path below `--data`.
        skipped: What was not scored, by reason.
        leave_one_out: Whether examples were drawn from the other rows that are scored.
    """

    task: Task
    shots: int
    samples: Sequence[Sample]
    file: str
    file_sha256: str
    files: Mapping[str, str]
    skipped: Mapping[str, int]
    leave_one_out: bool


@dataclass(frozen=True)
class ScoredSource:
    """A source's held-out text, and what was left out of it, by reason."""

    source: str
    windows: Windows
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Tally:
    """All that a run found.

    Attributes:
        checkpoint: What was evaluated.
        settings: What holds for all tasks.
        corpus: Whose held-out text was scored; None where none was.
        versions: Of what computed it, and on what.
        tasks: Each task at each number of shots, in the order in which a person shall read them.
        missing: Tasks whose set was not there -> what it is and where it is had.
        averaged: Names of the paper's fourteen.
        sources: Of held-out text.
    """

    checkpoint: CheckpointEntry
    settings: SettingsEntry
    corpus: CorpusEntry | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    tasks: Sequence[ScoredTask] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    averaged: Sequence[str] = ()
    sources: Sequence[ScoredSource] = ()


def results_of(tally: Tally) -> Results:
    """Computes every number of a run.

    Raises:
        IntegrityError: A sample cannot be judged by its task's rule.
    """
    scores = [metrics.score(one.task, one.samples) for one in tally.tasks]
    files: dict[str, dict[str, str]] = {}
    for one in tally.tasks:
        files.setdefault(one.task.name, {}).update(one.files)
    entries = {one.task.name: _task(one.task, files[one.task.name]) for one in tally.tasks}
    return Results(
        format=FORMAT,
        checkpoint=tally.checkpoint,
        corpus=tally.corpus,
        settings=tally.settings,
        versions=dict(tally.versions),
        tasks=tuple(entries.values()),
        missing=dict(tally.missing),
        scores=tuple(_score(one, score) for one, score in zip(tally.tasks, scores, strict=True)),
        averages=_averages(tally, scores),
        perplexity=tuple(_perplexity(one) for one in tally.sources),
        prompts=prompts_digest(sample for one in tally.tasks for sample in one.samples),
    )


def _task(task: Task, files: dict[str, str]) -> TaskEntry:
    published = (
        PublishedEntry(
            model=each.model,
            shots=each.shots,
            value=number(each.value),
            source=each.source,
            verified=each.verified,
        )
        for each in task.published
    )
    return TaskEntry(
        name=task.name,
        title=task.title,
        judged_by=task.judged_by,
        counted=task.counted,
        classes=task.classes,
        chance=number(task.chance),
        prompt=task.prompt,
        published=tuple(published),
        files=files,
    )


def _score(one: ScoredTask, score: Score) -> ScoreEntry:
    mean, fewest = shown(one.samples)
    return ScoreEntry(
        task=one.task.name,
        shots=one.shots,
        score=None if score.value is None else _estimate(Estimate(score.value, score.interval)),
        standard_error=_maybe(score.standard_error),
        n=score.counted,
        right=score.right,
        items=score.items,
        ties=score.ties,
        columns={by: _maybe(value) for by, value in score.columns.items()},
        of_items=_maybe(score.of_items),
        macro_f1=_estimate(score.macro_f1),
        shown_mean=number(mean),
        shown_fewest=fewest,
        longest=max((sample.tokens for sample in one.samples), default=0),
        leave_one_out=one.leave_one_out,
        skipped={reason: count for reason, count in one.skipped.items() if count},
        prompts=prompts_digest(one.samples),
        samples=one.file,
        samples_sha256=one.file_sha256,
    )


def _averages(tally: Tally, scores: Sequence[Score]) -> tuple[AverageEntry, ...]:
    found = {
        (one.task.name, one.shots): score
        for one, score in zip(tally.tasks, scores, strict=True)
        if score.value is not None
    }
    averages = []
    for shots in sorted({one.shots for one in tally.tasks}):
        missing = tuple(name for name in tally.averaged if (name, shots) not in found)
        mean, error = None, None
        if tally.averaged and not missing:
            mean, error = metrics.average([found[name, shots] for name in tally.averaged])
        averages.append(
            AverageEntry(shots=shots, score=_maybe(mean), standard_error=_maybe(error), missing=missing)
        )
    return tuple(averages)


def _perplexity(one: ScoredSource) -> PerplexityEntry:
    loss = window_loss(one.source, one.windows)
    return PerplexityEntry(
        source=one.source,
        windows=loss.windows,
        tokens=loss.tokens,
        bytes=loss.bytes,
        gpt2_tokens=loss.gpt2_tokens,
        per_token=_estimate(loss.per_token),
        per_byte=_estimate(loss.per_byte),
        bits_per_byte=_estimate(loss.bits_per_byte),
        per_gpt2_token=_estimate(loss.per_gpt2_token),
        skipped={reason: count for reason, count in one.skipped.items() if count},
    )


def _maybe(value: float | None) -> str | None:
    return None if value is None else number(value)


def _estimate(found: Estimate | None) -> EstimateEntry | None:
    if found is None:
        return None
    ends = found.interval
    return EstimateEntry(
        value=number(found.value),
        low=_maybe(None if ends is None else ends.low),
        high=_maybe(None if ends is None else ends.high),
    )
