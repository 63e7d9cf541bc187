"""A lineage as a picture: a row for each thing, indented below what it follows from."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from msgspec import Struct

from duetto.drawing.layout import Box, Point, wide
from duetto.drawing.lineage import beginning, branches, titled, told
from duetto.drawing.spelling import short
from duetto.drawing.svg import MARGIN, STYLE, rect, rounded
from duetto.model.view import LineageNode, LineageView

HEIGHT, GAP, INDENT = 40.0, 12.0, 34.0
PADDING, ELBOW = 11.0, 16.0
GUTTER = 26.0
"""Beside the boxes, for the ways of a second thing that something follows from."""

WORDS_MAX = 60
"""Characters of a line in a box: names of events do not fit, and are its tooltip."""

KINDS = {"event": "task", "run": "mark", "held": "undo", "gone": "gone"}
OWN_STYLE = """
.asked { stroke:var(--cross); stroke-width:2.6 }
.gone { fill:none; stroke:var(--edge); stroke-dasharray:2 3 }
.way { fill:none; stroke:var(--token); stroke-width:2 } .way.also { stroke-dasharray:4 4 }
.name { font-weight:600; text-anchor:start } .said { font-size:10.5px; fill:var(--soft);
  text-anchor:start }
"""


class Placed(Struct, frozen=True):
    """A thing at its place, and below what it stands."""

    node: LineageNode
    parent: str
    box: Box
    lines: tuple[str, str]


def lineage_svg(view: LineageView) -> str:
    """Return a lineage as SVG; dashed ways lead from what a thing follows from as well."""
    placed = arranged(view)
    right = max(each.box.x + each.box.width for each in placed.values())
    below = max(each.box.y + each.box.height for each in placed.values())
    width, height = right + GUTTER + 2 * MARGIN, below + 2 * MARGIN
    ways = [_way(placed[parent], placed[child], right) for parent, child in view.edges]
    boxes = [part for each in placed.values() for part in _box(each, view.asked)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="duetto" role="img" '
            f'aria-labelledby="t" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}">',
            f'<title id="t">The lineage of {escape(view.asked)}</title>',
            f"<style>{STYLE}{OWN_STYLE}</style>",
            f'<rect class="paper" width="{width:.0f}" height="{height:.0f}" rx="12"/>',
            f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
            *ways,
            *boxes,
            "</g>",
            "</svg>",
            "",
        ]
    )


def arranged(view: LineageView) -> dict[str, Placed]:
    """Return each thing at its place, by its name."""
    since = beginning(view)
    placed: dict[str, Placed] = {}
    for branch in branches(view):
        if not branch.again:
            node = branch.node
            lines = short(titled(node), WORDS_MAX), short(" · ".join(told(node, since)), WORDS_MAX)
            x, y = len(branch.ahead) * INDENT, len(placed) * (HEIGHT + GAP)
            width = max(wide(lines[0], 13.5), wide(lines[1], 10.5)) + 2 * PADDING
            placed[node.name] = Placed(node, branch.parent, Box(x, y, width, HEIGHT), lines)
    return placed


def _way(parent: Placed, child: Placed, right: float) -> str:
    is_own = child.parent == parent.node.name
    points = _down(parent.box, child.box) if is_own else _around(parent.box, child.box, right)
    return f'<path class="{"way" if is_own else "way also"}" d="{rounded(points)}"/>'


def _down(parent: Box, child: Box) -> list[Point]:
    """Lead from below a box to the left of another, which is further in."""
    x, y = parent.x + ELBOW, child.y + HEIGHT / 2
    return [(x, parent.y + HEIGHT), (x, y), (child.x, y)]


def _around(parent: Box, child: Box, right: float) -> list[Point]:
    """Lead from the right of a box to the right of another, beside all of them."""
    y1, y2, x = parent.y + HEIGHT / 2, child.y + HEIGHT / 2, right + GUTTER / 2
    return [(parent.x + parent.width, y1), (x, y1), (x, y2), (child.x + child.width, y2)]


def _box(placed: Placed, asked: str) -> Iterator[str]:
    node, box = placed.node, placed.box
    title, said = placed.lines
    mark = " asked" if node.name == asked else ""
    yield f"<g><title>{escape(node.name)}</title>"
    yield rect(box, f"{KINDS[node.kind]}{mark}", 7)
    x, y = box.x + PADDING, box.y
    yield f'<text class="name" x="{x:.1f}" y="{y + 17:.1f}">{escape(title)}</text>'
    yield f'<text class="said" x="{x:.1f}" y="{y + 31:.1f}">{escape(said)}</text></g>'
