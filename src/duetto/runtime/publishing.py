"""Publish events: numbered in the commit that makes them, told to who listens once it is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct, structs

from duetto.errors import LimitExceeded, ValueRefused
from duetto.model.event import BEGINNING, END, HOPS_MAX, Event, Origin, lane_of, origin_of
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kind, Kinds
from duetto.runtime.marks import Marks
from duetto.runtime.watermarks import Makers
from duetto.store import Statement, seal

Hear = Callable[[Event], None]
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Event).decode

AHEAD_MS_MAX = 3_600_000
"""How far ahead of the clock here the time of an event may be: clocks differ, and not by more."""

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


class Draft(Struct, frozen=True, eq=False):
    """An event that has been checked, and has no place in a lane yet."""

    kind: Kind
    key: str
    data: bytes
    time: int | None
    origin: Origin


class Publisher:
    """The outbox of one store: the log itself (PROTOCOL, rule 25)."""

    def __init__(self, desk: Desk, kinds: Kinds, source: str, makers: Makers) -> None:
        self.desk, self.kinds, self.source = desk, kinds, source
        self.heads = desk.store.log.heads()
        self.marks = Marks(desk, kinds, makers, self.heads)
        self._listeners: dict[str, list[Hear]] = {}
        self._turn = 0

    def listen(self, topic: str, hear: Hear) -> None:
        """Tell of each event of a topic, once it is durable, in the order of its lane."""
        self._listeners.setdefault(topic, []).append(hear)

    def publish(self, value: object, origin: Origin, *, by: str = "", foreign: str = "") -> Event:
        """Write an event into the next commit; `by` is the handler or workflow that publishes it.

        Raises ValueRefused, or LimitExceeded.
        """
        return self.write(self.draft(value, origin), by=by, foreign=foreign)

    def publish_all(
        self,
        values: Iterable[object],
        origin: Origin,
        *,
        by: str = "",
        statements: Sequence[Statement] = (),
    ) -> list[Event]:
        """Write events, and changes of tables of a service, into the next commit: all or nothing.

        Raises as `publish` does, and ValueRefused for what the database refuses.
        """
        drafts = [self.draft(value, origin) for value in values]
        if statements:
            self.desk.apply(statements)
        return [self.write(draft, by=by) for draft in drafts]

    def draft(self, value: object, origin: Origin) -> Draft:
        """Return an event as it can be written. Raises as `publish` does."""
        check_hops(origin)
        kind = self.kinds.of(value)
        key, data = kind.pack(value)
        return Draft(kind, key, data, self._time_of(kind, value, origin), origin)

    def write(self, draft: Draft, *, by: str = "", foreign: str = "") -> Event:
        """Write an event into the next commit."""
        kind, key, origin, time = draft.kind, draft.key, draft.origin, draft.time
        topic, lane = kind.topic, self._lane(key, kind)
        stamp, mark = self._times(topic, lane, time, origin)
        event = Event(
            self.source,
            topic,
            lane,
            self.heads.get((topic, lane), 0) + 1,
            key,
            kind.declared.version,
            self.desk.clock.now_ms(),
            draft.data,
            origin.correlation,
            origin.causation,
            origin.hops,
            origin.deadline,
            origin.trace,
            foreign,
            time,
            stamp,
            mark,
            by,
        )
        self._append(event)
        if mark is not None:
            watermark, idle = self.marks.idle(topic)
            self._mark(topic, idle, watermark)
        return event

    def _time_of(self, kind: Kind, value: object, origin: Origin) -> int | None:
        """Return when an event happened. Raises ValueRefused where it is the first to say so, and
        that is still to come: it would move its lane so far that all until then was late."""
        time = kind.time_of(value)
        if time is None or origin.stamp is not None:
            return time
        now = self.desk.clock.now_ms()
        if time > now + AHEAD_MS_MAX:
            raise ValueRefused(
                f"An event {kind.topic} says that it happened in the future.",
                found=f"{time} ms since the epoch, which is {(time - now) / 1000:,.0f} s from now",
                expected=f"at most {AHEAD_MS_MAX // 60_000} minutes from now (AHEAD_MS_MAX)",
                do="mend the clock of whoever made it; a plan is no time at which it happened",
            )
        return time

    def _append(self, event: Event) -> None:
        """Write an entry of a lane into the next commit."""
        topic, lane, seq = event.topic, event.lane, event.seq
        self.heads[topic, lane] = seq
        self.desk.batch.events.append((topic, lane, seq, event.at, seal(encode(event))))
        self.desk.after_commit(lambda: self._tell(event))

    def _times(
        self, topic: str, lane: int, time: int | None, origin: Origin
    ) -> tuple[int | None, int | None]:
        """Return what time a lane had reached before an event, which decides whether it is late,
        and what it has reached with it, where the event moves it."""
        if time is None:
            return None, None
        if origin.stamp is not None:
            return origin.stamp, None
        before = self.marks.latest(topic, lane)
        latest = before if origin.is_again else self.marks.happened(topic, lane, time)
        stamp = BEGINNING if before is None or origin.is_again else before
        return stamp, latest if self.marks.moves(topic) else None

    # -- watermarks

    def said(self, maker: str, topics: Iterable[str], watermark: int) -> None:
        """Write how far topics have come, as far as that is new: one of their makers says that it
        has come so far."""
        for topic in topics:
            news = self.marks.said(topic, maker, watermark)
            if news is not None:
                self._mark(topic, range(self.kinds.topic(topic).declared.lanes), news)

    def end(self, topic: str) -> None:
        """Write that a topic has ended into all of its lanes."""
        if not self.marks.has_ended(topic):
            self._mark(topic, range(self.kinds.topic(topic).declared.lanes), END)

    def _mark(self, topic: str, lanes: Sequence[int], watermark: int) -> None:
        """Write a watermark into lanes."""
        if not lanes:
            return
        version, now = self.kinds.topic(topic).declared.version, self.desk.clock.now_ms()
        for lane in lanes:
            seq, latest = self.heads.get((topic, lane), 0) + 1, self.marks.latest(topic, lane)
            self._append(
                Event(
                    self.source,
                    topic,
                    lane,
                    seq,
                    "",
                    version,
                    now,
                    b"",
                    time=latest,
                    mark=watermark,
                )
            )
        self.marks.wrote(topic, lanes, watermark)

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
        """Return one event, None where it is not there, was purged, or is a mark."""
        found = self.read(topic, lane, seq - 1, 1)
        return found[0] if found and found[0].seq == seq and not found[0].is_mark else None

    def count(self, topic: str) -> int:
        """Return how many events of a topic were ever published here, without marks."""
        return sum(
            head - self.marks.count(topic, lane)
            for (published, lane), head in self.heads.items()
            if published == topic
        )


__all__ = ["Draft", "Origin", "Publisher", "check_hops", "origin_of", "origin_of_all"]
