"""A sequence chart as SVG text: numbered rows, lanes with their names again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from textwrap import wrap

from msgspec import Struct

from duetto.drawing.layout import Box, wide
from duetto.drawing.sequence import (
    FAULTS,
    SAME_MS,
    Arrived,
    Chart,
    Flight,
    Kind,
    Lane,
    Mark,
    Row,
    Score,
    Sent,
    Span,
    Style,
    lane_of,
    lost,
    members,
    moment,
    score,
    title,
    told,
)
from duetto.drawing.svg import STYLE, rect

MARGIN = 14.0
GUTTER = 104.0
"""What stands left of the lanes: the number of a row, and its time."""

PITCH = 196.0
LINE = 40.0
"""Where in a lane its line is: bars of what lasts are left of it, words right."""

BAR = 7.0
SLOTS_MAX = 4
"""So many bars have room beside each other; more are drawn in the last place."""

LETTERS, NOTE = 10.5, 11.5
BOLD = 1.1
"""How much wider bold letters are."""

LEADING = 12.5
LINES_MAX = 4
"""Lines of a label; all of it stands in the row's tooltip."""

LATE = 12.0
"""How much lower a message ends that was under way and meets nothing meanwhile."""

BELOW = 7.0
"""How much lower the words of an arrival stand: its line may come from where they are."""

HEADS_EVERY = 24
"""So many rows fit on a screen: then the names of the lanes come again."""

HEAD, GAP = 24.0, 26.0
GAP_MS = 1000.0
"""What takes longer than that between two rows is said."""

FAR = 14
"""A message that is under way for more rows is drawn at its ends only."""

STUB = 46.0

SEQUENCE_STYLE = """
.life { stroke:var(--soft); stroke-width:1.2; opacity:.65 }
.life.held { stroke:var(--cross); stroke-width:4; stroke-dasharray:2 3; opacity:1 }
.gone { stroke:var(--undo); stroke-width:1.2; stroke-dasharray:1 6; opacity:.8 }
.number { font-size:10.5px; text-anchor:end; font-variant-numeric:tabular-nums }
.time { font-size:10px; fill:var(--soft); text-anchor:end; font-variant-numeric:tabular-nums }
.rule { stroke:var(--edge); stroke-width:1; stroke-dasharray:1 5 }
.said { font-size:10.5px; text-anchor:start; paint-order:stroke; stroke:var(--lane);
  stroke-width:3.5px; stroke-linejoin:round }
.odd-lane { stroke:var(--lane2) } .said.left { text-anchor:end }
.said.bad { fill:var(--undo); font-weight:650 } .said.back { fill:var(--undo) }
.said.calm { fill:var(--soft) }
.said.late { fill:var(--cross) }
.bar { fill:var(--task); stroke:var(--token); stroke-width:1.2 }
.bar.cut { stroke:var(--undo) } .bar.open { stroke-dasharray:3 2 }
.struck { fill:var(--undo); opacity:.12 }
.sent { fill:none; stroke-width:1.6; stroke:var(--soft) }
.sent.token { stroke:var(--cross); stroke-width:2.4 } .sent.answer { stroke-dasharray:5 3 }
.sent.report { stroke:var(--token); stroke-dasharray:5 3 } .sent.cancel { stroke:var(--undo) }
.sent.question { stroke-dasharray:1 3 } .sent.again { opacity:.75 }
.tip { fill:var(--soft) } .tip.token { fill:var(--cross) } .tip.report { fill:var(--token) }
.tip.cancel { fill:var(--undo) }
.port { fill:var(--paper); stroke:var(--soft); stroke-width:1.3 }
.sign { fill:none; stroke:var(--ink); stroke-width:1.6; stroke-linecap:round;
  stroke-linejoin:round }
.sign.bad { stroke:var(--undo); stroke-width:2.4 } .sign.back { stroke:var(--undo) }
.sign.calm { stroke:var(--soft) }
.sign.warm { stroke:var(--cross) }
.disc { fill:var(--paper); stroke:var(--soft); stroke-width:1.2 }
.disc.bad, .disc.back { stroke:var(--undo) } .disc.warm { stroke:var(--cross) }
"""

