"""A flow picture: what enters, where it goes and what becomes of it, each ribbon as thick as it is much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from corpus.marks import WIDTH, Label
from corpus.svg import COLOURS, Drawing

_FLOW = 380.0  # unpublished: our choice; pixels that the whole takes where nothing is too thin to see
_NODE = 11.0
_LINE = 15.0  # a node and its words take at least this
_GAP = 7.0
_LEFT, _RIGHT = 150.0, 190.0


@dataclass(frozen=True)
class Flow:
    """So much went from a node of one column to a node of the next."""

    source: str
    target: str
    value: int


@dataclass
class _Node:
    """A node, and how much of its two sides is taken."""

    name: str
    value: int
    y: float
    height: float
    out: float = 0.0
    into: float = 0.0


def sankey(
    columns: Sequence[Sequence[str]],
    flows: Sequence[Flow],
    label: Label,
    says: str,
    styles: Mapping[str, str] = {},
) -> Markup:
    """Ribbons from column to column.

    Args:
        columns: The names of each column's nodes from the top down; no name stands in two columns.
        flows: Between neighbouring columns; what a node takes in and gives out need not be the same.
        label: A value in words.
        says: What a person who cannot see it is told.
        styles: Classes of nodes of later columns, which are grey without; the first column's are told by hue.

    Raises:
        ValueError: A flow does not lead from one column to the next.
    """
    place = {name: number for number, column in enumerate(columns) for name in column}
    for flow in flows:
        if place[flow.target] != place[flow.source] + 1:
            raise ValueError(f"{flow.source} and {flow.target} are no neighbours")
    values = _values(flows)
    whole = max((sum(values[name] for name in column) for column in columns), default=0) or 1
    nodes = {node.name: node for column in columns for node in _stack(column, values, _FLOW / whole)}
    height = max((node.y + max(node.height, _LINE) for node in nodes.values()), default=0.0)
    for column in columns:  # the shorter ones stand in the middle
        bottom = max((nodes[name].y + max(nodes[name].height, _LINE) for name in column), default=0.0)
        for name in column:
            nodes[name].y += (height - bottom) / 2
    drawing = Drawing(WIDTH, height + 8, says)
    step = (WIDTH - _LEFT - _RIGHT - _NODE) / max(1, len(columns) - 1)
    colour = {name: f"c{number % COLOURS}" for number, name in enumerate(columns[0])} | dict(styles)
    x = {name: _LEFT + place[name] * step for name in nodes}
    order = {name: (place[name], number) for column in columns for number, name in enumerate(column)}
    for flow in sorted(flows, key=lambda flow: (order[flow.source], order[flow.target])):
        _ribbon(drawing, flow, (nodes[flow.source], nodes[flow.target]), x, colour.get(flow.source, "c7"), label)
    for name, node in nodes.items():
        drawing.rectangle((x[name], node.y + 4, _NODE, node.height), f"node {colour.get(name, 'c7')}")
        middle = node.y + max(node.height, _LINE) / 2 + 8 if node.height > _LINE else node.y + node.height / 2 + 8
        words = f"{name} {label(node.value)}"
        first = place[name] == 0
        drawing.words(x[name] - 7 if first else x[name] + _NODE + 7, middle, words, "end" if first else "")
    return drawing.markup()


def _values(flows: Sequence[Flow]) -> Mapping[str, int]:
    """What each node holds: the greater of what it takes in and gives out."""
    into: defaultdict[str, int] = defaultdict(int)
    out: defaultdict[str, int] = defaultdict(int)
    for flow in flows:
        out[flow.source] += flow.value
        into[flow.target] += flow.value
    return defaultdict(int, {name: max(into[name], out[name]) for name in into.keys() | out.keys()})


def _stack(column: Sequence[str], values: Mapping[str, int], scale: float) -> list[_Node]:
    """A column's nodes, one below the other."""
    stacked, y = [], 0.0
    for name in column:
        height = max(values[name] * scale, 1.0)
        stacked.append(_Node(name, values[name], y, height))
        y += max(height, _LINE) + _GAP
    return stacked


def _ribbon(
    drawing: Drawing, flow: Flow, ends: tuple[_Node, _Node], x: Mapping[str, float], colour: str, label: Label
) -> None:
    """A flow from its part of one node to its part of the other."""
    source, target = ends
    left, right = x[source.name] + _NODE, x[target.name]
    thick = source.height * flow.value / max(source.value, 1), target.height * flow.value / max(target.value, 1)
    top = source.y + 4 + source.out, target.y + 4 + target.into
    source.out, target.into = source.out + thick[0], target.into + thick[1]
    bottom = top[0] + max(thick[0], 0.6), top[1] + max(thick[1], 0.6)
    middle = (left + right) / 2
    steps: list[str | float] = ["M", left, top[0], "C", middle, top[0], middle, top[1], right, top[1]]
    steps += ["V", bottom[1], "C", middle, bottom[1], middle, bottom[0], left, bottom[0], "Z"]
    drawing.path(steps, f"flow {colour}", f"{flow.source} to {flow.target}: {label(flow.value)}")
