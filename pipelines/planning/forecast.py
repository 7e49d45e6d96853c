"""A stage that was not run, as it is likely to be: its cost, and a seal of its parts' names and sizes alone.

The seal has no key and no digests, but it has what the stages behind it ask of one: parts, rows and bytes. So the
one definition of the pipeline is planned as it is run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from corpus import storage
from corpus.part import PartFacts
from pipelines.planning.rates import PartRate, Rate, Rates
from pipelines.stage import Sealed, Stage, task_name
from pipelines.steps.blocks import BLOCK_TEXT_BYTES, ROWS, TEXT


@dataclass(frozen=True)
class Files:
    """The raw files of one format that a stage reads.

    Attributes:
        bytes: As they lie on disk.
        yielding: Bytes of files that would give the text these are expected to give; `bytes` where nobody says.
    """

    bytes: float
    yielding: float


@dataclass(frozen=True)
class Given:
    """What a stage is given: files by format; or of other stages' parts rows and bytes."""

    files: Mapping[str, Files] = field(default_factory=dict)
    rows: float = 0.0
    bytes: float = 0.0

    @classmethod
    def of(cls, stages: Sequence[Sealed]) -> Given:
        """What is read of other stages: of blocks the records and texts, else everything."""
        parts = [part for stage in stages for part in stage.parts]
        rows = [part.rows for part in parts if part.name.endswith(ROWS)]
        if not rows:
            return cls(rows=sum(part.rows for part in parts), bytes=sum(part.bytes for part in parts))
        return cls(rows=sum(rows), bytes=sum(part.bytes for part in parts if part.name.endswith(TEXT)))


@dataclass(frozen=True)
class Forecast:
    """What a stage is likely to take.

    Attributes:
        cpu_seconds: Of one core.
        read: Bytes of files and parts.
        shuffled: Bytes in flight between its tasks.
        sealed: Its parts, without digests.
        unmeasured: Formats or encoders that it asks for and no rate is known of: their part is left out.
    """

    cpu_seconds: float
    read: float
    shuffled: float
    sealed: Sealed
    unmeasured: tuple[str, ...]


def forecast(stage: Stage, given: Given, rates: Rates, variant: str) -> Forecast:
    """What a stage takes and makes, by measured rates.

    Args:
        stage: Not run, and found nowhere sealed.
        given: What it reads.
        rates: Measured.
        variant: Which of its rates, where it reads no files: the encoder.

    Raises:
        RecipeError: The stage was not there when they were measured.
    """
    known = rates.of(stage.name)
    wanted = dict(given.files) or {variant if variant in known else "": Files(given.bytes, given.bytes)}
    loads = [(known[name], files) for name, files in wanted.items() if name in known]
    text = sum(rate.text.at(given.rows, files.yielding) for rate, files in loads)
    return Forecast(
        cpu_seconds=max((rate.cpu_seconds.start for rate, _ in loads), default=0.0)
        + sum(rate.cpu_seconds.at(given.rows, files.bytes) for rate, files in loads),
        read=sum(rate.read.at(given.rows, files.bytes) for rate, files in loads),
        shuffled=sum(rate.shuffled.at(given.rows, files.yielding) for rate, files in loads),
        sealed=_seal(stage, _made(loads, given.rows), text),
        unmeasured=tuple(name for name in wanted if name not in known),
    )


def _made(
    loads: Sequence[tuple[Rate, Files]], given_rows: float
) -> dict[str, tuple[PartRate, float, float]]:  # fmt: skip
    """The parts of each ending: how they are written, their rows and bytes in all."""
    made: dict[str, tuple[PartRate, float, float]] = {}
    for rate, files in loads:
        for ending, part in rate.parts.items():
            _, rows, size = made.get(ending, (part, 0.0, 0.0))
            rows += part.rows.start + part.rows.at(given_rows, files.yielding)
            size += part.bytes.start + part.bytes.at(given_rows, files.yielding)
            made[ending] = part, rows, size
    return made


def _seal(stage: Stage, made: Mapping[str, tuple[PartRate, float, float]], text: float) -> Sealed:
    parts: list[PartFacts] = []
    for ending, (rate, rows, size) in made.items():
        tasks = stage.tasks if rate.kind == "map" else stage.partitions
        each = max(1, math.ceil(text / tasks / BLOCK_TEXT_BYTES)) if tasks and rate.numbered else 1
        names = [
            task_name(rate.kind, task) + (f"-{number:04d}" if rate.numbered else "") + ending
            for task in range(tasks)
            for number in range(each)
        ]
        names = names[: max(1, round(rows))]  # a part that holds nothing is mostly not written
        # No two stages have the same digest: the plan knows by it which stage another one reads.
        digest = f"forecast of {stage.name}"
        parts += [
            PartFacts(name, held, digest, "", space)
            for name, held, space in zip(names, _shares(rows, len(names)), _shares(size, len(names)), strict=True)
        ]
    return Sealed(
        name=stage.name,
        key="",
        rules=dict(stage.rules),
        inputs=tuple(stage.inputs),
        parts=tuple(sorted(parts, key=lambda part: part.name)),
        counts={},
        folder=storage.join(stage.store, "stages", stage.name, "forecast"),
    )


def _shares(total: float, count: int) -> list[int]:
    """A whole number in nearly equal shares."""
    whole = round(total)
    return [whole * (index + 1) // count - whole * index // count for index in range(count)]
