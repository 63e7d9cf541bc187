"""Who publishes and who listens, as SVG: services are lanes, events stand between the boxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from duetto.drawing.layout import Box, wide
from duetto.drawing.svg import LEGEND, MARGIN, STYLE, rect, rounded
from duetto.drawing.topology_layout import Mark, Plan, Wire, event_mark, plan
from duetto.model.topology import Finding, Topology

MORE = """
.lane-name { font-size:11.5px; font-weight:600; fill:var(--soft); text-anchor:start }
.part { fill:var(--task); stroke:var(--token); stroke-width:1.6 }
.event { fill:var(--paper); stroke:var(--edge); stroke-width:1.3 }
.doubtful { stroke:var(--undo); stroke-dasharray:4 3 }
.wire { fill:none; stroke:var(--soft); stroke-width:1.5 }
.wire.publishes { stroke:var(--token) } .wire.starts { stroke-width:2.6 }
.wire.receives { stroke-dasharray:3 3 }
"""

SAID = {
    "publishes": "publishes",
    "listens": "is handled",
    "starts": "starts a run",
    "receives": "is received",
}


def topology_svg(topology: Topology, found: Iterable[Finding]) -> str:
    """Return the picture; what a finding is about has a dashed red outline."""
    drawn = plan(topology)
    doubtful = {name for finding in found for name in finding.parts}
    doubtful |= {event_mark(topic) for finding in found for topic in finding.topics}
    verbs = [verb for verb in SAID if any(wire.verb == verb for wire in drawn.wires)]
    # The least width has room for the legend.
    width = max(drawn.width, sum(wide(SAID[verb], 11) + 60 for verb in verbs)) + 2 * MARGIN
    height = drawn.height + LEGEND
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="duetto" role="img" '
            f'aria-labelledby="t d" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}">',
            f'<title id="t">{escape(topology.app)}: who publishes and who listens</title>',
            f'<desc id="d">{escape(_told(topology))}</desc>',
            f"<style>{STYLE}{MORE}</style>",
            f'<rect class="paper" width="{width:.0f}" height="{height:.0f}" rx="12"/>',
            f'<g transform="translate({MARGIN:.0f} 0)">',
            f'<text class="title" x="0" y="28">{escape(topology.app)}</text>',
            *_body(drawn, doubtful),
            *_legend(drawn.height + 18, verbs),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _told(topology: Topology) -> str:
    """Return the picture in words, for those who do not see it."""
    said = [
        f"{topic} from {', '.join(topology.publishers(topic)) or 'outside'} "
        f"to {', '.join(topology.listeners(topic)) or 'nobody'}"
        for topic in topology.topics
    ]
    return "; ".join(said) + "."


def _body(drawn: Plan, doubtful: set[str]) -> Iterator[str]:
    for number, (name, box) in enumerate(drawn.lanes.items()):
        yield rect(box, "lane odd" if number % 2 else "lane", 5)
        yield f'<text class="lane-name" x="10" y="{box.y + 16:.1f}">{escape(name)}</text>'
    yield from map(_wire, drawn.wires)
    for mark in drawn.marks.values():
        if mark.kind != "bend":
            yield from _mark(mark, drawn.boxes[mark.name], mark.name in doubtful)


def _wire(wire: Wire) -> str:
    x, y = wire.points[-1]
    head = f'<path class="arrow" d="M{x:.1f} {y:.1f}l-7 -4v8z"/>'
    shape = rounded([*wire.points[:-1], (x - 6, y)]) if wire.back else _curved(wire)
    return f'<path class="wire {wire.verb}" d="{shape}"/>{head}'


def _curved(wire: Wire) -> str:
    """Return a line of curves between columns, straight within one."""
    (x, y), *rest = wire.points
    parts = [f"M{x:.1f} {y:.1f}"]
    for index, (to_x, to_y) in enumerate(rest):
        end = to_x - 6 if index == len(rest) - 1 else to_x
        half = (x + end) / 2
        parts.append(f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {end:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(parts)


def _mark(mark: Mark, box: Box, is_doubtful: bool) -> Iterator[str]:
    kind = "event" if mark.kind == "event" else "part"
    radius = box.height / 2 if kind == "event" else 6
    yield rect(box, f"{kind} doubtful" if is_doubtful else kind, radius)
    if mark.kind == "workflow":
        inner = Box(box.x + 3, box.y + 3, box.width - 6, box.height - 6)
        yield rect(inner, "glyph", 4)
    x, y = box.x + box.width / 2, box.y + box.height / 2 + 4.5
    yield f'<text x="{x:.1f}" y="{y:.1f}">{escape(mark.label)}</text>'


def _legend(y: float, verbs: list[str]) -> Iterator[str]:
    x = 0.0
    for verb in verbs:
        yield f'<path class="wire {verb}" d="M{x + 2:.0f} {y:.1f}h26"/>'
        yield f'<text class="legend" x="{x + 36:.0f}" y="{y + 4:.1f}">{SAID[verb]}</text>'
        x += 36 + wide(SAID[verb], 11) + 24
