"""Geometry of a topology: columns by what follows what, lanes by service. Pure; in pixels."""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct

from duetto.drawing.layout import Box, Point, wide
from duetto.model.topology import Topology, Verb

HEIGHT, GAP = 30.0, 12.0
BEND = 4.0
"""The height of the place where a long line passes through a column."""
COLUMN_GAP = 46.0
LANE_HEAD, LANE_PADDING = 22.0, 12.0
TOP = 48.0
LOOP = 14.0
"""The distance of the lines that lead back, below the lanes."""

OUTSIDE = "outside"


class Mark(Struct, frozen=True):
    """What is drawn: a part, an event, or the place where a line passes through a column."""

    name: str
    kind: str
    label: str
    lane: str
    column: int


class Wire(Struct, frozen=True):
    """A line from mark to mark; where it leads `back`, it runs below the lanes."""

    source: str
    target: str
    verb: Verb
    points: tuple[Point, ...]
    back: bool


class Plan(Struct, frozen=True):
    width: float
    height: float
    lanes: dict[str, Box]
    marks: dict[str, Mark]
    boxes: dict[str, Box]
    wires: tuple[Wire, ...]


Edge = tuple[str, str, Verb]
Span = tuple[float, float]


def plan(topology: Topology) -> Plan:
    """Return where everything stands: the same for the same topology."""
    edges = _edges(topology)
    forward, back = _apart(edges)
    columns = _columns([*_lanes_of(topology)], forward)
    marks = {
        name: Mark(name, kind, label, lane, columns[name])
        for name, (kind, label, lane) in _lanes_of(topology).items()
    }
    chains = {edge: _chain(edge, marks) for edge in forward}
    names = [*dict.fromkeys(mark.lane for mark in marks.values())]
    names.sort(key=lambda lane: (lane != OUTSIDE, _first(lane, topology)))
    spans = _spans(marks)
    lanes, boxes, height = _placed(marks, names, spans)
    width = spans[-1][1] + COLUMN_GAP
    ways = {name: (boxes[name], spans[mark.column]) for name, mark in marks.items()}
    wires = [Wire(*edge, _points(chains[edge], ways), False) for edge in forward]
    for number, edge in enumerate(back):
        below = height + LOOP * (number + 1)
        wires.append(Wire(*edge, _around(ways[edge[0]], ways[edge[1]], below, number), True))
    height += LOOP * (len(back) + 1) if back else 0
    return Plan(width, height, lanes, marks, boxes, tuple(wires))


def event_mark(topic: str) -> str:
    """Return the name of an event's mark, which no part has."""
    return f"({topic})"


def _first(lane: str, topology: Topology) -> int:
    services = [part.service or topology.app for part in topology.parts]
    return services.index(lane) if lane in services else len(services)


def _lanes_of(topology: Topology) -> dict[str, tuple[str, str, str]]:
    """Return kind, label and lane of all: an event stands with its first publisher."""
    found: dict[str, tuple[str, str, str]] = {}
    service = {part.name: part.service or topology.app for part in topology.parts}
    for topic in topology.topics:
        publishers = topology.publishers(topic)
        lane = service[publishers[0]] if publishers else OUTSIDE
        found[event_mark(topic)] = ("event", topic, lane)
    for part in topology.parts:
        found[part.name] = (part.kind, part.short, service[part.name])
    return found


def _edges(topology: Topology) -> list[Edge]:
    return [
        (link.part, event_mark(link.topic), link.verb)
        if link.verb == "publishes"
        else (event_mark(link.topic), link.part, link.verb)
        for link in topology.links
    ]


def _apart(edges: list[Edge]) -> tuple[list[Edge], list[Edge]]:
    """Return the edges that lead on, and those that lead back to where they came from.

    Without the latter nothing is a cycle: walked depth first, from what nothing leads to.
    """
    onward: dict[str, list[Edge]] = {}
    for edge in edges:
        onward.setdefault(edge[0], []).append(edge)
    targets = {edge[1] for edge in edges}
    starts = sorted(onward, key=lambda name: (name in targets, name))
    done, back = set[str](), set[Edge]()
    for start in starts:
        _walk(start, onward, done, back)
    return [edge for edge in edges if edge not in back], [edge for edge in edges if edge in back]