SIGNS: dict[Kind, tuple[str, str]] = {
    "start": ("", "M-3 -4l6 4l-6 4z"),
    "end": ("", "M-3.5 -3.5h7v7h-7z"),
    "commit": ("calm", "M-3.5 .5l2.5 3l4.5 -6.5"),
    "begun": ("", "M-2.5 -3.5l5 3.5l-5 3.5z"),
    "done": ("", "M-3.5 .5l2.5 3l4.5 -6.5"),
    "failed": ("back", "M-3 -3l6 6m0 -6l-6 6"),
    "undone": ("back", "M-.5 -4.5l-3 2.5l3 2.5m-3 -2.5h4a2.6 2.6 0 0 1 0 5.5h-3"),
    "crash": ("bad", "M-5.5 -5.5l11 11m0 -11l-11 11"),
    "restart": ("", "M4 -1a4.2 4.2 0 1 0 .2 2m1 -4.5l-1.2 3.3l-3 -1"),
    "pause": ("warm", "M-2 -3.5v7m4 -7v7"),
    "resumed": ("", "M-2.5 -3.5l5 3.5l-5 3.5z"),
    "park": ("bad", "M-2 4v-8h2.2a2.2 2.2 0 0 1 0 4.6h-2.2"),
    "timer": ("calm", "M0 -4v4l3 2"),
    "cancel": ("back", "M-3 0h6"),
    "refused": ("bad", "M-4 4l8 -8"),
    "fault": ("bad", "M1 -5l-4 5.5h6l-4 5"),
    "operator": ("warm", "M-3.5 4c0 -5 7 -5 7 0M0 -4.5a2 2 0 1 0 .1 0"),
    "note": ("calm", "M-3 -2h6m-6 3h4"),
}
"""The tone of each mark, and its lines around the middle of a disc."""


class Drawn(Struct, frozen=True):
    """A chart with coordinates: `ys` has the middle of each row, `heads` where names stand again,
    `gaps` where time passes."""

    chart: Chart
    score: Score
    xs: dict[str, float]
    ys: dict[int, float]
    heads: tuple[float, ...]
    gaps: tuple[tuple[float, float], ...]
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return GUTTER + PITCH * len(self.chart.lanes) + 2 * MARGIN


def sequence_svg(chart: Chart) -> str:
    """Return a chart as SVG; equal charts are drawn alike."""
    drawn = _arrange(chart)
    legend = list(_legend(drawn))
    width, height = drawn.width, drawn.bottom + MARGIN + 18.0 * len(legend) + 8
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="duetto" role="img" '
            f'aria-labelledby="t d" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}">',
            f'<title id="t">{escape(chart.title)}</title>',
            f'<desc id="d">{escape(summary(chart))}</desc>',
            f"<style>{STYLE}{SEQUENCE_STYLE}</style>",
            f'<rect class="paper" width="{width:.0f}" height="{height:.0f}" rx="12"/>',
            f'<g transform="translate({MARGIN:.0f} 0)">',
            *_titles(chart),
            *_lanes(drawn),
            *_struck(drawn),
            *_lines(drawn),
            *(_bar(drawn, span) for span in drawn.score.spans),
            *(part for flight in drawn.score.flights for part in _flight(drawn, flight)),
            *(part for row in drawn.score.rows for part in _row(drawn, row)),
            *legend,
            "</g>",
            "</svg>",
            "",
        ]
    )


def summary(chart: Chart) -> str:
    """Return a chart in a few words, for those who do not see it."""
    plan = score(chart)
    lanes = ", ".join(lane.title for lane in chart.lanes)
    bad = [
        f"row {row.number}, {title(chart, row.event.lane)}: {row.event.label}"
        for row in plan.rows
        if isinstance(row.event, Mark) and row.event.kind in FAULTS
    ]
    bad += [f"row {number}: a message is lost" for number in sorted(lost(plan))]
    struck = "; ".join(bad) or "nothing goes wrong from outside"
    return f"{len(plan.rows)} rows in the lanes {lanes}. {' '.join(chart.notes)} {struck}."


