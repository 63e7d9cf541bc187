"""A sequence of events among participants: lanes, rows, and which arrival belongs to what left.

    Chart    a title, lanes, and events in the order in which they happened
    Sent     a message leaves a lane; it is lost where nothing of it arrives
    Arrived  a message comes; a second time it is a duplicate
    Mark     something happens on a lane; where it has a span, that is open until a mark ends it

`sequence_svg`, `sequence_text` and `sequence_mermaid` draw it. What an event means is known only to
whoever made the chart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from msgspec import Struct

Style = Literal["token", "command", "answer", "report", "cancel", "question"]
"""What kind of message it is: each has a line of its own."""

Kind = Literal[
    "start",
    "end",
    "commit",
    "begun",
    "done",
    "failed",
    "undone",
    "crash",
    "restart",
    "pause",
    "resumed",
    "park",
    "timer",
    "cancel",
    "refused",
    "fault",
    "operator",
    "note",
]
"""What a mark shows."""

KINDS: tuple[Kind, ...] = get_args(Kind)

CLOSING: frozenset[Kind] = frozenset(("done", "failed", "undone", "cancel", "refused"))
"""The kinds of marks that end an open span."""

FAULTS: frozenset[Kind] = frozenset(("crash", "pause", "refused", "fault"))
"""What goes wrong from outside: it is drawn so that it is seen first."""

WHOLE: frozenset[Kind] = frozenset(("crash", "restart", "pause", "resumed"))
"""What happens to a process, and so to all lanes of a group."""

SAME_MS = 0.5
"""What takes less has no length that could be seen."""


class Lane(Struct, frozen=True):
    """A participant; the lanes of one `group` live and die together."""

    name: str
    title: str
    group: str = ""


class Sent(Struct, frozen=True, tag=True):
    """A message leaves `source` for `to`; `message` is its number in this chart."""

    at_ms: float
    message: int
    source: str
    to: str
    label: str
    style: Style = "token"


class Arrived(Struct, frozen=True, tag=True):
    """A message arrives."""

    at_ms: float
    message: int


class Mark(Struct, frozen=True, tag=True):
    """Something happens on a lane. A `begun` opens a span, which its other marks are of."""

    at_ms: float
    lane: str
    kind: Kind
    label: str
    span: str = ""


Event = Sent | Arrived | Mark


class Chart(Struct, frozen=True):
    """`notes` are lines under the title."""

    title: str
    lanes: tuple[Lane, ...]
    events: tuple[Event, ...]
    notes: tuple[str, ...] = ()


class Row(Struct, frozen=True):
    """A line of a chart: one event, and the arrival that follows it at once."""

    number: int
    event: Event
    arrived: Arrived | None = None

    @property
    def at_ms(self) -> float:
        return self.event.at_ms

    @property
    def late_ms(self) -> float:
        """How long the message was under way that arrives in the row in which it left."""
        return 0.0 if self.arrived is None else self.arrived.at_ms - self.event.at_ms


class Flight(Struct, frozen=True):
    """A way of a message between two rows; without `taken` it is lost on it."""

    sent: Sent
    left: int
    taken: int | None
    late_ms: float = 0.0
    again: bool = False


class Span(Struct, frozen=True):
    """What lasts on a lane, between rows; `slot` keeps apart what lasts at the same time.

    `cut` says that a crash ended it, and `open` that nothing did.
    """

    lane: str
    first: int
    last: int
    slot: int
    cut: bool = False
    open: bool = False


class Score(Struct, frozen=True):
    """A chart in rows. `away` has, for each lane, the rows between which its process is dead, and
    `held` those between which it is paused."""

    rows: tuple[Row, ...]
    flights: tuple[Flight, ...]
    spans: tuple[Span, ...]
    away: tuple[Span, ...]
    held: tuple[Span, ...]


def score(chart: Chart) -> Score:
    """Put the events of a chart into rows, and pair what belongs together."""
    rows = tuple(_rows(chart.events))
    away = tuple(_between(chart, rows, "crash", ("restart",)))
    held = tuple(_between(chart, rows, "pause", ("resumed", "crash")))
    return Score(rows, tuple(_flights(rows)), tuple(_spans(chart, rows)), away, held)


def members(chart: Chart, mark: Mark) -> tuple[str, ...]:
    """Return the lanes that a mark is about."""
    groups = {lane.name: lane.group for lane in chart.lanes}
    group = groups.get(mark.lane)
    if mark.kind not in WHOLE or not group:
        return (mark.lane,)
    return tuple(lane.name for lane in chart.lanes if lane.group == group)


def lost(chart: Score) -> frozenset[int]:
    """Return the rows in which a message leaves that never arrives."""
    return frozenset(flight.left for flight in chart.flights if flight.taken is None)


def _rows(events: tuple[Event, ...]) -> Iterator[Row]:
    number, at = 0, 0
    while at < len(events):
        event = events[at]
        number, at = number + 1, at + 1
        following = events[at] if at < len(events) else None
        if (
            not isinstance(following, Arrived)
            or not isinstance(event, Sent)
            or following.message != event.message
        ):
            yield Row(number, event)
        else:
            yield Row(number, event, following)
            at += 1


def _flights(rows: tuple[Row, ...]) -> Iterator[Flight]:
    """Yield every way of every message, in the order of departure."""
    found: dict[int, list[Flight]] = {}
    left: dict[int, tuple[int, Sent]] = {}
    for row in rows:
        match row.event:
            case Sent() as sent:
                left[sent.message] = row.number, sent
                found[sent.message] = []
                if row.arrived is not None:
                    found[sent.message].append(Flight(sent, row.number, row.number, row.late_ms))
            case Arrived(at_ms, message) if message in left:
                number, sent = left[message]
                again = bool(found[message])
                flight = Flight(sent, number, row.number, at_ms - sent.at_ms, again)
                found[message].append(flight)
            case _:
                pass
    for message, (number, sent) in left.items():
        yield from found[message] or [Flight(sent, number, None)]


class _Open(Struct):
    lane: str
    first: int
    slot: int


def _spans(chart: Chart, rows: tuple[Row, ...]) -> Iterator[Span]:
    opened: dict[str, _Open] = {}
    for row in rows:
        mark = row.event
        if not isinstance(mark, Mark):
            continue
        if mark.kind == "begun" and mark.span and mark.span not in opened:
            opened[mark.span] = _Open(mark.lane, row.number, _free(opened, mark.lane))
        elif mark.kind in CLOSING and mark.span in opened:
            it = opened.pop(mark.span)
            yield Span(it.lane, it.first, row.number, it.slot)
        elif mark.kind == "crash":
            dead = members(chart, mark)
            for name in [name for name, it in opened.items() if it.lane in dead]:
                it = opened.pop(name)
                yield Span(it.lane, it.first, row.number, it.slot, cut=True)
    last = rows[-1].number if rows else 0
    for it in opened.values():
        yield Span(it.lane, it.first, last, it.slot, open=True)


def _free(opened: dict[str, _Open], lane: str) -> int:
    taken = {it.slot for it in opened.values() if it.lane == lane}
    return next(slot for slot in range(len(taken) + 1) if slot not in taken)


def _between(
    chart: Chart, rows: tuple[Row, ...], begins: Kind, ends: tuple[Kind, ...]
) -> Iterator[Span]:
    since: dict[str, int] = {}
    for row in rows:
        if not isinstance(row.event, Mark):
            continue
        for lane in members(chart, row.event):
            if row.event.kind == begins:
                since.setdefault(lane, row.number)
            elif row.event.kind in ends and lane in since:
                yield Span(lane, since.pop(lane), row.number, 0)
    for lane, first in since.items():
        yield Span(lane, first, rows[-1].number, 0, open=True)


def moment(ms: float) -> str:
    """Return an instant or a duration for people."""
    if ms < 1000:
        return f"{ms:.1f}".removesuffix(".0") + " ms"
    if ms < 120_000:
        return f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + " s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def told(chart: Chart, score: Score, row: Row) -> str:
    """Return a row in words, without its lanes."""
    match row.event:
        case Sent(label=label):
            late = f", under way for {moment(row.late_ms)}" if row.late_ms >= SAME_MS else ""
            never = ", never arrives" if row.number in lost(score) else ""
            return f"{label}{late}{never}"
        case Arrived():
            flight = next(it for it in score.flights if it.taken == row.number)
            again = "again: " if flight.again else ""
            return f"{again}{flight.sent.label}, from row {flight.left}"
        case Mark(label=label):
            return label


def title(chart: Chart, lane: str) -> str:
    """Return the title of a lane."""
    return next((it.title for it in chart.lanes if it.name == lane), lane)


def lane_of(score: Score, row: Row) -> str:
    """Return the lane at which a row happens."""
    match row.event:
        case Sent(source=source):
            return source
        case Mark(lane=lane):
            return lane
        case Arrived():
            return next((it.sent.to for it in score.flights if it.taken == row.number), "")
