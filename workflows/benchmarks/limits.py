"""The picture of `kernels.py`: what each step of a build does a second, beside its limits and its peers.

One bar a way to do a step, on one logarithmic axis; every bar bears its name and its number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from corpus.marks import Scale, plain
from corpus.svg import Drawing

WIDTH, LEFT, RIGHT = 800.0, 288.0, 52.0
ROW, BAR, GAP, TOP, BOTTOM = 19.0, 13.0, 26.0, 56.0, 34.0

# Okabe and Ito's, as the reports have them, on white wherever it is seen; numbers as figures of one width.
STYLE = """
svg { font: 12px system-ui, "Liberation Sans", "DejaVu Sans", sans-serif; }
text { fill: #1c1d20; font-variant-numeric: tabular-nums; } .soft { fill: #62656c; } .end { text-anchor: end; }
.middle { text-anchor: middle; fill: #62656c; } .title { font-size: 15px; font-weight: 650; }
.part { font-weight: 650; } .axis { stroke: #e4e4de; fill: none; }
.ground { fill: #fff; } .limit { fill: #b4b6ba; } .ours { fill: #0072b2; } .other { fill: #e69f00; }
"""
KEY = ((500.0, "limit", "what bounds us"), (634.0, "ours", "ours"), (704.0, "other", "others"))
Bar = tuple[str, str, str, float]


def picture(bars: Sequence[Bar]) -> str:
    """The drawing as a file of its own.

    Args:
        bars: (step, who, "limit", "ours" or "other", MB of text a CPU-second), those of a step together.
    """
    parts = [(name, list(rows)) for name, rows in itertools.groupby(bars, key=lambda bar: bar[0])]
    height = TOP + len(parts) * GAP + len(bars) * ROW + BOTTOM
    drawing = Drawing(WIDTH, height, "Megabytes of text a CPU-second: " + "; ".join(map(_said, bars)))
    rates = [rate for *_, rate in bars]
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    scale = Scale(10.0**low, 10.0**high, LEFT, WIDTH - RIGHT, logarithmic=True)
    drawing.rectangle((0, 0, WIDTH, height), "ground")
    drawing.words(12, 22, "Megabytes of text a CPU-second, one core", "title")
    _key(drawing)
    foot = height - BOTTOM
    for value in scale.ticks():
        drawing.path(["M", scale(value), TOP, "V", foot], "axis")
        drawing.words(scale(value), foot + 16, plain(value), "middle")
    y = TOP
    for part, rows in parts:
        drawing.words(12, y + GAP - 8, part[:1].upper() + part[1:], "part")
        y += GAP
        for _, who, side, rate in rows:
            drawing.words(LEFT - 8, y + BAR - 2, who, "end")
            drawing.rectangle((LEFT, y, scale(rate) - LEFT, BAR), side, f"{who}: {figures(rate)} MB a CPU-second")
            drawing.words(scale(rate) + 5, y + BAR - 2, figures(rate))
            y += ROW
    return drawing.file(STYLE)


def _key(drawing: Drawing) -> None:
    for x, side, words in KEY:
        drawing.rectangle((x, 12, BAR, BAR), side)
        drawing.words(x + BAR + 6, 23, words, "soft")


def figures(value: float) -> str:
    """A number as far as it can be trusted: 14,100, 284, 5.1, 0.47."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _said(bar: Bar) -> str:
    part, who, _, rate = bar
    return f"{part}, {who}: {figures(rate)}"
