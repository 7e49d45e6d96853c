"""A driver that only looks: the one definition of the pipeline, driven to its end without running anything.

A stage that is sealed gives its seal. One that is not gives a forecast, and what depends on a forecast has no key
yet: it will be looked for when the build comes to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from corpus.source import Blob
from pipelines.planning.forecast import Forecast, forecast
from pipelines.planning.lineage import Lineage
from pipelines.planning.rates import Rates
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

    def requests(self, spilling: bool) -> tuple[int, int]:
        """Requests to an object store: (that write, that read).

        Written are parts, markers and the seal, and every task reads its input. Where rows are exchanged through
        files, every map task writes a spill, and every reduce task reads of each the index and its rows.
        """
        tasks = self.tasks + self.partitions
        spills = self.tasks if self.partitions and spilling else 0
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
        lineage: Knows the files.
        encoder: "tokenizers" or "fast".
        yields: Path of a file that is not here -> bytes of text it is expected to give, or None.

    Attributes:
        stages: Every stage so far.
    """

    def __init__(self, rates: Rates, lineage: Lineage, encoder: str, yields: Mapping[str, int | None]) -> None:
        self._rates, self._lineage, self._encoder, self._yields = rates, lineage, encoder, yields
        self.stages: list[Planned] = []

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal, or its forecast."""
        why = self._why_unknown(stage)
        found = None if why else find_sealed(stage)
        if found is not None:
            planned = Planned(stage.name, stage.tasks, stage.partitions, True, found)
        else:
            given = self._lineage.given(stage, total_bytes, partial(self._yielding, stage))
            made = forecast(stage, given, self._rates, self._encoder)
            why = why or why_not_sealed(stage)
            foreseen = any(before.is_forecast for before in self._lineage.before(stage))
            exact = not foreseen and not self._absent(stage)
            planned = Planned(stage.name, stage.tasks, stage.partitions, exact, made.sealed, why, made)
        self.stages.append(planned)
        self._lineage.stages[planned.sealed.digest] = planned.sealed
        return planned.sealed

    def _absent(self, stage: Stage) -> bool:
        return any(blob.path in self._yields for blob in self._lineage.files_of(stage))

    def _why_unknown(self, stage: Stage) -> str:
        """Why the stage has no key yet; "" when it has one."""
        runs = [before.name for before in self._lineage.before(stage) if before.is_forecast]
        if runs:
            return f"after {', '.join(runs)}"
        if self._absent(stage):
            return "not all its files are here"
        hashed = all(blob.sha256 for blob in self._lineage.files_of(stage))
        return "" if hashed else "its files are not hashed yet"

    def _yielding(self, stage: Stage, name: str, blob: Blob) -> float:
        """Bytes of a file of this format that would give the text that this one is expected to give."""
        rate, text = self._rates.of(stage.name).get(name), self._yields.get(blob.path)
        return blob.size if text is None or rate is None or not rate.text.per_byte else text / rate.text.per_byte
