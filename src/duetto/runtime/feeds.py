"""Events between stores: a source sends its log to who listens, a page after the other.

A consumer says from where on (`Listen`) at its start, and from time to time; the source sends pages
until they are confirmed, a few at a time, so that a slow consumer holds it back. The log is the
truth and messages a cache of it: whatever is lost or comes out of order is sent again
(PROTOCOL, rule 25).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from msgspec import Struct

from duetto.broker import Acknowledge
from duetto.model.event import Event
from duetto.model.message import EventPage, Listen, Message, name
from duetto.runtime.consumer import Consumer
from duetto.runtime.host import Host
from duetto.runtime.publishing import Publisher

PAGE_EVENTS_MAX = 100
"""Events in one message."""

PAGES_MAX = 4
"""Pages of one lane that are under way to one consumer: what is not confirmed is sent again."""


class Cursor(Struct, eq=False):
    """How far a lane was sent to a process that takes it, and how many pages are under way."""

    serial: int = 0
    sent: int = 0
    pages: int = 0


class Feeds:
    """What one host sends of its log, and what it takes of others'."""

    def __init__(self, host: Host, publisher: Publisher, consumers: Mapping[str, Consumer]) -> None:
        self.host, self.publisher, self._consumers = host, publisher, consumers
        self._cursors: dict[tuple[str, str, int], Cursor] = {}
        """By subscriber, topic and lane."""
        self._subscribers: dict[str, dict[str, int]] = {}
        """By topic, the participants that listen, with the serials of their processes."""
        self._fresh: dict[tuple[str, int], None] = {}
        self._waiting: dict[str, tuple[Message, Acknowledge]] = {}
        """Pages for which there was no room."""
        self._serial = host.clock.now_ms()
        """Tells what is sent to this process from what was sent to the one before."""
        self._asks: dict[str, None] = {}

    # -- the consumer's side

    def listen(self, sources: Iterable[str]) -> None:
        """Say from where on this host takes what others publish."""
        topics = sorted({topic for each in self._consumers.values() for topic in each.topics})
        if not topics:
            return
        body = Listen({topic: self._positions(topic) for topic in topics}, self._serial)
        for participant in sources:
            self._send(participant, body)

    def _positions(self, topic: str) -> dict[str, dict[int, int]]:
        """Return by source and lane up to where every consumer has taken a topic."""
        found: dict[str, dict[int, int]] = {}
        consumers = [each for each in self._consumers.values() if topic in each.topics]
        keys = {lane.key for each in consumers for lane in each.lanes if lane.key[1] == topic}
        for key in keys:
            source, _, number = key
            taken = min(each.lanes.of(key).taken for each in consumers)
            found.setdefault(source, {})[number] = taken
        return found

    def take(self, message: Message, page: EventPage, acknowledge: Acknowledge) -> None:
        """Offer the events of a page; it is acknowledged once all of them are taken up."""
        if page.serial != self._serial:
            # The process before this one asked for it: it is to come as this one does.
            acknowledge()
            self._ask_again(message.source)
            return
        consumers = [each for each in self._consumers.values() if page.topic in each.topics]
        for event in page.events:
            for consumer in consumers:
                consumer.offer(event)
        last = page.events[-1]
        lanes = [each.lanes.of((last.source, last.topic, last.lane)) for each in consumers]
        if all(lane.taken >= last.seq for lane in lanes):
            acknowledge()
        elif all(lane.taken >= page.events[0].seq - 1 for lane in lanes):
            self._waiting[name(message)] = (message, acknowledge)  # there was no room
        # Else one before it is missing, and this one is sent again.

    def _ask_again(self, source: str) -> None:
        """Say once more from where on this process listens, as what it said may be overtaken."""
        if not self._asks:
            self.host.loop.call_soon(self._ask)
        self._asks[source] = None

    def _ask(self) -> None:
        asks, self._asks = self._asks, {}
        if not self.host.stopping:
            self.listen(asks)

    def take_waiting(self) -> None:
        """Offer what had no room."""
        waiting, self._waiting = self._waiting, {}
        for message, acknowledge in waiting.values():
            assert isinstance(message.body, EventPage), "only pages wait"
            self.take(message, message.body, acknowledge)

    # -- the source's side

    def listened(self, message: Message, body: Listen) -> None:
        """Send a participant what it has not taken, from now on."""
        for topic, positions in body.topics.items():
            self._subscribers.setdefault(topic, {})[message.source] = body.serial
            own = positions.get(self.publisher.source, {})
            for (published, lane), _ in list(self.publisher.heads.items()):
                if published == topic:
                    self._listens(message.source, topic, lane, own.get(lane, 0))

    def _listens(self, subscriber: str, topic: str, lane: int, taken: int) -> None:
        cursor = self._cursor(subscriber, topic, lane)
        cursor.sent = max(cursor.sent, taken)
        self._pump(subscriber, topic, lane)

    def published(self, event: Event) -> None:
        """Send an event, with others of this turn, to who listens elsewhere."""
        if event.topic not in self._subscribers:
            return
        if not self._fresh:
            self.host.loop.call_soon(self._pump_fresh)
        self._fresh[event.topic, event.lane] = None

    def _pump_fresh(self) -> None:
        fresh, self._fresh = self._fresh, {}
        for topic, lane in fresh:
            for subscriber in self._subscribers.get(topic, ()):
                self._pump(subscriber, topic, lane)

    def _pump(self, subscriber: str, topic: str, lane: int) -> None:
        """Send the next pages of a lane, as long as few are under way."""
        cursor = self._cursor(subscriber, topic, lane)
        head = self.publisher.heads.get((topic, lane), 0)
        while cursor.pages < PAGES_MAX and cursor.sent < head and not self.host.stopping:
            events = self.publisher.read(topic, lane, cursor.sent, PAGE_EVENTS_MAX)
            if not events:
                return
            cursor.sent, cursor.pages = events[-1].seq, cursor.pages + 1
            page = EventPage(topic, tuple(events), cursor.serial)
            self._send(subscriber, page, partial(self._confirmed, cursor, subscriber, page))

    def _confirmed(self, cursor: Cursor, subscriber: str, page: EventPage) -> None:
        cursor.pages -= 1
        self._pump(subscriber, page.topic, page.events[0].lane)

    def _cursor(self, subscriber: str, topic: str, lane: int) -> Cursor:
        """Return how far a lane was sent; for another process than before it begins anew, as what
        that one had in memory, and acknowledged, has died with it."""
        serial, key = self._subscribers[topic][subscriber], (subscriber, topic, lane)
        cursor = self._cursors.get(key)
        if cursor is None or cursor.serial != serial:
            cursor = self._cursors[key] = Cursor(serial)
        return cursor

    def _send(
        self, to: str, body: EventPage | Listen, confirmed: Callable[[], None] | None = None
    ) -> None:
        host = self.host
        message = Message("", "", min(host.participants), to, host.clock.now_ms(), body)
        host.exchange.publish(message, confirmed)