# -- where things are ------------------------------------------------------------------------


def _arrange(chart: Chart) -> Drawn:
    plan = score(chart)
    xs = {lane.name: GUTTER + PITCH * number + LINE for number, lane in enumerate(chart.lanes)}
    top = 40.0 + 15.0 * len(_notes(chart))
    y = top + 44.0
    ys: dict[int, float] = {}
    heads: list[float] = []
    gaps: list[tuple[float, float]] = []
    before: Row | None = None
    for row in plan.rows:
        if row.number > 1 and row.number % HEADS_EVERY == 1:
            heads.append(y + HEAD / 2)
            y += HEAD
        passed = row.at_ms - (_until(before) if before is not None else row.at_ms)
        if passed >= GAP_MS:
            gaps.append((y + GAP / 2, passed))
            y += GAP
        above, below = _room(chart, plan, xs, row)
        ys[row.number] = y + above
        y += above + below
        before = row
    return Drawn(chart, plan, xs, ys, tuple(heads), tuple(gaps), top, y + 8)


def _until(row: Row) -> float:
    return row.at_ms if row.arrived is None else row.arrived.at_ms


def _room(chart: Chart, plan: Score, xs: dict[str, float], row: Row) -> tuple[float, float]:
    """Return how much a row needs above and below its middle."""
    words = LEADING * len(_words(chart, plan, xs, row))
    if isinstance(row.event, Sent):
        return words + 7, 9 + (LATE if row.late_ms >= SAME_MS else 0)
    below = BELOW if isinstance(row.event, Arrived) else 0.0
    return 13.0, max(13.0, words - LEADING + 10) + below


def _words(chart: Chart, plan: Score, xs: dict[str, float], row: Row) -> list[str]:
    """Return the lines that stand beside a row."""
    match row.event:
        case Sent(source=source, to=to, label=label):
            ways = [it for it in plan.flights if it.left == row.number]
            if row.number in lost(plan):
                label += " – never arrives"
            elif _is_far(ways[0]):
                label += f" – until row {ways[0].taken}"
            elif row.late_ms >= SAME_MS:
                label += f" – takes {moment(row.late_ms)}"
            room = max(abs(xs[to] - xs[source]), PITCH) - 34
        case Arrived():
            flight = next(it for it in plan.flights if it.taken == row.number)
            label = f"{'again, ' if flight.again else ''}from row {flight.left}"
            label += f": {flight.sent.label}" if _is_far(flight) else ""
            room = PITCH - LINE - 18
        case Mark(label=label):
            room = PITCH - LINE - 18
    lines = wrap(label, int(room / _letter(row, plan))) or [""]
    return (
        lines if len(lines) <= LINES_MAX else [*lines[: LINES_MAX - 1], lines[LINES_MAX - 1] + " …"]
    )


def _letter(row: Row, plan: Score) -> float:
    """Return how wide a letter of a row is: those that are bold need more."""
    mark = row.event
    bold = row.number in lost(plan) or (isinstance(mark, Mark) and SIGNS[mark.kind][0] == "bad")
    return wide("x", LETTERS) * (BOLD if bold else 1)


def _is_far(flight: Flight) -> bool:
    return flight.taken is not None and flight.taken - flight.left > FAR


def _slots(drawn: Drawn, lane: str, row: int) -> int:
    """Return how many bars stand beside a lane's line at a row."""
    here = [
        it.slot + 1 for it in drawn.score.spans if it.lane == lane and it.first <= row <= it.last
    ]
    return min(max(here, default=0), SLOTS_MAX)


# -- what does not happen ---------------------------------------------------------------------


def _titles(chart: Chart) -> Iterator[str]:
    yield f'<text class="title" x="0" y="26">{escape(chart.title)}</text>'
    for number, note in enumerate(_notes(chart)):
        yield f'<text class="count" x="0" y="{43 + 15 * number}">{escape(note)}</text>'


