"""What can be asked of events: publish, list, show, dead letters, redrive, discard, lineage."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from heapq import nlargest
from typing import Any

import msgspec
from msgspec import Struct

from duetto.authoring.event import declared_event
from duetto.authoring.window import ms_of
from duetto.broker import Record
from duetto.errors import DuettoError, NotAllowed, NotFound, ValueRefused
from duetto.model.event import Event, Held, place_of
from duetto.model.view import EventView, LetterView, LineageView, WindowView
from duetto.operations.lineage import lineage
from duetto.operations.log import logged
from duetto.operations.observing import Observed, observed
from duetto.operations.transaction import Transaction
from duetto.runtime.adoption import ADOPT, Adopter, record_of
from duetto.runtime.consumer import Consumer
from duetto.runtime.engine import Engine
from duetto.runtime.events import HostEvents
from duetto.runtime.publishing import PAGE, Origin
from duetto.runtime.reactions import Reactions
from duetto.runtime.replays import Picked
from duetto.runtime.windows import Windows

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""The header of W3C's Trace Context, section 3.2."""

QUIET_S = 0.01
"""How long until it is looked again whether all is quiet."""


class Letters(Struct, frozen=True):
    """Which dead letters: of a handler, a topic, a key, with a text in their reason; all of it."""

    handler: str = ""
    topic: str = ""
    key: str = ""
    reason: str = ""

    def fits(self, handler: str, row: Held) -> bool:
        """Return whether a row is a dead letter that is asked for."""
        return (
            row.state == "dead"
            and self.handler in ("", handler)
            and self.topic in ("", row.event.topic)
            and self.key in ("", row.event.key)
            and self.reason in row.reason
        )


class Redriven(Struct, frozen=True):
    """How many letters are handled again, and why others are not, by their event."""

    count: int
    refused: dict[str, str] = {}


class Replayed(Struct, frozen=True):
    """The number of a replay, and how many events it is of; 0 and 0 where there are none."""

    number: int
    count: int


