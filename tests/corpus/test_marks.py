"""Charts: what they say in words is what they were given, and lengths are in proportion."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from corpus.marks import (
    Bar,
    Curve,
    Pair,
    Panel,
    Scale,
    Threshold,
    bars,
    before_after,
    curves,
    histogram,
    matrix,
    plain,
    stacked,
    ticks,
)
from corpus.sankey import Flow, sankey


def marks(drawing: Markup, tag: str) -> Iterator[ET.Element]:
    return ET.fromstring(drawing).iter(tag)


def words(drawing: Markup) -> list[str]:
    return [element.text or "" for element in marks(drawing, "text")]


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_round_ascending_and_within(low: float, length: float) -> None:
    high = low + length
    found = ticks(low, high)
    if high > low + abs(low) * 1e-6:
        assert 2 <= len(found) <= 12
        steps = [after - before for before, after in itertools.pairwise(found)]
        assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)
        slack = length * 1e-6
        assert low - slack <= found[0] and found[-1] <= high + slack


def test_a_scale_lays_numbers_along_pixels() -> None:
    assert [Scale(0, 10, 100, 200)(value) for value in (0, 5, 10)] == [100, 150, 200]
    logarithmic = Scale(1, 10_000, 0, 400, logarithmic=True)
    assert [logarithmic(value) for value in (1, 100, 10_000)] == pytest.approx([0, 200, 400])
    assert logarithmic.ticks() == [1, 10, 100, 1000, 10_000]
    assert logarithmic(0) == 0  # what is below the scale stands at its foot
    assert Scale(3, 3, 0, 9)(3) == 0


def test_numbers_on_an_axis() -> None:
    assert [plain(value) for value in (0, 0.95, 1500, 2e6, 3.5e9, 1e12)] == [
        "0",
        "0.95",
        "1,500",
        "2M",
        "3.5G",
        "1T",
    ]


def test_bars_are_as_long_as_what_they_stand_for() -> None:
    drawing = bars([Bar("a", 10, "ten"), Bar("b", 5, "five"), Bar("<c>", 0, "none")], "lengths")
    a, b, c = (float(box.get("width", "")) for box in marks(drawing, "rect"))
    assert a == pytest.approx(2 * b, abs=0.2) and 0 < c < 1
    assert words(drawing) == ["a", "ten", "b", "five", "<c>", "none"]


def test_a_histogram_colours_what_the_threshold_drops() -> None:
    edges, counts = [0.0, 1.0, 2.0, 3.0], [4, 0, 8]
    kept_above = histogram(edges, counts, ("words", "documents"), Threshold(1, "at least 1"))
    assert [(box.get("class"), box.findtext("title")) for box in marks(kept_above, "rect")] == [
        ("gone", "0 to 1: 4"),
        ("kept", "2 to 3: 8"),
    ]
    dropped_above = histogram(edges, counts, ("Jaccard", "pairs"), Threshold(2, "from 2", drops_above=True))
    assert [box.get("class") for box in marks(dropped_above, "rect")] == ["kept", "gone"]
    four, eight = (float(box.get("height", "")) for box in marks(kept_above, "rect"))
    assert eight == pytest.approx(2 * four, abs=0.2)
    assert "at least 1" in words(kept_above)


def test_curves_are_named_at_their_ends_and_no_name_covers_another() -> None:
    lines = [Curve(f"line {number}", [(0, 0), (1, 1)]) for number in range(4)]
    drawing = curves(lines, ("steps", "loss"))
    named = [element for element in marks(drawing, "text") if (element.text or "").startswith("line")]
    heights = sorted(float(element.get("y", "")) for element in named)
    assert len(named) == 4 and all(b - a >= 13 for a, b in itertools.pairwise(heights))
    assert words(curves([], ("a", "b"))) == ["nothing was measured"]


def test_a_matrix_leaves_zeros_blank() -> None:
    drawing = matrix(["a", "b"], [[0, 3], [12, 0]], "pairs")
    assert [word for word in words(drawing) if word.isdigit()] == ["3", "12"]


def test_what_went_and_what_came_stand_behind_what_stayed() -> None:
    rows = [Pair("less", 100, 75, "-25"), Pair("more", 50, 100, "+50"), Pair("same", 40, 40, "0")]
    boxes = [
        (box.get("class"), float(box.get("x", "")), float(box.get("width", "")))
        for box in marks(before_after(rows, "changes"), "rect")
    ]
    assert [style for style, _, _ in boxes] == ["c0", "gone", "c0", "kept", "c0"]
    stayed, went, was, came, same = boxes
    assert went[2] == pytest.approx(stayed[2] / 3, abs=0.2) and went[1] == pytest.approx(
        stayed[1] + stayed[2], abs=0.2
    )
    assert came[2] == pytest.approx(was[2], abs=0.2) and same[2] == pytest.approx(was[2] * 0.8, abs=0.2)


def test_the_least_change_shows() -> None:
    drawing = before_after([Pair("hardly", 1_000_001, 1_000_000, "")], "changes")
    assert [box.get("class") for box in marks(drawing, "rect") if float(box.get("width", "")) >= 1] == [
        "c0",
        "gone",
    ]


def test_ribbons_are_as_thick_as_what_flows() -> None:
    flows = [Flow(0, "a", "kept", 300), Flow(0, "a", "dropped", 100), Flow(0, "b", "kept", 100)]
    flows.append(Flow(1, "kept", "kept", 400))
    drawing = sankey([["a", "b"], ["dropped", "kept"], ["kept"]], flows, plain, "a flow")
    said = {element.findtext("title"): element for element in marks(drawing, "path")}
    assert set(said) == {"a to kept: 300", "a to dropped: 100", "b to kept: 100", "kept to kept: 400"}

    def thickness(title: str) -> float:
        steps = said[title].get("d", "").split()
        return float(steps[steps.index("V") + 1]) - float(steps[steps.index("V") - 1])

    assert thickness("a to kept: 300") == pytest.approx(3 * thickness("a to dropped: 100"), abs=0.4)
    assert words(drawing) == ["a 400", "b 100", "dropped 100", "kept 400", "kept 400"]


def test_a_long_name_has_its_room() -> None:
    short, long = "a", "no record makes such a document"
    for name, widened in ((short, False), (long, True)):
        drawing = sankey([[name], [name]], [Flow(0, name, name, 7)], plain, "a flow")
        first, last = (float(box.get("x", "")) for box in marks(drawing, "rect"))
        assert (first > 150, last < 960 - 190 - 11) == (widened, widened)
        assert min(first, 960 - last) > 7 * len(name)


def test_a_flow_leads_to_the_next_column() -> None:
    with pytest.raises(KeyError):
        sankey([["a"], ["b"], ["c"]], [Flow(0, "a", "c", 1)], plain, "a flow")


def test_nothing_flows() -> None:
    assert words(sankey([["a"], ["b"]], [], plain, "a flow")) == ["a 0", "b 0"]


def test_panels_stand_above_each_other_over_one_bottom() -> None:
    upper = Panel("loss", [Curve("loss", [(1, 4), (2, 3), (3, 2)])], band=[(1, 3, 5), (2, 2, 4), (3, 1, 3)])
    lower = Panel("rate", [Curve("rate", [(1, 0.5), (3, 1.0)])], height=100, from_zero=True)
    empty = Panel("MFU", [Curve("MFU", [])])
    drawing = stacked([upper, empty, lower], "updates", "a run", begins=[2])
    lines = {path.findtext("title"): path for path in marks(drawing, "path") if path.get("class") == "line l0"}
    loss, rate = (_points(lines[name]) for name in ("loss", "rate"))
    assert [loss[0][0], loss[2][0]] == [rate[0][0], rate[1][0]]  # of one x, above each other
    assert loss[0][1] < loss[1][1] < loss[2][1] < rate[1][1] < rate[0][1]  # up is more; the lower is lower
    assert rate[0][1] == pytest.approx((rate[1][1] + _foot(drawing)) / 2, abs=0.2)  # from 0
    (band,) = [path for path in marks(drawing, "path") if path.get("class") == "band"]
    highest, lowest = (function(y for _, y in _points(band)) for function in (min, max))
    assert lowest - highest == pytest.approx(220, abs=0.2)
    (begin,) = [path for path in marks(drawing, "path") if path.get("class") == "begin"]
    assert _points(begin)[0][0] == loss[1][0]
    assert "updates" in words(drawing) and "MFU" not in words(drawing)


def test_a_level_is_said_and_within_the_panel() -> None:
    drawing = stacked([Panel("norm", [Curve("norm", [(1, 1), (2, 2)])], level=(9, "clipped"))], "updates", "a run")
    (level,) = [path for path in marks(drawing, "path") if path.get("class") == "threshold"]
    assert _points(level)[0][1] == pytest.approx(34) and "clipped" in words(drawing)
    assert words(stacked([], "updates", "a run")) == ["nothing was measured"]
    flat = stacked([Panel("n", [Curve("n", [(1, 0)])])], "updates", "one update, and that is 0")
    assert "0" in words(flat)


def _points(path: ET.Element) -> list[tuple[float, float]]:
    steps = [step for step in path.get("d", "").split() if step not in "MLHVZ"]
    return list(zip(map(float, steps[::2]), map(float, steps[1::2]), strict=False))


def _foot(drawing: Markup) -> float:
    """Where the lowest panel ends: there the marks of the bottom begin."""
    return max(float(path.get("d", "").split()[2]) for path in marks(drawing, "path") if "v" in path.get("d", ""))