def _notes(chart: Chart) -> list[str]:
    """Return the lines under the title, none wider than the lanes."""
    width = int((GUTTER + PITCH * len(chart.lanes)) / wide("x", NOTE))
    return [line for note in chart.notes for line in wrap(note, width)]


def _lanes(drawn: Drawn) -> Iterator[str]:
    for number, lane in enumerate(drawn.chart.lanes):
        x = GUTTER + PITCH * number
        odd = " odd" if number % 2 else ""
        yield rect(Box(x + 2, drawn.top, PITCH - 4, drawn.bottom - drawn.top), f"lane{odd}", 5)
        yield from _head(drawn.chart, lane, x + PITCH / 2, drawn.top + 17)
        yield from (_name(lane, x + PITCH / 2, y + 4) for y in drawn.heads)
    end = GUTTER + PITCH * len(drawn.chart.lanes)
    for y, passed in drawn.gaps:
        yield f'<path class="rule" d="M{GUTTER:.0f} {y:.1f}H{end:.0f}"/>'
        said = f"{moment(passed)} pass"
        yield f'<text class="time" x="{GUTTER - 10:.0f}" y="{y + 3.5:.1f}">{said}</text>'


def _head(chart: Chart, lane: Lane, x: float, y: float) -> Iterator[str]:
    yield _name(lane, x, y)
    if len({each.group for each in chart.lanes}) > 1:
        yield f'<text class="undoes" style="fill:var(--soft)" x="{x:.1f}" y="{y + 13:.1f}">' + (
            f"{escape(lane.group)}</text>"
        )


def _name(lane: Lane, x: float, y: float) -> str:
    return f'<text class="head" x="{x:.1f}" y="{y:.1f}">{escape(lane.title)}</text>'


def _struck(drawn: Drawn) -> Iterator[str]:
    """Shade the lanes of a process in the row in which it dies."""
    for row in drawn.score.rows:
        if not isinstance(row.event, Mark) or row.event.kind != "crash":
            continue
        for lane in members(drawn.chart, row.event):
            box = Box(drawn.xs[lane] - LINE + 2, drawn.ys[row.number] - 12, PITCH - 4, 24)
            yield rect(box, "struck", 0)


def _lines(drawn: Drawn) -> Iterator[str]:
    for lane in drawn.chart.lanes:
        x, y = drawn.xs[lane.name], drawn.top + 40
        for span in (it for it in drawn.score.away if it.lane == lane.name):
            dies = drawn.ys[span.first]
            back = drawn.bottom - 6 if span.open else drawn.ys[span.last]
            yield f'<path class="life" d="M{x:.1f} {y:.1f}V{dies:.1f}"/>'
            yield f'<path class="gone" d="M{x:.1f} {dies:.1f}V{back:.1f}"/>'
            y = back
        if y < drawn.bottom - 6:
            yield f'<path class="life" d="M{x:.1f} {y:.1f}V{drawn.bottom - 6:.1f}"/>'
        for span in (it for it in drawn.score.held if it.lane == lane.name):
            top, end = drawn.ys[span.first], drawn.ys[span.last]
            yield f'<path class="life held" d="M{x:.1f} {top:.1f}V{end:.1f}"/>'


def _bar(drawn: Drawn, span: Span) -> str:
    slot = min(span.slot, SLOTS_MAX - 1)
    x = drawn.xs[span.lane] - 5 - (slot + 1) * (BAR + 1.5)
    top, bottom = drawn.ys[span.first], drawn.ys[span.last]
    kind = " cut" if span.cut else " open" if span.open else ""
    return rect(Box(x, top - 4, BAR, bottom - top + 8), f"bar{kind}", 2)


# -- what happens -------------------------------------------------------------------------------


