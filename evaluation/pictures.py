"""The pictures of a report: every score with its interval, scores by shots, scores by size, and perplexities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from corpus.estimates import Bottom, Dot, DotRow, Kind, Trace, dot_rows, legend, small_chart
from corpus.marks import plain
from evaluation.beside import FAMILIES, nearest, of_family
from evaluation.intervals import Z
from evaluation.results import EstimateEntry, PublishedEntry, Results, TaskEntry
from evaluation.table import shots_of

# The page has eight colours. Two are for what others reached, so six checkpoints, or numbers of shots, are drawn.
_COLOURS: Final = (0, 1, 2, 4, 5, 6)
MOST: Final = len(_COLOURS)
_OTHERS = {"OPT": Kind("OPT, published", 3, ring=True), "GPT-3": Kind("GPT-3, published", 7, ring=True)}
_SIZES = ((1e6, "1M"), (1e7, "10M"), (1e8, "100M"), (1e9, "1B"), (1e10, "10B"), (1e11, "100B"), (1e12, "1T"))


@dataclass(frozen=True)
class Side:
    """One of the evaluations that a page shows, and what it is called there."""

    name: str
    results: Results


def sides_of(results: Sequence[Results]) -> list[Side]:
    """By size; those whose checkpoints share a name are told apart by their digests."""
    ordered = sorted(results, key=lambda one: one.checkpoint.parameters)
    names = [one.checkpoint.name for one in ordered]
    return [
        Side(name if names.count(name) == 1 else f"{name} {one.checkpoint.digest[:8]}", one)
        for name, one in zip(names, ordered, strict=True)
    ]


def tasks_of(sides: Sequence[Side]) -> dict[str, TaskEntry]:
    """Every task of any, as the first that has it tells of it."""
    found: dict[str, TaskEntry] = {}
    for side in sides:
        for task in side.results.tasks:
            found.setdefault(task.name, task)
    return found


def shots_in(sides: Sequence[Side]) -> list[int]:
    """Every number of shots of any, ascending."""
    return sorted({shots for side in sides for shots in side.results.shots()})


def scores(sides: Sequence[Side], shots: int) -> Markup:
    """A row a task: the score of each side, chance, and of each family the model nearest to the last in size."""
    kinds = _kinds(sides)
    rows = []
    for name, task in tasks_of(sides).items():
        dots = [dot for kind, side in kinds if (dot := _score(kind, side, name, shots)) is not None]
        if not dots:
            continue
        parameters = sides[-1].results.checkpoint.parameters
        others = {family: nearest(task.published, family, parameters, shots) for family in FAMILIES}
        rings = [Dot(_OTHERS[family], float(one.value)) for family, one in others.items() if one is not None]
        rows.append(DotRow(task.title, [*rings, *dots], _words(dots, task), float(task.chance)))
    return dot_rows(rows, "percent, with 95% intervals", f"scores of tasks with {shots_of(shots)}")


def _words(dots: Sequence[Dot], task: TaskEntry) -> str:
    values = [f"{dot.value:.1f}" for dot in dots]
    shown = values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
    return f"{shown}, chance {float(task.chance):.1f}"


def scores_legend(sides: Sequence[Side]) -> Markup:
    """Whose dots those are."""
    return legend([*own_kinds(sides), *(_OTHERS[family] for family in FAMILIES if _published(sides, family))])


def own_legend(sides: Sequence[Side]) -> Markup:
    """Whose dots are those that are no rings."""
    return legend(own_kinds(sides))


def own_kinds(sides: Sequence[Side]) -> list[Kind]:
    """Of the sides that are drawn."""
    return [kind for kind, _ in _kinds(sides)]


def by_shots(sides: Sequence[Side]) -> list[tuple[str, Markup]]:
    """A small chart a task that was scored with several numbers of shots, the average before all others."""
    shots, kinds = shots_in(sides), _kinds(sides)
    marks = [(float(place), str(one)) for place, one in enumerate(shots)]
    bottom = Bottom("shots", 0, max(1, len(shots) - 1), marks)
    charts = []
    for name, title, chance in _subjects(sides):
        traces = [
            Trace(
                kind, [(place, dot) for place, one in enumerate(shots) if (dot := _score(kind, side, name, one))]
            )
            for kind, side in kinds
        ]
        if any(len(trace.points) > 1 for trace in traces):
            charts.append((title, small_chart(traces, bottom, f"{title} by shots", chance)))
    return charts


def by_size(sides: Sequence[Side]) -> list[tuple[str, Markup]]:
    """A small chart a task: the score of each side by its parameters, among what others published by theirs."""
    kinds, tasks = size_kinds(sides), tasks_of(sides)
    sizes = [float(max(1, side.results.checkpoint.parameters)) for side in sides]
    curves = {
        (name, family): of_family(task.published, family, 0) for name, task in tasks.items() for family in FAMILIES
    }
    everything = sizes + [size for curve in curves.values() for size, _ in curve]
    low, high = min(everything) / 1.3, max(everything) * 1.3
    marks = [(at, words) for at, words in _SIZES if low <= at <= high]
    bottom = Bottom("parameters", low, high, marks, logarithmic=True)
    charts = []
    for name, title, chance in _subjects(sides):
        others = [
            trace for family in FAMILIES for trace in _curves(_OTHERS[family], curves.get((name, family), []))
        ]
        own = [
            Trace(
                kind,
                [
                    (size, dot)
                    for size, side in zip(sizes, sides, strict=True)
                    if (dot := _score(kind, side, name, shots))
                ],
            )
            for shots, kind in kinds.items()
        ]
        if others or any(len(trace.points) > 1 for trace in own):
            charts.append((title, small_chart([*others, *own], bottom, f"{title} by parameters", chance)))
    return charts


def _curves(kind: Kind, models: Sequence[tuple[float, PublishedEntry]]) -> list[Trace]:
    """A curve for each source: what two suites measured is not joined by a line."""
    return [
        Trace(kind, [(size, Dot(kind, float(one.value))) for size, one in models if one.source == source])
        for source in dict.fromkeys(one.source for _, one in models)
    ]


def size_kinds(sides: Sequence[Side]) -> Mapping[int, Kind]:
    """Numbers of shots by their colours."""
    return {shots: Kind(shots_of(shots), colour) for colour, shots in zip(_COLOURS, shots_in(sides), strict=False)}


def size_legend(sides: Sequence[Side]) -> Markup:
    """What the colours of the charts by size stand for."""
    published = [
        Kind(f"{family}, published, 0 shots", _OTHERS[family].colour, ring=True)
        for family in FAMILIES
        if _published(sides, family)
    ]
    return legend([*size_kinds(sides).values(), *published])


def perplexities(sides: Sequence[Side]) -> Markup:
    """A row a source: bits a byte, which alone does not depend on how a text is cut into tokens."""
    kinds = _kinds(sides)
    sources = [*dict.fromkeys(one.source for side in sides for one in side.results.perplexity)]
    rows = []
    for source in sources:
        dots = [
            _dot(kind, one.bits_per_byte)
            for kind, side in kinds
            for one in side.results.perplexity
            if one.source == source and one.bits_per_byte is not None
        ]
        rows.append(DotRow(source, dots, ", ".join(f"{dot.value:.3f}" for dot in dots[:3])))
    return dot_rows(rows, "bits a byte, with 95% intervals", "bits a byte of held-out text by source", plain)


def _kinds(sides: Sequence[Side]) -> list[tuple[Kind, Side]]:
    return [(Kind(side.name, colour), side) for colour, side in zip(_COLOURS, sides, strict=False)]


def _published(sides: Sequence[Side], family: str) -> list[PublishedEntry]:
    return [one for task in tasks_of(sides).values() for _, one in of_family(task.published, family, 0)]


_AVERAGE = ""  # the name of no task


def _subjects(sides: Sequence[Side]) -> list[tuple[str, str, float | None]]:
    """(name, title, chance) of what a chart may be of: the average of the paper's tasks, and each task."""
    tasks = [(name, task.title, float(task.chance)) for name, task in tasks_of(sides).items()]
    return [(_AVERAGE, "Average of the paper's tasks", None), *tasks]


def _score(kind: Kind, side: Side, name: str, shots: int) -> Dot | None:
    if name == _AVERAGE:
        return next(
            (
                _average(kind, one.score, one.standard_error)
                for one in side.results.averages
                if one.shots == shots and one.score is not None
            ),
            None,
        )
    entry = side.results.score(name, shots)
    return None if entry is None or entry.score is None else _dot(kind, entry.score)


def _average(kind: Kind, score: str, error: str | None) -> Dot:
    value, reach = float(score), Z * float(error or 0)
    return Dot(kind, value, *((None, None) if error is None else (value - reach, value + reach)))


def _dot(kind: Kind, found: EstimateEntry) -> Dot:
    ends = (None if end is None else float(end) for end in (found.low, found.high))
    return Dot(kind, float(found.value), *ends)
