"""Measured rates: what every stage takes and makes for what it is given, read from a results file.

No rate stands in code. workflows/benchmarks/rates.py measures them on real builds and writes the file; what it did
not measure is unknown and is said to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final, Literal

import msgspec

from corpus.errors import RecipeError
from corpus.recipe import Input

SCHEMA: Final = "tokentrail/rates/1"
REMEDY: Final = "measure with `python workflows/benchmarks/rates.py`, or name another file with --rates"
_CONTAINERS: Final = frozenset({".zst", ".gz", ".bz2", ".xz"})


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A quantity that grows with what a stage is given: `start + per_row * rows + per_byte * bytes`."""

    start: float = 0.0
    per_row: float = 0.0
    per_byte: float = 0.0

    def at(self, rows: float, size: float) -> float:
        """The quantity for so many rows and bytes, without what is paid once."""
        return self.per_row * rows + self.per_byte * size


class PartRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts of one ending that a stage writes.

    Attributes:
        kind: Which of its tasks write them.
        numbered: Whether a task writes one for every block it fills.
        rows: Of all of them.
        bytes: As they lie in the store.
    """

    kind: Literal["map", "reduce"]
    numbered: bool
    rows: Line
    bytes: Line


class Rate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stage takes and makes.

    A stage that reads raw files is given their bytes as they lie on disk. Any other is given what the stages it
    names wrote: the records and texts of blocks, or where these hold no blocks all their rows and bytes.

    Attributes:
        cpu_seconds: Of one core of the machine that was measured; `start` is paid once by each process.
        read: Bytes from files and parts, what was shuffled apart.
        shuffled: Bytes of its exchange, packed.
        text: Bytes of normalised UTF-8 text in the blocks it writes.
        parts: By the ending of their names.
    """

    cpu_seconds: Line = Line()
    read: Line = Line()
    shuffled: Line = Line()
    text: Line = Line()
    parts: dict[str, PartRate] = {}


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A results file.

    Attributes:
        measured: Machine, versions, date and inputs, for people.
        stages: Stage -> variant -> rate. The variant is the format of the files a stage reads, for `encode` the
            encoder, and "" for every other stage.
    """

    schema: str
    measured: dict[str, str]
    stages: dict[str, dict[str, Rate]]

    def of(self, stage: str) -> Mapping[str, Rate]:
        """The rates of a stage, by variant.

        Raises:
            RecipeError: The stage was not there when they were measured.
        """
        if stage not in self.stages:
            raise RecipeError("a stage was never measured", where=f"stage {stage}", remedy=REMEDY)
        return self.stages[stage]


def format_of(entry: Input, path: str) -> str:
    """How a file is read, as far as it moves the rate: `pile .zst`, `cc-news by trafilatura .gz`, `text`."""
    reader = entry.reader if entry.extractor == "resiliparse" else f"{entry.reader} by {entry.extractor}"
    suffix = PurePosixPath(path).suffix.lower()
    return f"{reader} {suffix}" if suffix in _CONTAINERS else reader


def load_rates(path: str) -> Rates:
    """Reads a results file.

    Raises:
        RecipeError: There is none, or it is not one of this version.
    """
    try:
        with open(path, "rb") as file:
            rates = msgspec.json.decode(file.read(), type=Rates)
    except FileNotFoundError as error:
        raise RecipeError("there is no such file of rates", where=path, remedy=REMEDY) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"the file of rates cannot be read: {error}", where=path, remedy=REMEDY) from error
    if rates.schema != SCHEMA:
        raise RecipeError(f"the rates are {rates.schema}, not {SCHEMA}", where=path, remedy=REMEDY)
    return rates
