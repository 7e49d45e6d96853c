"""Numbers drawn with their intervals: rows of dots, small charts to stand side by side, and a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from corpus.marks import WIDTH, Label, Scale, plain
from corpus.svg import COLOURS, Drawing

SMALL = 340.0  # unpublished: our choice; the width of a small chart, which is that of a card of the page
_SMALL_PLOT = 130.0
_RADIUS = 4.0
_BETWEEN = 11.0  # from one dot of a row to that below it
_ROW = 15.0
_WORDS = 200.0
_CHARACTER = 7.0  # what one takes in the widest of the fonts that the style sheet names


@dataclass(frozen=True)
class Kind:
    """Whose dots they are: a name, a colour, and whether they are rings, as what others measured is."""

    name: str
    colour: int
    ring: bool = False

    @property
    def styles(self) -> tuple[str, str]:
        """Of a dot, and of what is drawn as a line."""
        line = f"l{self.colour % COLOURS}"
        return (f"ring {line}" if self.ring else f"c{self.colour % COLOURS}"), f"line {line}"


@dataclass(frozen=True)
class Dot:
    """A number: whose, where it lies, and how far it may; no interval where `low` and `high` are None."""

    kind: Kind
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def reach(self) -> tuple[float, float]:
        """All that is drawn of it."""
        return self.value if self.low is None else self.low, self.value if self.high is None else self.high


@dataclass(frozen=True)
class DotRow:
    """A row: its name, its dots, what stands behind them in words, and a number to compare them with."""

    name: str
    dots: Sequence[Dot]
    words: str
    level: float | None = None


def legend(kinds: Sequence[Kind]) -> Markup:
    """What each colour stands for, in as many lines as they need."""
    places, x, y = [], 8.0, 14.0
    for kind in kinds:
        width = 34 + _CHARACTER * len(kind.name)
        if x + width > WIDTH and x > 8:
            x, y = 8.0, y + 20
        places.append((x, y, kind))
        x += width
    drawing = Drawing(WIDTH, y + 8, f"legend: {', '.join(kind.name for kind in kinds)}")
    for x, y, kind in places:
        _dot(drawing, x, y - 4, kind)
        drawing.words(x + 9, y, kind.name)
    return drawing.markup()


def dot_rows(rows: Sequence[DotRow], name: str, says: str, label: Label = plain) -> Markup:
    """Rows of dots over one line of numbers.

    Args:
        rows: From the top down. Dots that are no rings stand under each other, so that no interval hides another.
        name: Of what runs along the bottom.
        says: What a person who cannot see it is told.
        label: How a number of the bottom is written.
    """
    heights = [_ROW + _BETWEEN * max(1, sum(not dot.kind.ring for dot in row.dots)) for row in rows]
    foot = 6 + sum(heights)
    drawing = Drawing(WIDTH, foot + 42, says)
    values = [end for row in rows for dot in row.dots for end in dot.reach]
    values += [row.level for row in rows if row.level is not None]
    if not values:
        drawing.words(WIDTH / 2, 20, "nothing was measured", "soft middle")
        return drawing.markup()
    names = 24 + _CHARACTER * min(max(len(row.name) for row in rows), 40)
    x = _widened(min(values), max(values), (names, WIDTH - _WORDS))
    for at in x.ticks():
        drawing.path(["M", x(at), 6.0, "V", foot + 4], "axis")
        drawing.words(x(at), foot + 18, label(at), "soft middle")
    drawing.words((x.start + x.end) / 2, foot + 35, name, "soft middle")
    top = 6.0
    for row, height in zip(rows, heights, strict=True):
        _draw_row(drawing, x, row, (top, height))
        top += height
    return drawing.markup()


def _widened(low: float, high: float, ends: tuple[float, float]) -> Scale:
    """A scale with a little room at both ends, so that no dot is cut."""
    room = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
    return Scale(low - room if low < 0 or low > room else 0.0, high + room, *ends)


def _draw_row(drawing: Drawing, x: Scale, row: DotRow, box: tuple[float, float]) -> None:
    top, height = box
    middle = top + height / 2
    drawing.words(x.start - 12, middle + 4, row.name, "end")
    drawing.words(x.end + 12, middle + 4, row.words, "soft")
    if row.level is not None:
        drawing.path(["M", x(row.level), top + 2, "v", height - 4], "threshold", f"{row.name}: {row.level:g}")
    own = [dot for dot in row.dots if not dot.kind.ring]
    for dot in row.dots:
        if dot.kind.ring:
            _dot(drawing, x(dot.value), middle, dot.kind, _tip(row.name, dot))
    first = middle - _BETWEEN * (len(own) - 1) / 2
    for number, dot in enumerate(own):
        y = first + number * _BETWEEN
        if dot.low is not None and dot.high is not None:
            drawing.path(["M", x(dot.low), y, "H", x(dot.high)], dot.kind.styles[1])
        _dot(drawing, x(dot.value), y, dot.kind, _tip(row.name, dot))


def _tip(name: str, dot: Dot) -> str:
    reach = "" if dot.low is None or dot.high is None else f", {dot.low:.2f} to {dot.high:.2f}"
    return f"{name}, {dot.kind.name}: {dot.value:.2f}{reach}"


def _dot(drawing: Drawing, x: float, y: float, kind: Kind, tip: str = "") -> None:
    r = _RADIUS
    drawing.path(
        ["M", x - r, y, "a", r, r, 0.0, 1.0, 0.0, 2 * r, 0.0, "a", r, r, 0.0, 1.0, 0.0, -2 * r, 0.0, "Z"],
        kind.styles[0],
        tip,
    )


@dataclass(frozen=True)
class Trace:
    """Dots of one kind at ascending places along the bottom, joined by a line."""

    kind: Kind
    points: Sequence[tuple[float, Dot]]


@dataclass(frozen=True)
class Bottom:
    """What runs along the bottom of a small chart: its name, its range, and where it is marked with what."""

    name: str
    low: float
    high: float
    marks: Sequence[tuple[float, str]]
    logarithmic: bool = False


def small_chart(traces: Sequence[Trace], bottom: Bottom, says: str, level: float | None = None) -> Markup:
    """A chart to stand beside others of its kind.

    Args:
        traces: Later ones are painted over earlier ones.
        bottom: Shared by those beside it.
        says: What a person who cannot see it is told.
        level: A height to compare with.
    """
    top, left, right = 10.0, 40.0, 16.0
    drawing = Drawing(SMALL, top + _SMALL_PLOT + 40, says)
    values = [end for trace in traces for _, dot in trace.points for end in dot.reach]
    if not values:
        drawing.words(SMALL / 2, top + _SMALL_PLOT / 2, "nothing was measured", "soft middle")
        return drawing.markup()
    values += [] if level is None else [level]
    x = Scale(bottom.low, bottom.high, left + 10, SMALL - right, bottom.logarithmic)
    y = _widened(min(values), max(values), (top + _SMALL_PLOT, top))
    for value in y.ticks():
        drawing.path(["M", left, y(value), "H", SMALL - right + 8], "axis")
        drawing.words(left - 6, y(value) + 4, plain(value), "soft end")
    for at, words in bottom.marks:
        drawing.path(["M", x(at), y.start, "v", 4.0], "axis")
        drawing.words(x(at), y.start + 17, words, "soft middle")
    drawing.words((left + SMALL - right) / 2, y.start + 34, bottom.name, "soft middle")
    if level is not None:
        drawing.path(["M", left, y(level), "H", SMALL - right + 8], "threshold", f"{level:g}")
    for trace in traces:
        _draw_trace(drawing, x, y, trace)
    return drawing.markup()


def _draw_trace(drawing: Drawing, x: Scale, y: Scale, trace: Trace) -> None:
    line = trace.kind.styles[1]
    steps: list[str | float] = []
    for place, (at, dot) in enumerate(trace.points):
        steps += ["L" if place else "M", x(at), y(dot.value)]
    if len(trace.points) > 1:
        drawing.path(steps, line, trace.kind.name)
    for at, dot in trace.points:
        if dot.low is not None and dot.high is not None:
            drawing.path(["M", x(at), y(dot.low), "V", y(dot.high)], line)
    for at, dot in trace.points:
        _dot(drawing, x(at), y(dot.value), trace.kind, _tip("", dot).removeprefix(", "))
