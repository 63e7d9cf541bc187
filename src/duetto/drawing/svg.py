"""The picture as SVG text: no scripts, no fonts from elsewhere, readable in light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from duetto.drawing.figure import Bracket, Figure, Item, figure
from duetto.drawing.layout import (
    BRACKET,
    TASK_HEIGHT,
    Box,
    Layout,
    Line,
    Point,
    arrange,
    labelled,
    wide,
)
from duetto.drawing.panel import lanes, panel
from duetto.model.definition import Definition
from duetto.model.placement import Placement

SPACE = 22.0
MARGIN = 14.0
LEGEND = 40.0
RADIUS = 8.0

STYLE = """
.duetto { --ink:#1d2433; --soft:#667085; --paper:#ffffff; --lane:#f4f6fa; --lane2:#eceff5;
  --edge:#c9d1de; --token:#4f46e5; --cross:#d9580d; --undo:#b42318; --task:#ffffff;
  font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  sans-serif; }
@media (prefers-color-scheme: dark) { .duetto { --ink:#e8ebf2; --soft:#98a2b3; --paper:#0f1420;
  --lane:#171d2b; --lane2:#1d2536; --edge:#3a465c; --token:#8f8aff; --cross:#ff9248;
  --undo:#ff8577; --task:#232c40; } }
.paper { fill:var(--paper) } .lane { fill:var(--lane) } .lane.odd { fill:var(--lane2) }
text { fill:var(--ink); font-size:12.5px; text-anchor:middle }
.title { font-size:16px; font-weight:650; text-anchor:start }
.count { font-size:11.5px; fill:var(--soft); text-anchor:start }
.head { font-size:11.5px; font-weight:600; fill:var(--soft) }
.task { fill:var(--task); stroke:var(--edge); stroke-width:1.3 }
.task.here { stroke:var(--token); stroke-width:2 }
.undo { fill:none; stroke:var(--undo); stroke-width:1.2; stroke-dasharray:4 3 }
.undoes { font-size:10.5px; fill:var(--undo) }
.path { fill:none; stroke:var(--token); stroke-width:3.6; stroke-linecap:round }
.path.cross { stroke:var(--cross) }
.path.error { stroke:var(--soft); stroke-width:1.5; stroke-dasharray:2 4 }
.head-token { fill:var(--token) } .head-cross { fill:var(--cross) } .head-error { fill:var(--soft) }
.command { stroke:var(--soft); stroke-width:1.2; fill:none }
.arrow { fill:var(--soft) }
.dot { fill:var(--token) } .ring { fill:var(--paper); stroke:var(--token); stroke-width:3 }
.mark { fill:var(--task); stroke:var(--token); stroke-width:2 }
.glyph { fill:none; stroke:var(--token); stroke-width:1.5; stroke-linecap:round }
.label { font-size:10.5px; paint-order:stroke; stroke:var(--lane); stroke-width:4px;
  stroke-linejoin:round }
.label.cross { fill:var(--cross); font-weight:600 }
.note { font-size:10.5px; fill:var(--soft); text-anchor:start; paint-order:stroke;
  stroke:var(--lane); stroke-width:4px; stroke-linejoin:round }
.bracket { fill:none; stroke:var(--soft); stroke-width:1.2 }
.legend { font-size:11px; fill:var(--soft); text-anchor:start }
"""


def svg(
    definition: Definition,
    placements: list[Placement],
    *,
    compensations: Mapping[str, str] | None = None,
) -> str:
    """Return one workflow under several placements, side by side.

    `compensations` names the task that undoes a task (`service.name` → name), where it is known.
    """
    plan = figure(definition, compensations)
    panels = [panel(definition, plan, placement) for placement in placements]
    drawn = arrange(plan, panels, lanes(definition), SPACE)
    width = drawn[-1].x + drawn[-1].width + 2 * MARGIN
    height = drawn[-1].height + LEGEND + MARGIN
    names = ", ".join(placement.name for placement in placements)
    body = "\n".join(part for layout in drawn for part in _panel(plan, layout))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="duetto" role="img" '
            f'aria-labelledby="t d" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}">',
            f'<title id="t">{escape(definition.name)}: {escape(names)}</title>',
            f'<desc id="d">{escape(_told(definition, drawn))}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{width:.0f}" height="{height:.0f}" rx="12"/>',
            f'<g transform="translate({MARGIN:.0f} 0)">',
            body,
            *_legend(drawn[-1].height + 24, plan),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _told(definition: Definition, drawn: list[Layout]) -> str:
    """Return the picture in words, for those who do not see it."""
    tasks = [item.label for item in figure(definition).items if item.kind == "task"]
    counts = "; ".join(f"{it.panel.title}: {_crossings(it.panel.crossings)}" for it in drawn)
    return f"The tasks {', '.join(tasks)} in lanes by participant. {counts}."


def _crossings(count: int) -> str:
    if not count:
        return "the token stays with one participant"
    return f"the token crosses participants {count} time{'s' if count > 1 else ''}"


def _panel(plan: Figure, layout: Layout) -> Iterator[str]:
    first = next(iter(layout.lanes.values()))
    yield f'<g><text class="title" x="{first.x:.1f}" y="26">{escape(_title(layout))}</text>'
    told = _crossings(layout.panel.crossings)
    yield f'<text class="count" x="{first.x:.1f}" y="41">{told}</text>'
    for number, (name, box) in enumerate(layout.lanes.items()):
        odd = " odd" if number % 2 else ""
        yield rect(box, f"lane{odd}", 5)
        middle = box.x + box.width / 2
        head = f'<text class="head" x="{middle:.1f}" y="{box.y + 17:.1f}">'
        yield f"{head}{escape(name or 'app')}</text>"
    yield from (_bracket(bracket, layout) for bracket in plan.brackets)
    yield from (
        _command(row, plan.items[row], layout) for row in layout.homes if _away(row, plan, layout)
    )
    for line in sorted(layout.lines, key=lambda it: it.path.crosses):
        yield _path(line)
    for row, item in enumerate(plan.items):
        yield from _item(row, item, layout)
    for line in layout.lines:
        yield from _label(line)
    yield "</g>"


def _title(layout: Layout) -> str:
    return layout.panel.title.replace(":", ": ").replace(",", ", ")


def _away(row: int, plan: Figure, layout: Layout) -> bool:
    return plan.items[row].service != layout.panel.stations[row]


def rect(box: Box, kind: str, radius: float) -> str:
    """Return a rectangle of a class, with round corners."""
    return (
        f'<rect class="{kind}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="{radius:.0f}"/>'
    )


def _path(line: Line) -> str:
    kind = "error" if line.path.edge.error else "cross" if line.path.crosses else "token"
    points = list(line.points)
    x, y = points[-1]
    points[-1] = (x, y - 6)
    return (
        f'<path class="path {kind}" d="{rounded(points)}"/>'
        f'<path class="head-{kind}" d="M{x - 5.5:.1f} {y - 8.5:.1f}h11l-5.5 8.5z"/>'
    )


def rounded(points: list[Point]) -> str:
    """Return the path data of a line with round corners."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, corner, behind in zip(points, points[1:], points[2:], strict=False):
        radius = min(RADIUS, _far(before, corner) / 2, _far(corner, behind) / 2)
        (x1, y1), (x2, y2) = _toward(corner, before, radius), _toward(corner, behind, radius)
        parts.append(f"L{x1:.1f} {y1:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {x2:.1f} {y2:.1f}")
    parts.append(f"L{points[-1][0]:.1f} {points[-1][1]:.1f}")
    return "".join(parts)


def _far(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _toward(start: Point, end: Point, distance: float) -> Point:
    far = _far(start, end) or 1.0
    return (
        start[0] + (end[0] - start[0]) * distance / far,
        start[1] + (end[1] - start[1]) * distance / far,
    )


def _label(line: Line) -> Iterator[str]:
    kind = "label cross" if line.path.crosses else "label"
    for number, text in enumerate(reversed(line.label)):
        y = line.label_y - 12.5 * number
        yield f'<text class="{kind}" x="{line.label_x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _command(row: int, item: Item, layout: Layout) -> str:
    """Draw a command and its answer: a thin line with a head at both ends."""
    station, home = layout.boxes[row], layout.homes[row]
    y = home.y + TASK_HEIGHT / 2
    right = home.x > station.x
    a = station.x + station.width + 3 if right else station.x - 3
    b = home.x - 2 if right else home.x + home.width + 2
    step = 6 if right else -6
    return (
        f'<path class="command" d="M{a + step:.1f} {y:.1f}H{b - step:.1f}"/>'
        f'<path class="arrow" d="M{b:.1f} {y:.1f}l{-step} -3.5v7z"/>'
        f'<path class="arrow" d="M{a:.1f} {y:.1f}l{step} -3.5v7z"/>'
    )


def _item(row: int, item: Item, layout: Layout) -> Iterator[str]:
    box = layout.boxes[row]
    if item.kind == "task":
        yield from _task(item, layout.homes[row], layout.panel.stations[row])
        if item.service == layout.panel.stations[row]:
            return
    yield _mark(item, box)
    if labelled(item):
        x, y = box.x + box.width + 5, box.y + box.height / 2 + 4
        yield f'<text class="note" x="{x:.1f}" y="{y:.1f}">{escape(item.label)}</text>'


def _task(item: Item, box: Box, station: str) -> Iterator[str]:
    here = " here" if item.service == station else ""
    if item.undo:
        inset = Box(
            box.x + 5, box.y + TASK_HEIGHT - 6, box.width - 10, box.height - TASK_HEIGHT + 6
        )
        yield rect(inset, "undo", 5)
        middle = box.x + box.width / 2
        y = box.y + box.height - 5
        yield f'<text class="undoes" x="{middle:.1f}" y="{y:.1f}">↶ {escape(item.undo)}</text>'
    top = Box(box.x, box.y, box.width, TASK_HEIGHT)
    yield rect(top, f"task{here}", 7)
    x, y = box.x + box.width / 2, box.y + TASK_HEIGHT / 2 + 4.5
    yield f'<text x="{x:.1f}" y="{y:.1f}">{escape(item.label)}</text>'


def _mark(item: Item, box: Box) -> str:
    x, y = box.x + box.width / 2, box.y + box.height / 2
    half = box.width / 2
    match item.kind:
        case "start" | "task":
            return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{half:.1f}"/>'
        case "end":
            ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="{half - 1.5:.1f}"/>'
            return f'{ring}<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        case "fork" | "join":
            return rect(box, "dot", 3)
        case "choice":
            sides = f"l{half:.1f} {half:.1f}l{-half:.1f} {half:.1f}l{-half:.1f} {-half:.1f}z"
            return f'<path class="mark" d="M{x:.1f} {box.y:.1f}{sides}"/>'
        case "call":
            words = f'<text x="{x:.1f}" y="{y + 4:.1f}">{escape(item.label)}</text>'
            return rect(box, "mark", 12) + words
        case "wait" | "receive" | "emit" | "raise":
            circle = f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="{half:.1f}"/>'
            return circle + f'<path class="glyph" d="{_glyph(item, x, y)}"/>'


def _glyph(item: Item, x: float, y: float) -> str:
    """Return a clock, an envelope, an envelope that leaves, or a cross."""
    envelope = f"M{x - 6:.1f} {y - 4:.1f}h12v8h-12zl6 5l6 -5"
    glyphs = {
        "wait": f"M{x:.1f} {y - 6:.1f}v6l4 3",
        "receive": envelope,
        "emit": f"M{x - 5:.1f} {y:.1f}h10m-4 -4l4 4l-4 4",
        "raise": f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8",
    }
    return glyphs[item.kind]


def _bracket(bracket: Bracket, layout: Layout) -> str:
    x = layout.x + bracket.depth * BRACKET + 9
    top, bottom = layout.boxes[bracket.first], layout.boxes[bracket.last]
    y1, y2 = top.y - 6, bottom.y + bottom.height + 6
    middle = (y1 + y2) / 2
    return (
        f'<path class="bracket" d="M{x + 5:.1f} {y1:.1f}h-5V{y2:.1f}h5"/>'
        f'<text class="head" transform="translate({x - 3:.1f} {middle:.1f}) rotate(-90)">'
        f"{escape(bracket.label)}</text>"
    )


def _legend(y: float, plan: Figure) -> Iterator[str]:
    entries = [("path token", "the token's path"), ("path cross", "crossing, with its contract")]
    entries.append(("command", "command and answer"))
    if any(item.undo for item in plan.items):
        entries.append(("undo", "compensation"))
    x = 0.0
    for kind, text in entries:
        yield f'<path class="{kind}" d="M{x + 2:.0f} {y:.1f}h26"/>'
        yield f'<text class="legend" x="{x + 36:.0f}" y="{y + 4:.1f}">{text}</text>'
        x += 36 + wide(text, 11) + 24
