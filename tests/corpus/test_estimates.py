"""Dots and their intervals: where they lie is what they were given, and nothing covers anything."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from corpus.estimates import Bottom, Dot, DotRow, Kind, Trace, dot_rows, legend, small_chart

OURS, THEIRS = Kind("ours", 0), Kind("<theirs>", 7, ring=True)


def paths(drawing: Markup, style: str) -> list[list[str]]:
    found = ET.fromstring(drawing).iter("path")
    return [path.get("d", "").split() for path in found if path.get("class") == style]


def words(drawing: Markup) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawing).iter("text")]


def centre(steps: list[str]) -> float:
    return float(steps[1]) + 4  # a circle begins at its left


def test_a_dot_lies_within_its_interval_in_proportion() -> None:
    rows = [DotRow("<copa>", [Dot(THEIRS, 70), Dot(OURS, 50, 40, 60)], "50.0", 25)]
    drawing = dot_rows(rows, "percent", "scores")
    (ring,), (dot,), (line,), (level,) = (
        paths(drawing, style) for style in ("ring l7", "c0", "line l0", "threshold")
    )
    low, high, pixels = float(line[1]), float(line[4]), centre(dot)
    assert pixels == pytest.approx((low + high) / 2, abs=0.2)
    a_point = (high - low) / 20
    assert centre(ring) == pytest.approx(pixels + 20 * a_point, abs=0.3)
    assert float(level[1]) == pytest.approx(pixels - 25 * a_point, abs=0.3)
    assert {"<copa>", "50.0", "percent"} <= set(words(drawing))
    assert "&lt;theirs&gt;: 70.00" in drawing and "ours: 50.00, 40.00 to 60.00" in drawing


def test_dots_of_one_row_stand_under_each_other() -> None:
    kinds = [Kind(str(number), number) for number in range(3)]
    drawing = dot_rows([DotRow("a", [Dot(kind, 50, 40, 60) for kind in kinds], "")] * 2, "percent", "scores")
    heights = [float(line[2]) for number in range(3) for line in paths(drawing, f"line l{number}")]
    ordered = sorted(heights)
    assert len(heights) == 6 and min(b - a for a, b in itertools.pairwise(ordered)) >= 11


def test_a_dot_without_an_interval_and_a_single_one() -> None:
    drawing = dot_rows([DotRow("a", [Dot(OURS, 50)], "")], "percent", "scores")
    assert len(paths(drawing, "c0")) == 1 and not paths(drawing, "line l0")
    for nothing in (dot_rows([], "percent", "scores"), dot_rows([DotRow("a", [], "")], "percent", "scores")):
        assert words(nothing) == ["nothing was measured"]


def test_a_small_chart_joins_what_it_is_given() -> None:
    traces = [
        Trace(THEIRS, [(1e8, Dot(THEIRS, 30))]),
        Trace(OURS, [(1e8, Dot(OURS, 20, 10, 30)), (1e10, Dot(OURS, 60))]),
    ]
    bottom = Bottom("parameters", 1e7, 1e11, [(1e8, "100M"), (1e10, "10B")], logarithmic=True)
    drawing = small_chart(traces, bottom, "by size", 25)
    joined, interval = paths(drawing, "line l0")
    (x1, y1), (x2, y2) = (tuple(map(float, joined[at : at + 2])) for at in (1, 4))
    assert x1 < x2 and y1 > y2  # more is higher
    assert float(interval[1]) == x1 and float(interval[2]) > y1 > float(interval[4])
    assert not paths(drawing, "line l7") and len(paths(drawing, "threshold")) == 1
    assert {"100M", "10B", "parameters"} <= set(words(drawing))
    dots = [centre(steps) for steps in paths(drawing, "c0")]
    assert dots == pytest.approx([x1, x2], abs=0.2)
    assert words(small_chart([Trace(OURS, [])], bottom, "by size")) == ["nothing was measured"]


def test_a_legend_breaks_into_lines() -> None:
    kinds = [Kind(f"a checkpoint with a long name {number}", number) for number in range(12)]
    drawing = legend(kinds)
    places = [(float(word.get("x", "")), float(word.get("y", ""))) for word in ET.fromstring(drawing).iter("text")]
    assert words(drawing) == [kind.name for kind in kinds]
    assert len({y for _, y in places}) > 1 and max(x for x, _ in places) < 900
    assert len(set(places)) == 12
