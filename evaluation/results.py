"""`results.json`: what a checkpoint reached, on which data, by which prompts, and what was left out.

The file is RFC 8785 JSON of integers and strings, as a manifest is. Numbers that are not whole are decimal
strings with six digits after the point, far below any standard error. They are made of whole counts, of quotients
and roots, which IEEE 754 rounds one way, and of exponentials in decimal arithmetic: never of a libm, or of a sum
whose order a machine chooses. So equal samples give equal files everywhere, and sha256 says whether two are equal.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import rfc8785

from corpus.errors import IntegrityError, SourceError, StoreError
from evaluation.normalisation import Normalisation

FILE: Final = "results.json"
VERSION: Final = 1
_FORMAT: Final = "tokentrail/results/"
FORMAT: Final = f"{_FORMAT}{VERSION}"

Number = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]+\.[0-9]{6}$")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
# Below the folder of results, wherever that is copied to.
Below = Annotated[str, msgspec.Meta(pattern=r"^(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*$")]
Count = Annotated[int, msgspec.Meta(ge=0)]


def number(value: float) -> Number:
    """A number as the file holds it."""
    written = f"{value:.6f}"
    return "0.000000" if written == "-0.000000" else written


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every part of the file is: frozen, named, and without a field that nobody knows."""


class CheckpointEntry(_Entry, frozen=True):
    """The model: how it was named, the sha256 of its weights, and how many parameters they are."""

    name: str
    digest: Digest
    parameters: Count


class CorpusEntry(_Entry, frozen=True):
    """The corpus whose held-out part was scored."""

    ref: str
    digest: Digest


class SettingsEntry(_Entry, frozen=True):
    """What a score depends on besides the model and the data.

    Attributes:
        shots: That were asked for.
        preamble: Whether examples are drawn for each item, or once for a task.
        begins_with: The id that stands before every prompt; None where none does.
        window: Tokens that the model sees, at most.
        stride: Tokens by which the next window of held-out text begins later; None where none was scored.
        limit: Items of a task that were scored, at most; None where all were.
        seed: Of the examples that were drawn.
    """

    shots: tuple[Count, ...]
    preamble: Literal["drawn", "fixed"]
    begins_with: int | None
    window: Count
    stride: Count | None
    limit: Count | None
    seed: int


class PublishedEntry(_Entry, frozen=True):
    """A number that others reached: see `Published`."""

    model: str
    shots: int | None
    value: Number
    source: str
    verified: bool


class TaskEntry(_Entry, frozen=True):
    """A task: see `Task`; and the sha256 of every file that was read of it, by its path below `--data`."""

    name: str
    title: str
    judged_by: Normalisation
    counted: Literal["item", "question"]
    classes: tuple[str, ...]
    chance: Number
    prompt: str
    published: tuple[PublishedEntry, ...]
    files: dict[str, Digest]


class EstimateEntry(_Entry, frozen=True):
    """A number and its 95% interval; None of what has none."""

    value: Number
    low: Number | None
    high: Number | None


class ScoreEntry(_Entry, frozen=True):
    """What a task came to at one number of shots, in percent: see `Score`.

    Attributes:
        task: Its name.
        shots: That were asked for.
        score: By the task's own rule; None where nothing was scored.
        standard_error: None of fewer than two.
        n: Items or questions that count.
        right: Of those.
        items: That were scored.
        ties: Items that the order of their answers decided.
        columns: The score by each value that an answer may be chosen by; None where it was not asked for.
        of_items: The share of items answered rightly, where questions are counted.
        macro_f1: Where the task has classes.
        shown_mean: Examples that stood before an item, in the mean.
        shown_fewest: Examples that stood before an item, at least.
        longest: Tokens of the longest prompt.
        leave_one_out: Whether examples were drawn from the other rows that are scored.
        skipped: What was not scored, by reason.
        prompts: sha256 over `Sample.prompt`, item after item.
        samples: The file of samples, by its path in the folder of results.
        samples_sha256: Of that file.
    """

    task: str
    shots: Count
    score: EstimateEntry | None
    standard_error: Number | None
    n: Count
    right: Count
    items: Count
    ties: Count
    columns: dict[Normalisation, Number | None]
    of_items: Number | None
    macro_f1: EstimateEntry | None
    shown_mean: Number
    shown_fewest: Count
    longest: Count
    leave_one_out: bool
    skipped: dict[str, Count]
    prompts: Digest
    samples: Below
    samples_sha256: Digest


