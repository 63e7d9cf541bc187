"""Replay: events that a handler is done with are put into its rows once more.

It concerns one handler and nobody else: the rows are its own, each named (event, replay), and what
it publishes is left out unless asked for (PROTOCOL, rule 38). Of each key they are a block, with
live events behind it: while rows are still to be put, the handler takes no live ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from duetto.errors import NotAllowed
from duetto.model.event import Event, Held
from duetto.runtime.desk import Desk
from duetto.runtime.lane import LaneKey

Read = Callable[[LaneKey, int, int], list[Event] | None]
"""Read the first events of a lane after a seq, so many; None where its source is elsewhere."""


class Picked(Struct, frozen=True):
    """Which events are replayed: of a topic, a key, published from `since` to before `until` (ms
    since the epoch, 0 for no end); all of it."""

    topic: str = ""
    key: str = ""
    since: int = 0
    until: int = 0

    def fits(self, event: Event) -> bool:
        """Return whether an event is one of those that are asked for."""
        return (
            self.topic in ("", event.topic)
            and self.key in ("", event.key)
            and event.at >= self.since
            and (not self.until or event.at < self.until)
        )


class Span(Struct, frozen=True, array_like=True):
    """What is left of a lane: the events after `after`, up to `last`."""

    source: str
    topic: str
    number: int
    after: int
    last: int


class Replay(Struct, frozen=True, array_like=True):
    """A replay of one handler. It is over once no span is left; its number stays."""

    number: int
    picked: Picked
    publishes: bool = False
    spans: tuple[Span, ...] = ()


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Replay).decode


class Replays:
    """The replays of one handler: at most one is under way."""

    def __init__(self, desk: Desk, handler: str) -> None:
        self._desk, self._name = desk, f"replay/{handler}"
        self.read: Read = _read_nothing
        """Reads the logs of this process; set once all of its stores are there."""
        data = desk.row(self._name)
        self._replay = decode(data) if data is not None else Replay(0, Picked())

    @property
    def is_under_way(self) -> bool:
        """Whether rows are still to be put."""
        return bool(self._replay.spans)

    def begin(self, picked: Picked, watermarks: Mapping[LaneKey, int], *, publishes: bool) -> int:
        """Write that events up to the watermarks are replayed; return the number of the replay.

        Raises NotAllowed where one is under way, or a log is not in this process.
        """
        if self.is_under_way:
            raise NotAllowed(
                "A replay of this handler is under way.",
                found=f"replay {self._replay.number}, with events still to be put in its rows",
                expected="one replay of a handler at a time",
                do="wait until it is done",
            )
        spans: list[Span] = []
        for (source, topic, number), last in sorted(watermarks.items()):
            if not last or picked.topic not in ("", topic):
                continue
            if self.read((source, topic, number), 0, 0) is None:
                raise NotAllowed(
                    "The events of another process cannot be replayed here.",
                    found=f"{topic} of {source}",
                    expected="a source whose store is open in this process",
                    do="name a topic that is published here, or run the app with all its stores",
                )
            spans.append(Span(source, topic, number, 0, last))
        number = self._replay.number + 1
        self._put(Replay(number, picked, publishes, tuple(spans)))
        return number

    def page(self, limit: int) -> list[Held]:
        """Read so many events, and go on behind them; return the rows of those that are asked for,
        still without their positions."""
        span, *others = self._replay.spans
        events = self.read((span.source, span.topic, span.number), span.after, limit) or []
        here = [event for event in events if event.seq <= span.last]
        is_read = len(here) < len(events) or len(events) < limit
        left = () if is_read else (msgspec.structs.replace(span, after=here[-1].seq),)
        replay = self._replay
        self._put(msgspec.structs.replace(replay, spans=(*left, *others)))
        return [
            Held(0, event, "behind", replay=str(replay.number), silent=not replay.publishes)
            for event in here
            if not event.is_mark and replay.picked.fits(event)
        ]

    def _put(self, replay: Replay) -> None:
        self._replay = replay
        self._desk.put(self._name, encode(replay))


def _read_nothing(lane: LaneKey, after: int, limit: int) -> list[Event] | None:
    return None
