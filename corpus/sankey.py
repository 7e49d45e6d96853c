"""A flow picture: what enters, where it goes and what becomes of it, each ribbon as thick as it is much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from corpus.marks import WIDTH, Label
from corpus.svg import COLOURS, Drawing

_FLOW = 380.0  # unpublished: our choice; pixels that the whole takes where nothing is too thin to see
_NODE = 11.0
_LINE = 15.0  # a node and its words take at least this
_GAP = 7.0
_LEFT, _RIGHT, _WIDEST = 150.0, 190.0, 300.0  # the margins, which longer names widen so far
_CHARACTER = 7.0  # pixels that one takes in the widest of the fonts that the style sheet names


Node = tuple[int, str]
"""A node is a column's number and a name: two columns may have one of the same name."""


@dataclass(frozen=True)
class Flow:
    """So much went from a node of a column to one of the next."""

    column: int
    source: str
    target: str
    value: int

    @property
    def ends(self) -> tuple[Node, Node]:
        """Where it comes from and where it goes."""
        return (self.column, self.source), (self.column + 1, self.target)


@dataclass
class _Box:
    """Where a node stands, and how much of its two sides is taken."""

    value: int
    x: float
    y: float
    height: float
    out: float = 0.0
    into: float = 0.0

    @property
    def bottom(self) -> float:
        """Where the next may begin."""
        return self.y + max(self.height, _LINE)


def sankey(
    columns: Sequence[Sequence[str]],
    flows: Sequence[Flow],
    label: Label,
    says: str,
    styles: Mapping[Node, str] = {},
) -> Markup:
    """Ribbons from column to column.

    Args:
        columns: The names of each column's nodes from the top down.
        flows: What a node takes in and what it gives out need not be the same.
        label: A value in words.
        says: What a person who cannot see it is told.
        styles: Classes of nodes of later columns, which are grey without; the first column's are told by hue.

    Raises:
        KeyError: A flow names a node that is in no column.
    """
    nodes = [(number, name) for number, column in enumerate(columns) for name in column]
    values = _values(flows)
    words = {node: f"{node[1]} {label(values.get(node, 0))}" for node in nodes}
    boxes = _boxes(columns, values, _margins(words, len(columns) - 1))
    style = {(0, name): f"c{number % COLOURS}" for number, name in enumerate(columns[0])} | dict(styles)
    height = max((box.bottom for box in boxes.values()), default=0.0)
    drawing = Drawing(WIDTH, height + 8, says)
    order = {node: number for number, node in enumerate(nodes)}
    for flow in sorted(flows, key=lambda flow: [order[node] for node in flow.ends]):
        _ribbon(drawing, flow, boxes, style.get(flow.ends[0], "c7"), label)
    for node in nodes:
        box, first = boxes[node], node[0] == 0
        drawing.rectangle((box.x, box.y + 4, _NODE, box.height), f"node {style.get(node, 'c7')}")
        middle = box.y + box.height / 2 + 8
        beside = box.x - 7 if first else box.x + _NODE + 7
        drawing.words(beside, middle, words[node], "end" if first else "")
    return drawing.markup()


def _margins(words: Mapping[Node, str], last: int) -> tuple[float, float]:
    """What the words beside the first and the last column take."""

    def taken(at: int) -> float:
        longest = max((len(said) for (column, _), said in words.items() if column == at), default=0)
        return min(longest * _CHARACTER + 12, _WIDEST)

    return max(_LEFT, taken(0)), max(_RIGHT, taken(last) + _NODE)


def _values(flows: Sequence[Flow]) -> Mapping[Node, int]:
    """What each node holds: the greater of what it takes in and gives out."""
    into, out = Counter[Node](), Counter[Node]()
    for flow in flows:
        source, target = flow.ends
        out[source] += flow.value
        into[target] += flow.value
    return into | out


def _boxes(
    columns: Sequence[Sequence[str]], values: Mapping[Node, int], margins: tuple[float, float]
) -> dict[Node, _Box]:
    """Each column's nodes one below the other, the shorter columns in the middle."""
    totals = [sum(values.get((number, name), 0) for name in column) for number, column in enumerate(columns)]
    scale = _FLOW / (max(totals, default=0) or 1)
    left, right = margins
    step = (WIDTH - left - right - _NODE) / max(1, len(columns) - 1)
    boxes: dict[Node, _Box] = {}
    bottoms = []
    for number, column in enumerate(columns):
        y = 0.0
        for name in column:
            value = values.get((number, name), 0)
            box = boxes[number, name] = _Box(value, left + number * step, y, max(value * scale, 1.0))
            y = box.bottom + _GAP
        bottoms.append(y)
    for (number, _), box in boxes.items():
        box.y += (max(bottoms) - bottoms[number]) / 2
    return boxes


def _ribbon(drawing: Drawing, flow: Flow, boxes: Mapping[Node, _Box], style: str, label: Label) -> None:
    """A flow from its part of one node to its part of the other."""
    source, target = (boxes[node] for node in flow.ends)
    left, right = source.x + _NODE, target.x
    thick = source.height * flow.value / max(source.value, 1), target.height * flow.value / max(target.value, 1)
    top = source.y + 4 + source.out, target.y + 4 + target.into
    source.out, target.into = source.out + thick[0], target.into + thick[1]
    bottom = top[0] + max(thick[0], 0.6), top[1] + max(thick[1], 0.6)
    middle = (left + right) / 2
    steps: list[str | float] = ["M", left, top[0], "C", middle, top[0], middle, top[1], right, top[1]]
    steps += ["V", bottom[1], "C", middle, bottom[1], middle, bottom[0], left, bottom[0], "Z"]
    drawing.path(steps, f"flow {style}", f"{flow.source} to {flow.target}: {label(flow.value)}")
