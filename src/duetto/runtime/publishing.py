"""Publish events: numbered in the commit that makes them, told to who listens once it is safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import structs

from duetto.errors import LimitExceeded
from duetto.model.event import HOPS_MAX, Event, Origin, lane_of, origin_of
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kind, Kinds
from duetto.store import seal

Hear = Callable[[Event], None]
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Event).decode

PAGE = 500
"""Events that are read from the log at a time."""


def check_hops(origin: Origin) -> None:
    """Raise LimitExceeded where something follows from too many others: a cycle without an end."""
    if origin.hops > HOPS_MAX:
        raise LimitExceeded(
            "An event follows from too many others.",
            found=f"{origin.hops} events, the last {origin.causation}",
            expected=f"at most {HOPS_MAX} (HOPS_MAX)",
            do="end the cycle: `duetto topology` shows it",
        )


def origin_of_all(events: Sequence[Event]) -> Origin:
    """Return the origin of what is published in answer to several events: it is named after the
    last of them, and is late if one of them is."""
    origins = [origin_of(event) for event in events]
    deadlines = [origin.deadline for origin in origins if origin.deadline]
    stamps = [origin.stamp for origin in origins if origin.stamp is not None]
    return structs.replace(
        origins[-1],
        hops=max(origin.hops for origin in origins),
        deadline=min(deadlines, default=0),
        stamp=min(stamps, default=None),
    )


class Publisher:
    """The outbox of one store: the log itself (PROTOCOL, rule 25)."""

    def __init__(self, desk: Desk, kinds: Kinds, source: str) -> None:
        self.desk, self.kinds, self.source = desk, kinds, source
        self.heads = desk.store.log.heads()
        self._listeners: dict[str, list[Hear]] = {}
        self._turn = 0
        self._latest: dict[tuple[str, int], int] = {}
        """By topic and lane, the latest time of an event so far."""

    def listen(self, topic: str, hear: Hear) -> None:
        """Tell of each event of a topic, once it is durable, in the order of its lane."""
        self._listeners.setdefault(topic, []).append(hear)

    def publish(self, value: object, origin: Origin, *, by: str = "", foreign: str = "") -> Event:
        """Write an event into the next commit; `by` is the handler or workflow that publishes it.

        Raises ValueRefused, or LimitExceeded."""
        check_hops(origin)
        desk, kind = self.desk, self.kinds.of(value)
        key, data = kind.pack(value)
        topic, now = kind.topic, desk.clock.now_ms()
        lane = self._lane(key, kind)
        seq = self.heads.get((topic, lane), 0) + 1
        time = kind.time_of(value)
        stamp = self._stamp(topic, lane, time, origin) if time else 0
        event = Event(
            self.source,
            topic,
            lane,
            seq,
            key,
            kind.declared.version,
            now,
            data,
            origin.correlation,
            origin.causation,
            origin.hops,
            origin.deadline,
            origin.trace,
            foreign,
            time,
            stamp,
            by,
        )
        self.heads[topic, lane] = seq
        desk.batch.events.append((topic, lane, seq, now, seal(encode(event))))
        desk.after_commit(lambda: self._tell(event))
        return event

    def check(self, value: object, origin: Origin) -> None:
        """Raise what `publish` would."""
        check_hops(origin)
        kind = self.kinds.of(value)
        kind.pack(value)
        kind.time_of(value)

    def _stamp(self, topic: str, lane: int, time: int, origin: Origin) -> int:
        """Return what time a lane had reached before an event, which decides whether it is late."""
        latest = self._latest.get((topic, lane))
        if latest is None:
            last = self.find(topic, lane, self.heads.get((topic, lane), 0))
            latest = max(last.time, last.stamp) if last is not None else 0
        self._latest[topic, lane] = max(latest, time)
        return latest if origin.stamp is None else origin.stamp

    def _lane(self, key: str, kind: Kind) -> int:
        if key:
            return lane_of(key, kind.declared.lanes)
        # Without a key there is no order to keep: lanes take turns.
        self._turn += 1
        return self._turn % kind.declared.lanes

    def _tell(self, event: Event) -> None:
        if self.desk.stopping:
            return  # who starts next reads it
        for hear in self._listeners.get(event.topic, ()):
            hear(event)

    def read(self, topic: str, lane: int, after: int, limit: int = PAGE) -> list[Event]:
        """Return the first events of a lane after a seq, as far as they are durable."""
        return [decode(data) for data in self.desk.store.log.events(topic, lane, after, limit)]

    def find(self, topic: str, lane: int, seq: int) -> Event | None:
        """Return one event, None where it is not there or was purged."""
        found = self.read(topic, lane, seq - 1, 1)
        return found[0] if found and found[0].seq == seq else None


__all__ = ["Origin", "Publisher", "check_hops", "origin_of", "origin_of_all"]