class EventOperations:
    """What can be asked of the events of a running app."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # -- publishing

    async def publish(
        self,
        value: object,
        *,
        correlation: str = "",
        trace: str = "",
        deadline: datetime | None = None,
    ) -> str:
        """Publish an event; return its name once it is durable.

        What follows from it carries on what is given: what it belongs to (its own name unless
        given), a W3C `traceparent`, and when all of it comes too late, which handlers are told.
        Raises ConfigurationError for what is no event, ValueRefused for one that cannot be kept.
        """
        host = self._home.host
        if trace and not TRACEPARENT.fullmatch(trace):
            raise ValueRefused(
                "A trace context does not fit.",
                found=trace[:100],
                expected="a W3C `traceparent`: 00-<32 hex digits>-<16 hex digits>-01",
            )
        until = ms_of(deadline) if deadline is not None else 0
        origin = Origin(correlation=correlation, deadline=until, trace=trace)
        event = self._home.publisher.publish(value, origin)
        await host.durable()
        return event.name

    async def publish_all(self, values: Iterable[object]) -> list[str]:
        """Publish events in one commit; all of them, or none. Raises as `publish` does."""
        home = self._home
        published = home.publisher.publish_all(values, Origin())
        await home.host.durable()
        return [event.name for event in published]

    @asynccontextmanager
    async def transaction(self, service: str = "") -> AsyncGenerator[Transaction]:
        """Change tables of a service, or the app's own, and publish events, in one commit: at the
        end of the block, all of it or nothing. It is durable when the block is left.

        Raises ConfigurationError for what is no event or a service that is not here, ValueRefused
        for what the database refuses or cannot be kept.
        """
        host = self._engine.host_of(service)
        work = Transaction(host.store.select)
        yield work
        if work.events:
            publisher = next(each for each in self._hosts() if each.host is host).publisher
            made = publisher.publish_all(work.events, Origin(), statements=work.statements)
            work.published += [event.name for event in made]
        elif work.statements:
            host.apply(work.statements)
        await host.durable()

    async def publish_json(self, topic: str, data: bytes | str) -> str:
        """Publish an event whose fields are JSON. Raises NotFound, or ValueRefused."""
        return await self.publish(self._home.kinds.topic(topic).from_json(data))

    async def adopt(
        self, topic: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> list[str]:
        """Adopt the CloudEvents of a message, in any mode, as if they had come by their topic;
        return the names of those that are new.

        Raises NotFound for a topic, NotAllowed for one that is not foreign. What does not fit is a
        dead letter.
        """
        self._home.kinds.topic(topic)
        adopter = self._home.consumers.get(ADOPT + topic)
        if not isinstance(adopter, Adopter):
            raise NotAllowed(
                f"The events {topic} do not come from other programs.",
                found=f"{topic}, which this app publishes itself",
                expected="@event(foreign=…), and App(topics=…)",
                do="publish it: `duetto events publish`",
            )
        names = adopter.adopt(Record(body, headers=dict(headers or {})))
        await self._home.host.durable()
        return names

    async def quiet(self) -> None:
        """Return once every event that can be is taken, and all of it is durable.

        That is arithmetic: each watermark is at the head of its lane, and no row is to be tried
        again (PROTOCOL, rule 36). Raises what stops a store.
        """
        while not self.is_quiet:
            await asyncio.sleep(QUIET_S)
            await self._durable()

    @property
    def is_quiet(self) -> bool:
        """Whether every event that can be is taken."""
        events = self._engine.events
        return all(
            each.is_quiet and all(each.has_taken(other) for other in events) for each in events
        )

    async def end_of(self, event: type) -> None:
        """Say that no more events of a class come from outside; return once that is durable.

        Raises ConfigurationError for what is no event, NotAllowed for one that handlers make.
        """
        home = self._home
        topic = home.kinds.topic(declared_event(event, where="end_of").name).topic
        if home.publisher.marks.is_made(topic):
            raise NotAllowed(
                f"The events {topic} are made of others, and end with them.",
                found=f"end_of({topic})",
                expected="an event that comes from outside",
                do="say that what its handlers take has ended",
            )
        for events in self._hosts():
            if events is home or any(published == topic for published, _ in events.publisher.heads):
                events.publisher.end(topic)
        await self._durable()

    def _windows(self) -> list[Windows]:
        return [
            consumer
            for events in self._hosts()
            for consumer in events.consumers.values()
            if isinstance(consumer, Windows)
        ]

    # -- reading

    def results(self, window: str) -> list[WindowView]:
        """Return what was made of the windows of a function that were shown, by their start.

        Raises NotFound where there is no such function.
        """
        consumer = self._consumer(window)
        if not isinstance(consumer, Windows):
            raise NotFound.named("window", window, [each.name for each in self._windows()])
        return [
            WindowView(key, start, start + consumer.span.size_ms, revision, value)
            for start, key, revision, value in consumer.results()
        ]

    def list(
        self, *, topic: str = "", key: str = "", since: int = 0, limit: int = 100
    ) -> list[EventView]:
        """Return events, newest first; `since` is an instant in ms.

        Raises NotFound for a topic that is not known.
        """
        if topic and self._home.kinds.by_topic:
            self._home.kinds.topic(topic)
        topics = {topic} if topic else None
        events = (
            event
            for each in self._hosts()
            for event in logged(each, topics=topics, since=since)
            if key in ("", event.key)
        )
        return [self._view(event) for event in nlargest(limit, events, key=_age)]

    def count(self, topic: str) -> int:
        """Return how many events of a type were ever published here. Raises NotFound."""
        self._home.kinds.topic(topic)
        return sum(events.publisher.count(topic) for events in self._hosts())

    def show(self, name: str) -> EventView:
        """Return an event by its name. Raises NotFound."""
        return self._view(self._event(name))

    def lineage(self, name: str) -> LineageView:
        """Return what an event or a run follows from, and what followed. Raises NotFound."""
        self._hosts()
        return lineage(self._engine, name)

    def observed(self) -> Observed:
        """Return who published and who took what, of what happened here last."""
        self._hosts()
        return observed(self._engine)

    def _event(self, name: str) -> Event:
        place = place_of(name)
        for events in self._engine.events:
            if place is not None and place.source == events.source:
                found = events.publisher.find(place.topic, place.lane, place.seq)
                if found is not None:
                    return found
        raise NotFound(
            f"There is no event `{name}` here.",
            found=name,
            expected="the name of an event, as `duetto events tail` shows it",
            do="it may have been purged: events are kept as long as closed runs",
        )

    def _view(self, event: Event) -> EventView:
        return EventView(
            event.name,
            event.topic,
            event.key,
            event.version,
            event.at,
            event.correlation,
            event.causation,
            self._shown(event.topic, event.data, event.version),
        )

    def _shown(self, topic: str, data: bytes, version: int | None = None) -> Any:
        if not data:
            return None  # a letter about a window
        if version == 0:  # a record of another program: it is shown as the text that it mostly is
            record = record_of(data)
            return {"headers": record.headers, "body": record.body.decode("utf-8", "replace")}
        try:
            kind = self._home.kinds.topic(topic)
            return kind.to_json(data, kind.declared.version if version is None else version)
        except DuettoError as unfit:
            return _raw(data, unfit)

    # -- dead letters

    def letters(self, asked: Letters | None = None, *, limit: int = 100) -> list[LetterView]:
        """Return dead letters, the oldest first."""
        asked = asked or Letters()
        found = sorted(self._dead(asked), key=lambda each: each[1].since)
        return [self._letter(consumer, row) for consumer, row in found[:limit]]

    def _dead(self, asked: Letters) -> Iterator[tuple[Consumer, Held]]:
        if asked.handler:
            self._consumer(asked.handler)
        for events in self._hosts():
            for name, consumer in events.consumers.items():
                yield from ((consumer, row) for row in consumer.letters if asked.fits(name, row))

    def _letter(self, consumer: Consumer, row: Held) -> LetterView:
        behind = sum(
            other.state == "behind" and other.event.key == row.event.key
            for other in consumer.letters
        )
        return LetterView(
            consumer.name,
            row.position,
            self._view(row.event),
            row.reason,
            row.attempts,
            row.since,
            behind,
            row.trace,
            self._shown(row.event.topic, row.mended) if row.mended else None,
        )

    def letter(self, handler: str, position: int) -> LetterView:
        """Return one dead letter. Raises NotFound, or NotAllowed where it is not dead."""
        consumer = self._consumer(handler)
        return self._letter(consumer, consumer.dead(position))

    async def redrive(self, handler: str, position: int, data: bytes | str | None = None) -> None:
        """Let a dead letter be handled again, with other fields (JSON) where they are given.

        Raises NotFound, NotAllowed where it is not dead, ValueRefused where the data does not fit.
        """
        consumer = self._consumer(handler)
        row = consumer.dead(position)
        consumer.redrive(position, self._mended(row, data))
        await consumer.desk.durable()

    def _mended(self, row: Held, data: bytes | str | None) -> bytes:
        if data is None:
            return b""
        if row.event.is_mark:
            raise NotAllowed(
                "The letter is about a window, which has no data of its own.",
                found="a redrive with data",
                expected="a redrive without, once the function of the window is mended",
            )
        kind = self._home.kinds.topic(row.event.topic)
        key, mended = kind.pack(kind.from_json(data))
        if key != row.event.key and row.event.version:  # what came from outside has no place yet
            raise NotAllowed(
                "The mended event has another key.",
                found=f"key {key!r}, in place of {row.event.key!r}",
                expected="the same key: what waits behind the letter is ordered by it",
                do="discard the letter, and publish the mended event as a new one",
            )
        return mended

    async def redrive_all(self, asked: Letters | None = None) -> Redriven:
        """Let every dead letter that fits be handled again. Raises NotFound for a handler."""
        count, refused = 0, dict[str, str]()
        for consumer, row in list(self._dead(asked or Letters())):
            try:
                consumer.redrive(row.position)
                count += 1
            except DuettoError as error:
                refused[row.event.name] = str(error)
        await self._durable()
        return Redriven(count, refused)

    async def replay(
        self, handler: str, picked: Picked | None = None, *, publishes: bool = False
    ) -> Replayed:
        """Let a handler handle events once more that it is done with: those that are picked, all
        that are retained unless said. Nobody else notices, unless it `publishes` again.

        Raises NotFound, or NotAllowed where that is not a handler, one replay is under way, or a
        log is in another process.
        """
        consumer, picked = self._consumer(handler), picked or Picked()
        if not isinstance(consumer, Reactions):
            raise NotAllowed(
                f"{handler} cannot handle events once more.",
                found=f"{handler}, which is no handler: it starts, wakes, or gathers",
                expected="a function that is declared with `Service.on(…)`",
                do="publish new events, which everybody takes",
            )
        if picked.topic and picked.topic not in consumer.topics:
            raise NotFound.named("event", picked.topic, consumer.topics)
        count = await self._done_by(consumer, picked)
        number = consumer.replay(picked, publishes=publishes) if count else 0
        await consumer.desk.durable()
        return Replayed(number, count)

    async def _done_by(self, consumer: Consumer, picked: Picked) -> int:
        """Return how many of the picked events a consumer is done with; others run meanwhile."""
        count = 0
        for number, (lane, event) in enumerate(
            (consumer.lanes.of((event.source, event.topic, event.lane)), event)
            for events in self._hosts()
            for event in logged(events, topics=consumer.topics, since=picked.since)
        ):
            count += event.seq <= lane.watermark and picked.fits(event)
            if number % PAGE == PAGE - 1:
                await asyncio.sleep(0)
        return count

    async def discard(self, handler: str, position: int) -> None:
        """Give a dead letter up; what waits behind it goes on. Raises as `redrive` does."""
        consumer = self._consumer(handler)
        consumer.discard(position)
        await consumer.desk.durable()

    async def discard_all(self, asked: Letters | None = None) -> int:
        """Give every dead letter that fits up; return how many."""
        found = list(self._dead(asked or Letters()))
        for consumer, row in found:
            consumer.discard(row.position)
        await self._durable()
        return len(found)

    async def _durable(self) -> None:
        for host in self._engine.hosts:
            await host.durable()

    def _consumer(self, name: str) -> Consumer:
        for events in self._engine.events:
            if name in events.consumers:
                return events.consumers[name]
        names = [each for events in self._engine.events for each in events.consumers]
        raise NotFound.named("handler", name, names)

    # -- parts

    def _hosts(self) -> list[HostEvents]:
        if not self._engine.events:
            raise NotAllowed(
                "The app has no events.",
                expected="a class decorated with `@event` that a handler or a workflow names",
            )
        return self._engine.events

    @property
    def _home(self) -> HostEvents:
        return next(events for events in self._hosts() if "" in events.host.participants)


def _age(event: Event) -> tuple[int, int, str, int, int]:
    """Return what orders events: their instant, then what follows from what, then their lanes."""
    return event.at, event.hops, event.topic, event.lane, event.seq


def _raw(data: bytes, unfit: DuettoError) -> Any:
    """Return what data has, without its class; else why it cannot be read."""
    try:
        return msgspec.to_builtins(msgspec.msgpack.decode(data), str_keys=True)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return f"cannot be read: {unfit.message}"
