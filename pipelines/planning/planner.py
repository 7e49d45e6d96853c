"""A driver that only looks: the one definition of the pipeline, driven to its end without running anything.

A stage that is sealed gives its seal. One that is not gives a forecast, and what depends on a forecast has no key
yet: it will be looked for when the build comes to it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpus.recipe import Recipe
from corpus.source import Blob
from pipelines.document_stages import identities
from pipelines.planning.forecast import Files, Forecast, Given, forecast
from pipelines.planning.rates import Rates, format_of
from pipelines.planning.reuse import why_not_sealed
from pipelines.stage import Sealed, Stage, find_sealed


@dataclass(frozen=True)
class Planned:
    """One stage of a plan.

    Attributes:
        exact: Tasks and partitions are what they will be: nothing they depend on is a forecast.
        why: Why it runs; "" for a sealed one.
        forecast: What it is likely to take; None for a sealed one.
    """

    name: str
    tasks: int
    partitions: int
    exact: bool
    sealed: Sealed
    why: str = ""
    forecast: Forecast | None = None

    @property
    def written(self) -> int:
        """Bytes of its parts in the store."""
        return sum(part.bytes for part in self.sealed.parts)

    @property
    def requests(self) -> tuple[int, int]:
        """Requests to an object store: (that write, that read).

        Written are parts, markers, spills and the seal; read once by every task its input, and by every reduce task
        of every spill the index and its rows.
        """
        tasks = self.tasks + self.partitions
        spills = self.tasks if self.partitions else 0
        return len(self.sealed.parts) + tasks + spills + 1, tasks + 2 * spills * self.partitions


@dataclass(frozen=True)
class Plan:
    """Every stage of a build, in order."""

    stages: tuple[Planned, ...]

    @property
    def to_run(self) -> list[tuple[Planned, Forecast]]:
        """The stages that are not sealed, with their forecasts."""
        return [(stage, stage.forecast) for stage in self.stages if stage.forecast is not None]

    @property
    def unmeasured(self) -> list[str]:
        """Formats and encoders of which no rate is known."""
        return list(dict.fromkeys(name for _, known in self.to_run for name in known.unmeasured))

    @property
    def stays(self) -> int:
        """Bytes in the store when all is sealed."""
        return sum(stage.written for stage in self.stages)

    @property
    def peak(self) -> int:
        """The most bytes that the store holds at once: what stays so far, and the spills in flight."""
        held, most = 0, 0
        for stage in self.stages:
            held += stage.written
            most = max(most, held + math.ceil(stage.forecast.shuffled if stage.forecast else 0))
        return most


class Planner:
    """Takes stages to their seals, or to forecasts of them.

    Args:
        rates: Measured.
        encoder: "tokenizers" or "fast".
        yields: Path of a file that is not here -> bytes of text it is expected to give.

    Attributes:
        stages: Every stage so far.
    """

    def __init__(self, rates: Rates, encoder: str, yields: Mapping[str, int]) -> None:
        self._rates, self._encoder, self._yields = rates, encoder, yields
        self._recipe: Recipe | None = None
        self._blobs: dict[str, Blob] = {}
        self._known: dict[str, Sealed] = {}
        self.stages: list[Planned] = []

    def reading(self, recipe: Recipe, blobs: Sequence[Blob]) -> None:
        """Tells which files the stages to come may name."""
        self._recipe = recipe
        self._blobs = dict(zip(identities(blobs, range(len(blobs))), blobs, strict=True))

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal, or its forecast."""
        why = self._why_unknown(stage)
        found = None if why else find_sealed(stage)
        if found is not None:
            planned = Planned(stage.name, stage.tasks, stage.partitions, True, found)
        else:
            made = forecast(stage, self._given(stage, total_bytes), self._rates, self._encoder)
            why = why or why_not_sealed(stage)
            exact = not any(before.is_forecast for before in self._before(stage)) and not self._expected(stage)
            planned = Planned(stage.name, stage.tasks, stage.partitions, exact, made.sealed, why, made)
        self.stages.append(planned)
        self._known[planned.sealed.digest] = planned.sealed
        return planned.sealed

    def _before(self, stage: Stage) -> list[Sealed]:
        return [self._known[digest] for digest in stage.inputs if digest in self._known]

    def _files(self, stage: Stage) -> list[Blob]:
        return [self._blobs[identity] for identity in stage.inputs if identity in self._blobs]

    def _expected(self, stage: Stage) -> bool:
        return any(blob.path in self._yields for blob in self._files(stage))

    def _why_unknown(self, stage: Stage) -> str:
        """Why the stage has no key yet; "" when it has one."""
        runs = [before.name for before in self._before(stage) if before.is_forecast]
        if runs:
            return f"{' and '.join(runs)} {'runs' if len(runs) == 1 else 'run'} before it"
        files = self._files(stage)
        if any(blob.path in self._yields for blob in files):
            return "not all its files are here"
        return "its files are not hashed yet" if any(not blob.sha256 for blob in files) else ""

    def _given(self, stage: Stage, total_bytes: int) -> Given:
        blobs = self._files(stage)
        if self._recipe is None or not blobs:
            before = self._before(stage)
            return Given.of(before) if before else Given(bytes=total_bytes)
        entries = {entry.name: entry for entry in self._recipe.input}
        sizes: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for blob in blobs:
            name = format_of(entries[blob.input], blob.path)
            sizes[name][0] += blob.size
            sizes[name][1] += self._yielding(stage, name, blob)
        return Given(files={name: Files(size, yielding) for name, (size, yielding) in sizes.items()})

    def _yielding(self, stage: Stage, name: str, blob: Blob) -> float:
        """Bytes of a file of this format that would give the text that this one is expected to give."""
        rate = self._rates.of(stage.name).get(name)
        if blob.path not in self._yields or rate is None or not rate.text.per_byte:
            return blob.size
        return self._yields[blob.path] / rate.text.per_byte