def _flight(drawn: Drawn, flight: Flight) -> Iterator[str]:
    sent = flight.sent
    x1, x2 = drawn.xs[sent.source], drawn.xs[sent.to]
    y1 = drawn.ys[flight.left]
    right = x2 >= x1
    aside = 1 if right else -1
    kind = f"{sent.style}{' again' if flight.again else ''}"
    if sent.source == sent.to:
        yield from _itself(drawn, flight, kind)
    elif flight.taken is None:
        end = x1 + (x2 - x1) * (0.62 if abs(x2 - x1) < 1.5 * PITCH else 0.4)
        yield f'<path class="sent {kind}" d="M{x1:.1f} {y1:.1f}H{end:.1f}"/>'
        yield f'<path class="sign bad" d="M{end - 4:.1f} {y1 - 4:.1f}l8 8m0 -8l-8 8"/>'
    elif _is_far(flight):
        yield from _stubs(drawn, flight, kind, aside)
    else:
        y2 = drawn.ys[flight.taken] + (
            LATE if flight.left == flight.taken and _is_late(flight) else 0
        )
        tip = x2 - aside * 2
        yield f'<path class="sent {kind}" d="M{x1:.1f} {y1:.1f}L{tip - aside * 6:.1f} {y2:.1f}"/>'
        yield _tip(tip, y2, aside, sent.style)


def _is_late(flight: Flight) -> bool:
    return flight.late_ms >= SAME_MS


def _tip(x: float, y: float, aside: int, style: Style) -> str:
    return f'<path class="tip {style}" d="M{x:.1f} {y:.1f}l{-8 * aside} -4v8z"/>'


def _stubs(drawn: Drawn, flight: Flight, kind: str, aside: int) -> Iterator[str]:
    """Draw a message that is long under way at its ends only."""
    assert flight.taken is not None, "what is lost has one end"
    x1, x2 = drawn.xs[flight.sent.source], drawn.xs[flight.sent.to]
    y1, y2 = drawn.ys[flight.left], drawn.ys[flight.taken]
    out = x1 + aside * STUB
    if not flight.again:
        yield f'<path class="sent {kind}" d="M{x1:.1f} {y1:.1f}H{out:.1f}"/>'
        yield f'<circle class="port" cx="{out + aside * 3.5:.1f}" cy="{y1:.1f}" r="3.5"/>'
    tip, begin = x2 - aside * 2, x2 - aside * STUB * 0.7
    yield f'<circle class="port" cx="{begin:.1f}" cy="{y2:.1f}" r="3.5"/>'
    first, last = begin + aside * 3.5, tip - aside * 6
    yield f'<path class="sent {kind}" d="M{first:.1f} {y2:.1f}H{last:.1f}"/>'
    yield _tip(tip, y2, aside, flight.sent.style)


def _itself(drawn: Drawn, flight: Flight, kind: str) -> Iterator[str]:
    x, y = drawn.xs[flight.sent.source], drawn.ys[flight.left]
    if flight.taken is None:
        yield f'<path class="sent {kind}" d="M{x:.1f} {y:.1f}h20"/>'
        yield f'<path class="sign bad" d="M{x + 16:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/>'
        return
    end = max(drawn.ys[flight.taken], y + 10)
    yield f'<path class="sent {kind}" d="M{x:.1f} {y:.1f}h14V{end:.1f}h-6"/>'
    yield _tip(x + 2, end, -1, flight.sent.style)


def _row(drawn: Drawn, row: Row) -> Iterator[str]:
    y = drawn.ys[row.number]
    lane = lane_of(drawn.score, row)
    words = f"{row.number} · {moment(row.at_ms)} · {title(drawn.chart, lane)}: "
    to = f", to {title(drawn.chart, row.event.to)}" if isinstance(row.event, Sent) else ""
    yield f"<g><title>{escape(words + told(drawn.chart, drawn.score, row) + to)}</title>"
    yield f'<text class="number" x="26" y="{y + 3.5:.1f}">{row.number}</text>'
    if row.number == 1 or row.at_ms != drawn.score.rows[row.number - 2].at_ms:
        time = moment(row.at_ms)
        yield f'<text class="time" x="{GUTTER - 10:.0f}" y="{y + 3.5:.1f}">{time}</text>'
    match row.event:
        case Sent() as sent:
            yield from _sent(drawn, row, sent)
        case Arrived():
            yield from _said(drawn, row, drawn.xs[lane] + 10, y + 3.5 + BELOW, "late", lane)
        case Mark() as mark:
            yield from _mark(drawn, row, mark)
    yield "</g>"


