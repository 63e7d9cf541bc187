"""Geometry: items and paths as boxes and lines. Pure; all sizes are in pixels.

Rows and lanes are the same in every panel, so that tasks stay in their places. Between two rows
is a gap, in which the horizontal parts of paths lie one above the other, on levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from msgspec import Struct

from duetto.drawing.figure import Edge, Figure, Item, Kind
from duetto.drawing.panel import Panel, Path
from duetto.drawing.spelling import wrapped

TASK_HEIGHT, UNDO_HEIGHT = 28.0, 17.0
TASK_WIDTH_MIN = 60.0
GAP_MIN = 20.0
LEVEL, LINE = 12.0, 12.5
ARROW = 11.0
"""Below the last level of a gap there is room for an arrow's head."""
TRACK = 26.0
LANE_PADDING = 7.0
APP_LANE = 62.0
BRACKET = 15.0
HEADER = 72.0
CLEAR = 9.0
"""Two lines, or a line and a shape, that are nearer than this would look like one."""

WORDS_MAX = 20
"""Characters of a line of a label: about the distance of two lanes."""

Point = tuple[float, float]


def wide(text: str, size: float) -> float:
    """Return about how wide a text is in a sans-serif face."""
    return len(text) * size * 0.56


class Box(Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float


class Line(Struct, frozen=True):
    """A path as a line; its label stands above (`label_x`, `label_y`), its last line lowest."""

    path: Path
    points: tuple[Point, ...]
    label: tuple[str, ...] = ()
    label_x: float = 0
    label_y: float = 0


class Layout(Struct, frozen=True):
    """A panel with coordinates: `x` is its left edge. `boxes` has each item at its station, and
    `homes` the box of each task at its service."""

    panel: Panel
    x: float
    width: float
    height: float
    lanes: dict[str, Box]
    boxes: tuple[Box, ...]
    homes: dict[int, Box]
    lines: tuple[Line, ...]


class Columns(Struct, frozen=True):
    """The lanes of every panel, from its left edge on."""

    names: tuple[str, ...]
    left: dict[str, float]
    width: dict[str, float]
    gutter: float
    total: float

    def middle(self, name: str) -> float:
        return self.left[name] + self.width[name] / 2


def columns(figure: Figure, names: list[str]) -> Columns:
    """Return lanes as wide as what stands in them."""
    depth = max((bracket.depth + 1 for bracket in figure.brackets), default=0)
    gutter = depth * BRACKET
    left, width, at = dict[str, float](), dict[str, float](), gutter
    for name in names:
        tasks = [task_width(item) for item in figure.items if item.service == name]
        least = APP_LANE if name == names[0] else TASK_WIDTH_MIN
        tracks = max((abs(item.track) for item in figure.items), default=0) * 2 * TRACK + 40
        room = tracks if name == names[0] else 0
        width[name] = max(least, wide(name, 11.5) + 12, room, *tasks) + 2 * LANE_PADDING
        left[name] = at
        at += width[name]
    return Columns(tuple(names), left, width, gutter, at)


class Leg(Struct):
    """A horizontal part of a path in a gap: it gets its level last."""

    gap: int
    x1: float
    x2: float
    source: int
    target: int
    words: tuple[str, ...] = ()
    level: int = 0

    @property
    def height(self) -> float:
        return LEVEL + LINE * len(self.words)

    def span(self) -> tuple[float, float]:
        low, high = min(self.x1, self.x2), max(self.x1, self.x2)
        middle, half = self.label()
        return min(low, middle - half), max(high, middle + half)

    def label(self) -> Point:
        """Return the middle of the label and half its width: clear of the line from above."""
        half = max((wide(word, 11) for word in self.words), default=0) / 2
        if 2 * half < abs(self.x2 - self.x1) - 8:
            return (self.x1 + self.x2) / 2, half
        return self.x1 + (half + 6) * (1 if self.x2 > self.x1 else -1), half

    def collides(self, other: Leg) -> bool:
        """May the two not lie on one level? Ways from or to one item may, where no label is."""
        (a, b), (c, d) = self.span(), other.span()
        apart = b + CLEAR < c or d + CLEAR < a
        related = self.source == other.source or self.target == other.target
        return not apart and not (related and not (self.words and other.words))


class Way(Struct):
    """A path as it is routed: an x for its vertical part, a leg at its start and at its end."""

    path: Path
    x: float
    begin: Leg
    end: Leg


class Router:
    """Finds a free way for each path of a panel, short ones first."""

    def __init__(self, figure: Figure, panel: Panel, lanes: Columns) -> None:
        self.figure, self.panel, self.lanes = figure, panel, lanes
        self.taken: list[tuple[float, int, int, int, int]] = []
        self.ways: list[Way] = []
        self.levels: dict[int, list[list[Leg]]] = {}

    def route(self) -> None:
        """Route all paths and give each leg its level."""
        paths = sorted(self.panel.paths, key=lambda it: abs(it.edge.target - it.edge.source))
        for path in paths:
            self.ways.append(self.way(path))
        for way in self.ways:
            for leg in [way.begin] if way.begin is way.end else [way.begin, way.end]:
                if leg.x1 != leg.x2 or leg.words:
                    self.settle(leg)

    def settle(self, leg: Leg) -> None:
        levels = self.levels.setdefault(leg.gap, [])
        for number, level in enumerate(levels):
            if not any(leg.collides(other) for other in level):
                leg.level = number
                level.append(leg)
                return
        leg.level = len(levels)
        levels.append([leg])

    def way(self, path: Path) -> Way:
        a, b = path.edge.source, path.edge.target
        xa, xb = self.ends(path.edge)
        first, last = a, b - 1
        x = self.vertical(a, b, xa, xb)
        words = () if path.edge.error else label(path)
        if first == last:
            leg = Leg(first, xa, xb, a, b, words if xa != xb else ())
            return Way(path, xb, leg, leg)
        self.taken.append((x, min(a, last), max(a, last), a, b))
        begin, end = Leg(first, xa, x, a, b), Leg(last, x, xb, a, b)
        longest = begin if abs(x - xa) >= abs(xb - x) else end
        if longest.x1 != longest.x2:
            longest.words = words
        return Way(path, x, begin, end)

    def station_x(self, index: int) -> float:
        item = self.figure.items[index]
        lane = self.panel.stations[index]
        tracked = item.kind != "task" or item.service != lane
        return self.lanes.middle(lane) + (item.track * TRACK if tracked else 0)

    def ends(self, edge: Edge) -> Point:
        """Return where a path leaves and enters its items: a bar has room for several."""
        xa, xb = self.station_x(edge.source), self.station_x(edge.target)
        return self.anchor(edge.source, "fork", xa, xb), self.anchor(edge.target, "join", xb, xa)

    def anchor(self, index: int, bar: Kind, x: float, toward: float) -> float:
        item = self.figure.items[index]
        if item.kind != bar:
            return x
        reach = size(item, False)[0] / 2 - 4
        return min(max(toward, x - reach), x + reach)

    def vertical(self, a: int, b: int, xa: float, xb: float) -> float:
        """Return the x of a way's vertical part: at an end if that is free, or between lanes."""
        rows = range(min(a, b) + 1, max(a, b)) if b > a else range(b, a + 1)
        wished = [xb, xa] if b > a else []
        near = sorted(self.channels(), key=lambda x: abs(x - xa) + abs(x - xb) + (x < xa) * 0.1)
        for x in [*wished, *near]:
            if self.free(x, rows, a, b):
                return x
        return near[0]

    def channels(self) -> Iterable[float]:
        """Yield the places for verticals: on each border of a lane, and some beside it."""
        for name in self.lanes.names:
            for left in (self.lanes.left[name], self.lanes.left[name] + self.lanes.width[name]):
                yield from (left + 9 * offset for offset in (0, 1, -1))

    def free(self, x: float, rows: range, a: int, b: int) -> bool:
        if not self.lanes.gutter + 4 <= x <= self.lanes.total:
            return False
        if any(self.blocked(x, row) for row in rows):
            return False
        gaps = (min(a, b - 1), max(a, b - 1))
        return not any(
            abs(x - other) < CLEAR and low <= gaps[1] and gaps[0] <= high and a != s and b != t
            for other, low, high, s, t in self.taken
        )

    def blocked(self, x: float, row: int) -> bool:
        """Does a shape of this row stand in the way?"""
        item = self.figure.items[row]
        middle, half = self.station_x(row), size(item, self.away(row))[0] / 2
        at_home = item.kind == "task" and self.away(row)
        home = (
            at_home and abs(x - self.lanes.middle(item.service)) < task_width(item) / 2 + CLEAR / 2
        )
        beside = middle + half + 5 + wide(item.label, 10.5) if labelled(item) else 0
        return bool(home) or abs(x - middle) < half + CLEAR / 2 or middle < x < beside

    def away(self, row: int) -> bool:
        """Is the token not at the service of this task?"""
        return self.figure.items[row].service != self.panel.stations[row]

    def gap(self, index: int) -> float:
        """Return the height that a gap needs."""
        heights = [max(leg.height for leg in level) for level in self.levels.get(index, [])]
        return max(GAP_MIN, sum(heights) + ARROW + 4)


def task_width(item: Item) -> float:
    undo = wide(item.undo, 10.5) + 34 if item.undo else 0
    return max(TASK_WIDTH_MIN, wide(item.label, 12.5) + 22, undo)


def labelled(item: Item) -> bool:
    """Does an item have its label beside it, rather than inside?"""
    return bool(item.label) and item.kind not in ("task", "start", "call")


def size(item: Item, away: bool) -> Point:
    """Return the width and height of an item at its station."""
    match item.kind:
        case "task":
            return (12, 12) if away else (task_width(item), task_height(item))
        case "start" | "end":
            return 16, 16
        case "fork" | "join":
            return max(30, (item.width - 1) * TRACK + 26), 6
        case "choice":
            return 20, 20
        case "wait" | "receive" | "emit" | "raise":
            return 22, 22
        case "call":
            return max(50, wide(item.label, 11.5) + 16), 24


def task_height(item: Item) -> float:
    return TASK_HEIGHT + (UNDO_HEIGHT if item.undo else 0)


def arrange(figure: Figure, panels: list[Panel], names: list[str], space: float) -> list[Layout]:
    """Return the panels side by side."""
    lanes = columns(figure, names)
    routers = [Router(figure, panel, lanes) for panel in panels]
    for router in routers:
        router.route()
    count = len(figure.items)
    gaps = [max(router.gap(index) for router in routers) for index in range(count)]
    heights = [
        task_height(item) if item.kind == "task" else size(item, False)[1] for item in figure.items
    ]
    tops = [HEADER + 8.0]
    for height, gap in zip(heights, gaps, strict=True):
        tops.append(tops[-1] + height + gap)
    return [
        _layout(router, number * (lanes.total + space), tops, heights)
        for number, router in enumerate(routers)
    ]


def _layout(router: Router, x: float, tops: list[float], heights: list[float]) -> Layout:
    figure, lanes = router.figure, router.lanes
    boxes, homes = list[Box](), dict[int, Box]()
    for row, item in enumerate(figure.items):
        middle = tops[row] + heights[row] / 2
        if item.kind == "task":
            width = task_width(item)
            left = x + lanes.middle(item.service) - width / 2
            homes[row] = Box(left, tops[row], width, heights[row])
            middle = tops[row] + TASK_HEIGHT / 2 if router.away(row) else middle
        width, height = size(item, router.away(row))
        boxes.append(Box(x + router.station_x(row) - width / 2, middle - height / 2, width, height))
    bottom = tops[len(heights) - 1] + heights[-1] + 14
    columns = {
        name: Box(x + lanes.left[name], HEADER - 26, lanes.width[name], bottom - HEADER + 26)
        for name in lanes.names
    }
    lines = tuple(_line(router, way, x, tops, heights, boxes) for way in router.ways)
    return Layout(router.panel, x, lanes.total, bottom, columns, tuple(boxes), homes, lines)


def _line(
    router: Router, way: Way, x: float, tops: list[float], heights: list[float], boxes: list[Box]
) -> Line:
    a, b = way.path.edge.source, way.path.edge.target
    y1, y2 = boxes[a].y + boxes[a].height, boxes[b].y
    xa, xb = (x + end for end in router.ends(way.path.edge))
    begin, end = (_level_y(router, leg, tops, heights) for leg in (way.begin, way.end))
    if way.begin is way.end:
        points = [(xa, y1), (xa, begin), (xb, begin), (xb, y2)]
    else:
        points = [(xa, y1), (xa, begin), (x + way.x, begin), (x + way.x, end), (xb, end), (xb, y2)]
    leg = way.begin if way.begin.words else way.end
    if leg.words:
        middle, half = leg.label()
        middle = min(max(middle, half), router.lanes.total - half)
        label_y = (begin if leg is way.begin else end) - 4
        return Line(way.path, simple(points), leg.words, x + middle, label_y)
    words = () if way.path.edge.note == "yes" else label(way.path)
    room = max((wide(word, 10.5) for word in words), default=0) / 2
    return Line(way.path, simple(points), words, xb + 9 + room, y2 - 2)


def _level_y(router: Router, leg: Leg, tops: list[float], heights: list[float]) -> float:
    top = tops[leg.gap] + heights[leg.gap] if leg.gap >= 0 else tops[0] - GAP_MIN
    levels = router.levels.get(leg.gap, [])
    above = [max(other.height for other in level) for level in levels[: leg.level + 1]]
    return top + (sum(above) if above else LEVEL)


def label(path: Path) -> tuple[str, ...]:
    """Return the lines of a path's label: its note, and the types that cross."""
    if not path.words:
        return (path.edge.note,) if path.edge.note else ()
    first, *rest = path.words
    note = f"{path.edge.note}: " if path.edge.note in ("no", "done") else ""
    return tuple(wrapped([note + first, *rest], WORDS_MAX))


def simple(points: list[Point]) -> tuple[Point, ...]:
    """Return the points without those that turn no corner."""
    found: list[Point] = [points[0]]
    for (a, b), (_, c) in pairwise(pairwise(points)):
        straight = a[0] == b[0] == c[0] or a[1] == b[1] == c[1]
        if not straight and b != found[-1]:
            found.append(b)
    found.append(points[-1])
    return tuple(found)
