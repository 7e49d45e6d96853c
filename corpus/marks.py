"""The charts of every report: bars, bars before and after, a histogram with its threshold, curves, a matrix.

Each is drawn once, as it will be printed: no script redraws it, so whatever a reader needs stands in it as words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from corpus.page import count
from corpus.svg import COLOURS, Drawing

WIDTH = 960.0  # unpublished: our choice; fits the page's column
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 16.0, 34.0, 40.0
_PLOT = 220.0
_BETWEEN = 48.0  # room for a panel's name, clear of the numbers above it
_ROW = 22.0
_CHARACTER = 7.0  # what one takes in the widest of the fonts that the style sheet names

Label = Callable[[float], str]


def plain(value: float) -> str:
    """A number as an axis writes it: 0.95, 20, 1,500, 2M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers within a range, about so many: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


@dataclass(frozen=True)
class Scale:
    """A line of numbers laid along pixels; logarithmic where asked."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(max(value, self.low))
        share = (at - low) / (high - low) if high > low else 0.0
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Where its numbers stand."""
        if not self.logarithmic:
            return ticks(self.low, self.high)
        powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
        every = max(1, math.ceil(len(powers) / 8))
        return [10.0**power for power in powers][::every]


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart: its name, its length, and what stands behind it in words."""

    name: str
    value: float
    words: str
    style: str = "c0"


def bars(rows: Sequence[Bar], says: str) -> Markup:
    """Lengths side by side, each with its name and its value in words."""
    left = _room(190.0, [row.name for row in rows])
    right = _room(150.0, [row.words for row in rows])
    widest = max((row.value for row in rows), default=0) or 1
    drawing = Drawing(WIDTH, _ROW * len(rows) + 6, says)
    for number, row in enumerate(rows):
        y = number * _ROW + 3
        length = (WIDTH - left - right) * row.value / widest
        drawing.words(left - 8, y + 14, row.name, "end")
        drawing.rectangle((left, y + 2, max(length, 0.5), _ROW - 6), row.style)
        drawing.words(left + length + 6, y + 14, row.words, "soft")
    return drawing.markup()


def _room(least: float, words: Sequence[str]) -> float:
    """The pixels of a margin that words stand in: no more than leaves the bars a third."""
    return min(max(least, max(map(len, words), default=0) * _CHARACTER + 14), WIDTH / 3)


@dataclass(frozen=True)
class Pair:
    """A row of two lengths: its name, what it was and is, and what stands behind it in words."""

    name: str
    before: float
    after: float
    words: str


def before_after(rows: Sequence[Pair], says: str) -> Markup:
    """Lengths that changed: what was and is, then in another colour what went, or in a third what came."""
    left = _room(150.0, [row.name for row in rows])
    right = _room(150.0, [row.words for row in rows])
    widest = max((max(row.before, row.after) for row in rows), default=0) or 1
    scale = (WIDTH - left - right) / widest
    drawing = Drawing(WIDTH, _ROW * len(rows) + 6, says)
    for number, row in enumerate(rows):
        y = number * _ROW + 3
        both, most = (scale * value for value in sorted((row.before, row.after)))
        drawing.words(left - 8, y + 14, row.name, "end")
        drawing.rectangle((left, y + 2, max(both, 0.5), _ROW - 6), "c0")
        if most > both:  # however little it is, it shows
            style = "gone" if row.after < row.before else "kept"
            drawing.rectangle((left + both, y + 2, max(most - both, 1.5), _ROW - 6), style)
        drawing.words(left + most + 8, y + 14, row.words, "soft")
    return drawing.markup()


def _axes(drawing: Drawing, x: Scale, y: Scale, names: tuple[str, str], label_x: Label = plain) -> None:
    _upright(drawing, x, y, names[1], plain)
    _bottom(drawing, x, y.start, names[0], label_x)


def _upright(drawing: Drawing, x: Scale, y: Scale, name: str, label: Label) -> None:
    for value in y.ticks():
        drawing.path(["M", x.start, y(value), "H", x.end], "axis")
        drawing.words(x.start - 6, y(value) + 4, label(value), "soft end")
    drawing.words(8, y.end - 22, name, "soft")


def _bottom(drawing: Drawing, x: Scale, bottom: float, name: str, label: Label) -> None:
    for value in x.ticks():
        drawing.path(["M", x(value), bottom, "v", 4.0], "axis")
        drawing.words(x(value), bottom + 17, label(value), "soft middle")
    drawing.words((x.start + x.end) / 2, bottom + 34, name, "soft middle")


@dataclass(frozen=True)
class Threshold:
    """A line across a chart: where a rule cuts, in which words, and whether what lies above it is dropped."""

    at: float
    words: str
    drops_above: bool = False

    def drops(self, low: float, high: float) -> bool:
        """Whether all between two values is dropped."""
        return low >= self.at if self.drops_above else high <= self.at


def histogram(
    edges: Sequence[float],
    counts: Sequence[int],
    names: tuple[str, str],
    threshold: Threshold | None = None,
    logarithmic: bool = False,
) -> Markup:
    """How many fall between neighbouring edges; what a threshold cuts off stands in another colour.

    Args:
        edges: One more than there are counts, ascending; above 0 where the scale is logarithmic.
        counts: How many fall in each.
        names: Of what runs along the bottom, and of what is counted.
        threshold: Where a rule cuts; an edge should lie there.
        logarithmic: Whether the edges grow by factors.
    """
    drawing = Drawing(WIDTH, _TOP + _PLOT + _BOTTOM, f"{names[1]} by {names[0]}")
    x = Scale(edges[0], edges[-1], _LEFT, WIDTH - _RIGHT, logarithmic)
    y = Scale(0, max(counts, default=0) or 1, _TOP + _PLOT, _TOP)
    _axes(drawing, x, y, names)
    for low, high, found in zip(edges, edges[1:], counts, strict=False):
        dropped = threshold is not None and threshold.drops(low, high)
        box = x(low) + 0.5, y(found), max(x(high) - x(low) - 1, 0.5), y(0) - y(found)
        if found:
            drawing.rectangle(box, "gone" if dropped else "kept", f"{plain(low)} to {plain(high)}: {count(found)}")
    if threshold is not None:
        _cut(drawing, x, threshold)
    return drawing.markup()


def _cut(drawing: Drawing, x: Scale, threshold: Threshold) -> None:
    at = x(threshold.at)
    drawing.path(["M", at, _TOP - 12, "V", _TOP + _PLOT], "threshold")
    right = at > WIDTH * 0.7
    drawing.words(at + (5 if right else -5), _TOP - 16, threshold.words, "limit end" if right else "limit")


@dataclass(frozen=True)
class Curve:
    """A named line through points, in ascending x."""

    name: str
    points: Sequence[tuple[float, float]]


def curves(
    lines: Sequence[Curve],
    names: tuple[str, str],
    threshold: Threshold | None = None,
    logarithmic: bool = False,
) -> Markup:
    """Lines over one pair of axes, each named at its end.

    Args:
        lines: At most eight are told apart by colour.
        names: Of what runs along the bottom, and of what stands up.
        threshold: A place on the bottom to mark.
        logarithmic: Whether the bottom grows by factors.
    """
    drawing = Drawing(WIDTH, _TOP + _PLOT + _BOTTOM, f"{names[1]} by {names[0]}")
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    if not xs:
        drawing.words(WIDTH / 2, _TOP + _PLOT / 2, "nothing was measured", "soft middle")
        return drawing.markup()
    named = 120.0 if len(lines) > 1 else _RIGHT
    low, high = min(ys), max(ys)
    x = Scale(min(xs), max(xs), _LEFT, WIDTH - named, logarithmic)
    y = Scale(0 if 0 <= low < (high - low) else low, high if high > low else low + 1, _TOP + _PLOT, _TOP)
    _axes(drawing, x, y, names)
    _draw_lines(drawing, x, y, lines)
    if threshold is not None:
        _cut(drawing, x, threshold)
    return drawing.markup()


def _draw_lines(drawing: Drawing, x: Scale, y: Scale, lines: Sequence[Curve]) -> None:
    for number, line in enumerate(lines):
        steps: list[str | float] = []
        for place, (at, value) in enumerate(line.points):
            steps += ["L" if place else "M", x(at), y(value)]
        drawing.path(steps, f"line l{number % COLOURS}", line.name)
    if len(lines) > 1:
        _name_ends(drawing, x, y, lines)


def _name_ends(drawing: Drawing, x: Scale, y: Scale, lines: Sequence[Curve]) -> None:
    """Names from the top down in the order in which their lines end."""
    ends = [(y(line.points[-1][1]) + 4, number) for number, line in enumerate(lines) if line.points]
    taken: list[float] = []
    for wanted, number in sorted(ends):
        taken.append(_clear(wanted, taken))
        line = lines[number]
        drawing.words(x(line.points[-1][0]) + 6, taken[-1], line.name, f"c{number % COLOURS}")


@dataclass(frozen=True)
class Panel:
    """One of several charts that stand above each other over the same bottom.

    Attributes:
        name: Of what stands up.
        lines: At most eight are told apart by colour.
        band: (x, low, high) in ascending x: how far the values reach whose mean the first line is.
        level: A height to mark, and in which words.
        height: In pixels.
        label: How a value is written.
        from_zero: Whether the scale begins at 0.
    """

    name: str
    lines: Sequence[Curve]
    band: Sequence[tuple[float, float, float]] = ()
    level: tuple[float, str] | None = None
    height: float = _PLOT
    label: Label = plain
    from_zero: bool = False

    def range(self) -> tuple[float, float]:
        """The least and the greatest value drawn."""
        values = [value for line in self.lines for _, value in line.points]
        values += [value for _, low, high in self.band for value in (low, high)]
        values += [self.level[0]] if self.level else []
        low, high = min(values), max(values)
        low = 0.0 if self.from_zero else low
        return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def stacked(panels: Sequence[Panel], name: str, says: str, begins: Sequence[float] = ()) -> Markup:
    """Charts above each other whose points of one x stand above each other.

    Args:
        panels: From the top down; one without a point is left out.
        name: Of what runs along the bottom.
        says: What a person who cannot see it is told.
        begins: Places on the bottom at which something began anew; a line through all panels marks each.
    """
    panels = [panel for panel in panels if any(line.points for line in panel.lines)]
    height = sum(_BETWEEN + panel.height for panel in panels) - _BETWEEN + _TOP + _BOTTOM
    drawing = Drawing(WIDTH, height if panels else _BOTTOM, says)
    if not panels:
        drawing.words(WIDTH / 2, _BOTTOM / 2, "nothing was measured", "soft middle")
        return drawing.markup()
    xs = [x for panel in panels for line in panel.lines for x, _ in line.points]
    named = 120.0 if any(len(panel.lines) > 1 for panel in panels) else _RIGHT
    x = Scale(min(xs), max(xs), _LEFT, WIDTH - named)
    foot = _TOP - _BETWEEN
    for panel in panels:
        foot += _BETWEEN + panel.height
        _draw_panel(drawing, x, panel, foot)
    for at in begins:
        drawing.path(["M", x(at), _TOP, "V", foot], "begin")
    _bottom(drawing, x, foot, name, plain)
    return drawing.markup()


def _draw_panel(drawing: Drawing, x: Scale, panel: Panel, foot: float) -> None:
    y = Scale(*panel.range(), foot, foot - panel.height)
    _upright(drawing, x, y, panel.name, panel.label)
    if panel.band:
        there = [step for at, _, high in panel.band for step in ("L", x(at), y(high))]
        back = [step for at, low, _ in reversed(panel.band) for step in ("L", x(at), y(low))]
        drawing.path(["M", *there[1:], *back, "Z"], "band", "least and greatest")
    if panel.level is not None:
        value, words = panel.level
        drawing.path(["M", x.start, y(value), "H", x.end], "threshold")
        below = y(value) > foot - panel.height / 2  # there the line is the floor of what is drawn, mostly
        drawing.words(x.end - 4, y(value) + (14 if below else -5), words, "limit end")
    _draw_lines(drawing, x, y, panel.lines)


def _clear(y: float, taken: Sequence[float]) -> float:
    """The nearest place below for a word that covers none of those that stand."""
    for other in sorted(taken):
        if abs(other - y) < 13:
            y = other + 13
    return y


def matrix(names: Sequence[str], values: Sequence[Sequence[int]], says: str) -> Markup:
    """Counts of pairs: a row and a column each name, the darker the more; 0 is left blank."""
    left, cell = 150.0, 46.0
    most = max((value for row in values for value in row), default=0) or 1
    drawing = Drawing(left + cell * len(names) + 4, 70 + _ROW * len(names), says)
    for number, name in enumerate(names):
        drawing.words(left - 8, 70 + number * _ROW + 15, name, "end")
        drawing.words(left + cell * (number + 0.5), 62 - 15 * (number % 3), name[:14], "soft middle")
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            box = left + column * cell, 70 + row * _ROW, cell - 2, _ROW - 2
            drawing.rectangle(box, "heat", shade=0.04 + 0.56 * math.sqrt(value / most) if value else 0.04)
            if value:
                drawing.words(box[0] + cell / 2 - 1, box[1] + 14, plain(value), "middle")
    return drawing.markup()