def _sent(drawn: Drawn, row: Row, sent: Sent) -> Iterator[str]:
    x, right = drawn.xs[sent.source], drawn.xs[sent.to] >= drawn.xs[sent.source]
    lines = len(_words(drawn.chart, drawn.score, drawn.xs, row))
    y = drawn.ys[row.number] - 6 - LEADING * (lines - 1)
    tone = "bad" if row.number in lost(drawn.score) else ""
    if right:
        yield from _said(drawn, row, x + 12, y, tone, sent.source)
        return
    aside = 10 + _slots(drawn, sent.source, row.number) * (BAR + 1.5)
    yield from _said(drawn, row, x - aside, y, f"{tone} left", sent.source)


def _said(drawn: Drawn, row: Row, x: float, y: float, tone: str, lane: str) -> Iterator[str]:
    """Write the lines of a row; behind the letters is the colour of the lane."""
    number = list(drawn.xs).index(lane) - (1 if "left" in tone else 0)
    kind = f"said {tone}{' odd-lane' if number % 2 else ''}".replace("  ", " ")
    for at, line in enumerate(_words(drawn.chart, drawn.score, drawn.xs, row)):
        top = y + LEADING * at
        yield f'<text class="{kind}" x="{x:.1f}" y="{top:.1f}">{escape(line)}</text>'


def _mark(drawn: Drawn, row: Row, mark: Mark) -> Iterator[str]:
    y = drawn.ys[row.number]
    tone, _ = SIGNS[mark.kind]
    for lane in members(drawn.chart, mark):
        yield _sign(mark.kind, drawn.xs[lane], y)
    kind = tone if tone in ("bad", "back", "calm") else ""
    yield from _said(drawn, row, drawn.xs[mark.lane] + 13, y + 3.5, kind, mark.lane)


def _sign(kind: Kind, x: float, y: float) -> str:
    tone, lines = SIGNS[kind]
    disc = "" if kind == "crash" else f'<circle class="disc {tone}" r="7.5"/>'
    return (
        f'<g transform="translate({x:.1f} {y:.1f})">{disc}'
        f'<path class="sign {tone}" d="{lines}"/></g>'
    )


# -- the legend ---------------------------------------------------------------------------------

STYLES: dict[Style, str] = {
    "token": "a token travels",
    "command": "a command",
    "answer": "its answer",
    "report": "a report to the parent",
    "cancel": "a cancel",
    "question": "a question or its answer",
}


def _legend(drawn: Drawn) -> Iterator[str]:
    """Explain the lines that there are, in lines of the chart's width."""
    styles = {it.sent.style for it in drawn.score.flights}
    entries = [(f"sent {style}", text) for style, text in STYLES.items() if style in styles]
    if drawn.score.spans:
        entries.append(("bar", "runs"))
    if drawn.score.away:
        entries.append(("gone", "the process is dead"))
    if drawn.score.held:
        entries.append(("life held", "the process is paused"))
    yield from _in_lines(entries, drawn.bottom + 20, drawn.width - 2 * MARGIN)


def _in_lines(entries: Iterable[tuple[str, str]], y: float, width: float) -> Iterator[str]:
    line, x = "", 0.0
    for kind, text in entries:
        size = 36 + wide(text, 11) + 20
        if line and x + size > width:
            yield line
            line, x, y = "", 0.0, y + 18
        line += f'<path class="{kind}" d="M{x + 2:.0f} {y:.1f}h26"/>'
        line += f'<text class="legend" x="{x + 36:.0f}" y="{y + 4:.1f}">{text}</text>'
        x += size
    if line:
        yield line