def _walk(start: str, onward: dict[str, list[Edge]], done: set[str], back: set[Edge]) -> None:
    open_now = {start: None}
    stack = [(start, iter(onward.get(start, [])))]
    while stack:
        at, rest = stack[-1]
        edge = next(rest, None)
        if edge is None:
            done.add(at)
            del open_now[at]
            stack.pop()
        elif edge[1] in open_now:
            back.add(edge)
        elif edge[1] not in done:
            open_now[edge[1]] = None
            stack.append((edge[1], iter(onward.get(edge[1], []))))


def _columns(names: list[str], forward: list[Edge]) -> dict[str, int]:
    """Return the column of each: one behind the last of those that lead to it."""
    columns = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for source, target, _verb in forward:
            if columns[target] <= columns[source]:
                columns[target] = columns[source] + 1
                moved = True
        if not moved:
            break
    return columns


def _chain(edge: Edge, marks: dict[str, Mark]) -> list[str]:
    """Return the marks of a line, with a bend in each column that it passes through."""
    source, target = marks[edge[0]], marks[edge[1]]
    chain = [source.name]
    for column in range(source.column + 1, target.column):
        name = f"{source.name} … {target.name} {column}"
        marks[name] = Mark(name, "bend", "", target.lane, column)
        chain.append(name)
    return [*chain, target.name]


def _spans(marks: dict[str, Mark]) -> list[Span]:
    """Return left and right of each column."""
    widths = [0.0] * (max((mark.column for mark in marks.values()), default=0) + 1)
    for mark in marks.values():
        widths[mark.column] = max(widths[mark.column], _width(mark))
    spans: list[Span] = []
    for width in widths:
        left = spans[-1][1] + COLUMN_GAP if spans else COLUMN_GAP
        spans.append((left, left + width))
    return spans


def _placed(
    marks: dict[str, Mark], names: list[str], spans: list[Span]
) -> tuple[dict[str, Box], dict[str, Box], float]:
    """Stack the marks of each lane and column, and return lanes, boxes and height."""
    lanes, boxes, y = dict[str, Box](), dict[str, Box](), TOP
    for name in names:
        bottoms = [y + LANE_HEAD] * len(spans)
        for mark in (mark for mark in marks.values() if mark.lane == name):
            top, (left, right) = bottoms[mark.column], spans[mark.column]
            # A line passes through the whole column, and bends beside it only.
            width = right - left if mark.kind == "bend" else _width(mark)
            height = BEND if mark.kind == "bend" else HEIGHT
            boxes[mark.name] = Box((left + right - width) / 2, top, width, height)
            bottoms[mark.column] = top + height + GAP
        bottom = max([*bottoms, y + LANE_HEAD + HEIGHT + GAP]) + LANE_PADDING - GAP
        lanes[name] = Box(0, y, spans[-1][1] + COLUMN_GAP, bottom - y)
        y = bottom + 4
    return lanes, boxes, y


def _width(mark: Mark) -> float:
    return 0.0 if mark.kind == "bend" else wide(mark.label, 12.5) + 28


def _points(chain: list[str], ways: dict[str, tuple[Box, Span]]) -> tuple[Point, ...]:
    """Return a line that changes its height in the gaps between columns only."""
    points: list[Point] = []
    for one, other in pairwise(chain):
        (start, (_, right)), (end, (left, _)) = ways[one], ways[other]
        y1, y2 = start.y + start.height / 2, end.y + end.height / 2
        points += [(start.x + start.width, y1), (right, y1), (left, y2), (end.x, y2)]
    return tuple(dict.fromkeys(points))


def _around(
    source: tuple[Box, Span], target: tuple[Box, Span], below: float, number: int
) -> tuple[Point, ...]:
    """Return a line that leads back, below all lanes."""
    (start, (_, right)), (end, (left, _)) = source, target
    aside = 10.0 + 4.0 * (number % 4)
    y1, y2 = start.y + start.height / 2, end.y + end.height / 2
    return (
        *((start.x + start.width, y1), (right + aside, y1), (right + aside, below)),
        *((left - aside, below), (left - aside, y2), (end.x, y2)),
    )
