"""The pipelines of two corpora as one line of stages: which say something else, and from which that flows.

The stages stand one below the other in their order; an arc leads from each to those that read it, and is coloured
where it carries a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from corpus.marks import WIDTH
from corpus.svg import Drawing
from pipelines.auditing.difference import Difference
from pipelines.auditing.side import DECIDING, Side
from pipelines.auditing.stage_changes import StageChange, in_order

_ROW, _LINE = 25.0, 150.0  # unpublished: our choice; a stage's height, and where the line of stages stands
_NAMES, _WORDS = _LINE + 18, _LINE + 120
_NEAR, _FAR = 14.0, 128.0  # how far an arc swings out: over one stage more, and at most


@dataclass(frozen=True)
class Station:
    """A stage as it stands in the two corpora.

    Attributes:
        keys: Its keys; "" in the corpus that does not have it.
        rows: Of all its parts, likewise.
        change: What differs in its rules or rows; None where nothing does.
        reads: The earlier stages that it reads in either.
        causes: What explains that its rows differ, the likeliest first.
    """

    name: str
    keys: tuple[str, str]
    rows: tuple[int, int]
    change: StageChange | None
    reads: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether its rows do, or one of the two does not have it."""
        return self.change is not None and bool(self.change.parts or not all(self.change.present))

    @property
    def says(self) -> str:
        """What became of it, in a few words."""
        if self.change is None:
            return "the same" if self.keys[0] == self.keys[1] else "another key, the same rows"
        if not self.differs:
            return f"the same rows under another rule: {self.change.rules[0]}"
        if not all(self.change.present):
            return f"{'a' if self.change.present[0] else 'b'} alone has it"
        if not self.causes:
            return "nothing recorded explains it"
        if not self.change.files and not self.change.rules and self.change.after:
            return f"follows from {', '.join(self.change.after)}"
        more = len(self.causes) - 1
        return self.causes[0] + (f", and {more:,} more" if more else "")


def stations(found: Difference, first: Side, second: Side) -> list[Station]:
    """Every stage of either corpus, in the order of the pipeline.

    Raises:
        SourceError: A stage's seal is missing.
    """
    changed = {change.name: change for change in found.stages}
    machinery = [change for change in found.environment if change.key.split(".")[0] in DECIDING]
    sides = first, second
    entries = [{stage.name: stage for stage in side.manifest.stages} for side in sides]
    reads = [_reads(side) for side in sides]
    gathered = []
    for name in in_order(first, second):
        one, other = (side.get(name) for side in entries)
        change = changed.get(name)
        gathered.append(
            Station(
                name=name,
                keys=(one.key if one else "", other.key if other else ""),
                rows=(
                    sum(part.rows for part in one.parts) if one else 0,
                    sum(part.rows for part in other.parts) if other else 0,
                ),
                change=change,
                reads=tuple(dict.fromkeys(stage for side in reads for stage in side.get(name, ()))),
                causes=change.causes(found.recipe, machinery) if change is not None else (),
            )
        )
    return gathered


def _reads(side: Side) -> Mapping[str, Sequence[str]]:
    """The earlier stages that each stage of a corpus reads: its seal names them by what they say."""
    named: dict[str, str] = {}
    reads = {}
    for stage in side.manifest.stages:
        sealed = side.sealed(stage.name)
        reads[stage.name] = [named[text] for text in sealed.inputs if text in named]
        named[sealed.digest] = stage.name  # of those that say the same, which is nothing, the nearest is read
    return reads


def picture(line: Sequence[Station]) -> Markup:
    """The line of stages with its arcs, the first that differs ringed."""
    drawing = Drawing(
        WIDTH, _ROW * len(line) + 8, "the stages of both corpora, and from which their difference flows"
    )
    place = {station.name: _ROW * (number + 0.5) + 4 for number, station in enumerate(line)}
    differing = [station.name for station in line if station.differs]
    for carries in (False, True):  # what carries a difference is painted over what does not
        for station in line:
            for read in station.reads:
                if carries == (station.differs and read in differing):
                    _arc(drawing, (place[read], place[station.name]), carries, f"{station.name} reads {read}")
    for station in line:
        y, first = place[station.name], station.name in differing[:1]
        _dot(drawing, y, 6.0 if station.differs else 4.0, "node c5" if station.differs else "node c7")
        if first:
            _dot(drawing, y, 10.0, "line l5")
        drawing.words(_NAMES, y + 4, station.name, "" if station.differs else "soft")
        said = f"first divergence: {station.says}" if first else station.says
        drawing.words(_WORDS, y + 4, said, "limit" if first else "" if station.differs else "soft")
    return drawing.markup()


def _arc(drawing: Drawing, ends: tuple[float, float], carries: bool, tip: str) -> None:
    high, low = ends
    out = _LINE - min(_NEAR * ((low - high) / _ROW - 1), _FAR) * 4 / 3  # a cubic comes three quarters as far
    drawing.path(["M", _LINE, high, "C", out, high, out, low, _LINE, low], "line l5" if carries else "axis", tip)


def _dot(drawing: Drawing, y: float, radius: float, style: str) -> None:
    steps: list[str | float] = ["M", _LINE - radius, y]
    for way in (2 * radius, -2 * radius):
        steps += ["a", radius, radius, 0.0, 1.0, 0.0, way, 0.0]
    drawing.path([*steps, "Z"], style)