class PerplexityEntry(_Entry, frozen=True):
    """A source's held-out text: see `WindowLoss`."""

    source: str
    windows: Count
    tokens: Count
    bytes: Count
    gpt2_tokens: Count
    per_token: EstimateEntry | None
    per_byte: EstimateEntry | None
    bits_per_byte: EstimateEntry | None
    per_gpt2_token: EstimateEntry | None
    skipped: dict[str, Count]


class AverageEntry(_Entry, frozen=True):
    """The paper's average over fourteen tasks at one number of shots; None, and which are missing, without all."""

    shots: Count
    score: Number | None
    standard_error: Number | None
    missing: tuple[str, ...]


class Results(_Entry, frozen=True):
    """All of it.

    Attributes:
        format: "tokentrail/results/1".
        checkpoint: What was evaluated.
        corpus: None where no held-out text was scored.
        settings: What holds for all tasks.
        versions: Of what computed it: nothing is compared by them.
        tasks: Those that were scored, in the order asked for.
        missing: Tasks asked for whose set was not there -> what it is and where it is had.
        scores: Of each task by its shots.
        averages: By shots.
        perplexity: By source.
        prompts: sha256 over every `Sample.prompt`, in the order of `scores`.
    """

    format: str
    checkpoint: CheckpointEntry
    corpus: CorpusEntry | None
    settings: SettingsEntry
    versions: dict[str, str]
    tasks: tuple[TaskEntry, ...]
    missing: dict[str, str]
    scores: tuple[ScoreEntry, ...]
    averages: tuple[AverageEntry, ...]
    perplexity: tuple[PerplexityEntry, ...]
    prompts: Digest

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"their format is {self.format}, not {FORMAT}")
        tasks = [task.name for task in self.tasks]
        runs = [f"{score.task} with {score.shots} shots" for score in self.scores]
        for names in (tasks, runs, [one.source for one in self.perplexity]):
            twice = next((name for name in names if names.count(name) > 1), "")
            if twice:
                raise ValueError(f"{twice} stands twice")
        unknown = next((score.task for score in self.scores if score.task not in tasks), "")
        if unknown:
            raise ValueError(f"{unknown} has a score and is no task of these results")

    def canonical(self) -> bytes:
        """The bytes of the file."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    def digest(self) -> str:
        """sha256 of the canonical bytes, 64 hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def task(self, name: str) -> TaskEntry:
        """The task of that name."""
        return next(task for task in self.tasks if task.name == name)

    def score(self, task: str, shots: int) -> ScoreEntry | None:
        """What a task came to; None where it was not run so."""
        return next((one for one in self.scores if (one.task, one.shots) == (task, shots)), None)

    def shots(self) -> tuple[int, ...]:
        """Numbers of shots that a task was scored with, ascending."""
        return tuple(sorted({one.shots for one in self.scores}))


def write_results(folder: Path, results: Results) -> Path:
    """Writes the file, whole or not at all; gives its path.

    Raises:
        StoreError: It cannot be written.
    """
    path = folder / FILE
    aside = folder / f".{FILE}.part"
    try:
        aside.write_bytes(results.canonical())
        aside.replace(path)
    except OSError as error:
        raise StoreError(
            f"cannot write the results: {error.strerror}", where=str(path), remedy="name another folder with --out"
        ) from error
    return path


def read_results(folder: Path) -> Results:
    """Reads the file of a folder of results.

    Raises:
        SourceError: There is none, or a newer release wrote it.
        IntegrityError: It is damaged.
    """
    path = folder / FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"there are no results here: {error.strerror}",
            where=str(path),
            remedy="name a folder that evaluation/run.py wrote",
        ) from error
    found = _version(data)
    if found > VERSION:
        raise SourceError(
            f"these results are of format {found}, and this release reads {VERSION}",
            where=str(path),
            remedy="use the release that wrote them, or a later one",
        )
    try:
        return msgspec.json.decode(data, type=Results)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(
            f"the results are damaged: {' '.join(str(error).split())}",
            where=str(path),
            remedy="restore the file, or run evaluation/run.py again: finished tasks are not scored twice",
        ) from error


def _version(data: bytes) -> int:
    """Which format a file says that it is of; 0 where it says nothing that can be read."""
    try:
        said = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("format", msgspec.Raw())
        name = msgspec.json.decode(said, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    found = re.fullmatch(re.escape(_FORMAT) + r"([0-9]{1,6})", name)
    return int(found[1]) if found else 0
