"""A sequence chart as plain text, and for Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

from duetto.drawing.sequence import (
    Arrived,
    Chart,
    Flight,
    Kind,
    Mark,
    Row,
    Score,
    Sent,
    Style,
    lost,
    members,
    moment,
    score,
    title,
    told,
)

COLUMN = 18
"""Characters of a lane: four lanes and their words fit on a terminal."""

SIGNS: dict[Kind, str] = {
    "start": "●",
    "end": "■",
    "commit": "·",
    "begun": "▷",
    "done": "✓",
    "failed": "✗",
    "undone": "↶",
    "crash": "╳",
    "restart": "↻",
    "pause": "‖",
    "resumed": "▷",
    "park": "P",
    "timer": "◷",
    "cancel": "⊖",
    "refused": "⊘",
    "fault": "ϟ",
    "operator": "◆",
    "note": "·",
}

DEAD, ALIVE, HELD = " ", "│", "┊"


def sequence_text(chart: Chart) -> str:
    """Return a chart as text: a row for each event, a column for each lane."""
    plan = score(chart)
    numbers = len(str(len(plan.rows)))
    names = "".join(lane.title[: COLUMN - 2].ljust(COLUMN) for lane in chart.lanes).rstrip()
    lines = [chart.title, *chart.notes, "", f"{' ' * (numbers + 13)}{names}"]
    for row in plan.rows:
        drawn = "".join(_columns(chart, plan, row)).rstrip()
        lines.append(f"{row.number:{numbers}} {moment(row.at_ms):>10}  {drawn}")
    return "\n".join(lines) + "\n"


def _columns(chart: Chart, plan: Score, row: Row) -> list[str]:
    """Return the signs of a row, and its words right of what it draws."""
    cells = list("".join(_life(plan, row, lane.name).ljust(COLUMN) for lane in chart.lanes))
    places = {lane.name: number * COLUMN for number, lane in enumerate(chart.lanes)}
    words = told(chart, plan, row)
    match row.event:
        case Sent(source=source, to=to):
            begin, end = places[source], places[to]
            whole = row.number not in lost(plan)
            here = row.arrived is not None
            _line(cells, begin, end, whole=whole and here, lost=not whole)
            at = max(begin, end) + 3
        case Arrived():
            flight = next(it for it in plan.flights if it.taken == row.number)
            at = places[flight.sent.to] + 3
            cells[at - 3] = "◀" if places[flight.sent.source] > places[flight.sent.to] else "▶"
        case Mark() as mark:
            for lane in members(chart, mark):
                cells[places[lane]] = SIGNS[mark.kind]
            at = max(places[lane] for lane in members(chart, mark)) + 3
    return _written(cells, at - 1, words)


def _line(cells: list[str], begin: int, end: int, *, whole: bool, lost: bool) -> None:
    """Draw a message between two columns: to its end, or half of the way."""
    step = 1 if end >= begin else -1
    stop = end if whole else begin + (end - begin) // 2
    for at in range(begin + step, stop, step):
        cells[at] = "─"
    cells[begin] = "├" if step > 0 else "┤"
    cells[stop] = ("▶" if step > 0 else "◀") if whole else "╳" if lost else "…"


def _written(cells: list[str], at: int, words: str) -> list[str]:
    """Return the cells with words in them, which may run over what is right of them."""
    return [*cells[:at], " " * (at - len(cells)), words, " ", *cells[at + len(words) + 1 :]]


def _life(plan: Score, row: Row, lane: str) -> str:
    if any(it.lane == lane and it.first < row.number < it.last + it.open for it in plan.away):
        return DEAD
    if any(it.lane == lane and it.first < row.number < it.last + it.open for it in plan.held):
        return HELD
    return ALIVE


# -- Mermaid --------------------------------------------------------------------------------------

ARROWS: dict[Style, str] = {
    "token": "->>",
    "command": "->>",
    "answer": "-->>",
    "report": "-->>",
    "cancel": "->>",
    "question": "-->>",
}


def sequence_mermaid(chart: Chart) -> str:
    """Return a sequence diagram. A message that is overtaken is noted where it leaves, and drawn
    where it arrives: Mermaid has no slanted lines."""
    plan = score(chart)
    ids = {lane.name: f"p{number}" for number, lane in enumerate(chart.lanes)}
    lines = ["sequenceDiagram"]
    lines += [f"  participant {ids[it.name]} as {_safe(it.title)}" for it in chart.lanes]
    for row in plan.rows:
        lines += [f"  {line}" for line in _mermaid(chart, plan, row, ids)]
    return "\n".join(lines) + "\n"


def _mermaid(chart: Chart, plan: Score, row: Row, ids: dict[str, str]) -> Iterator[str]:
    number, words = row.number, _safe(told(chart, plan, row))
    ends = [flight for flight in plan.flights if number in (flight.left, flight.taken)]
    match row.event:
        case Sent(source=source, to=to, label=label, style=style):
            link = f"{ids[source]}{ARROWS[style]}{ids[to]}"
            if number in lost(plan):
                yield f"{ids[source]}-x{ids[to]}: {number} {_safe(label)}, never arrives"
            elif row.arrived is not None:
                yield f"{link}: {number} {_safe(label)}"
            else:
                whom = _safe(title(chart, to))
                yield f"Note over {ids[source]}: {number} sends {words}, to {whom}"
        case Arrived():
            yield f"{_link(ends, number, ids)}: {number} {words}"
        case Mark(kind=kind) as mark:
            lanes = [ids[name] for name in members(chart, mark)]
            over = lanes[0] if len(lanes) == 1 else f"{lanes[0]},{lanes[-1]}"
            yield f"Note over {over}: {number} {SIGNS[kind]} {words}"


def _link(flights: list[Flight], number: int, ids: dict[str, str]) -> str:
    sent = next(it.sent for it in flights if it.taken == number)
    return f"{ids[sent.source]}{ARROWS[sent.style]}{ids[sent.to]}"


def _safe(text: str) -> str:
    """Return a text without what Mermaid reads as its own."""
    return "".join(f"#{ord(sign)};" if sign in '"#<>&`;' else sign for sign in text)
