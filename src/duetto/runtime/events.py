"""The events of one host: what it publishes, and who of its participants takes what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from duetto.authoring.handler import Handler
from duetto.authoring.window import WindowFunction
from duetto.broker import Acknowledge
from duetto.errors import DuettoError, NotFound
from duetto.kernel.fold import RunState
from duetto.model.effect import Effect, Publish
from duetto.model.event import Event
from duetto.model.message import EventPage, Listen, Message
from duetto.model.message import name as name_of
from duetto.model.token import OnEvent, Token
from duetto.observer import MessageRefused
from duetto.runtime.adoption import Adopter
from duetto.runtime.batches import Batches
from duetto.runtime.border import Abroad, Border
from duetto.runtime.consumer import Consumer
from duetto.runtime.doubts import Doubts
from duetto.runtime.feeds import Feeds
from duetto.runtime.host import Host
from duetto.runtime.intake import Intake
from duetto.runtime.kinds import Kind, Kinds
from duetto.runtime.lane import LaneKey
from duetto.runtime.letters import is_due
from duetto.runtime.mailboxes import Mailbox
from duetto.runtime.publishing import Origin, Publisher
from duetto.runtime.reactions import Reactions
from duetto.runtime.relay import Relay
from duetto.runtime.rights import Rights
from duetto.runtime.starting import Starter
from duetto.runtime.tasks import TaskHandle
from duetto.runtime.timers import Timers
from duetto.runtime.tokens import Events
from duetto.runtime.watermarks import HOME, Maker, Makers
from duetto.runtime.windows import Windows

MAILBOX, START = "@mailbox.", "@start."
"""Begin the names of consumers that are no handlers: no service is named so."""


class Choreography(Struct, frozen=True, eq=False):
    """What an app says of events: their classes, its handlers with how they are called, and which
    topics its workflows receive, by the participant that is their home."""

    kinds: Kinds
    participants: frozenset[str]
    """All of them, wherever they are."""
    handlers: Mapping[str, tuple[Handler, TaskHandle]]
    windows: Mapping[str, WindowFunction]
    received: Mapping[str, frozenset[str]]
    started: Mapping[str, tuple[str, str]]
    """By workflow: its home, and the topic that starts it."""
    abroad: Abroad | None = None
    """Where other programs publish and read."""
    is_signed: bool = False
    """Whether messages are signed: then it is looked at who may publish what, too."""

    def makers(self) -> Makers:
        """Return who makes events of events."""
        handlers = [
            Maker(name, each.service.name, frozenset(each.events), frozenset(each.publishes))
            for name, (each, _) in self.handlers.items()
        ]
        windows = [
            Maker(name, each.service, frozenset({each.topic}), frozenset(each.makes), (each.span,))
            for name, each in self.windows.items()
        ]
        return Makers([*handlers, *windows])


def stranger(kinds: Kinds) -> Choreography:
    """Return what is said of events by who reads a store without the app that made it."""
    return Choreography(kinds, frozenset({""}), {}, {}, {}, {})


class HostEvents(Events):
    """Events at one host. Made after the host, before its runs are recovered."""

    def __init__(self, host: Host, app: Choreography, sources: Mapping[str, str]) -> None:
        self.host, self.kinds = host, app.kinds
        self.source: str = source_of(host.participants)
        makers = app.makers()
        self._rights = Rights(makers.declared()) if app.is_signed else None
        self.publisher = Publisher(host, app.kinds, self.source, makers)
        self._due_rows = Timers(host.loop, host.clock, self._due)
        self.timers = (self._due_rows,)
        self._doubts = Doubts(host)
        self._recovered: list[tuple[RunState, Token]] | None = []
        """Who waits for an event, while the runs are taken up again."""
        self.consumers: dict[str, Consumer] = {}
        self.mailboxes: dict[str, Mailbox] = {}
        self._add_handlers(app.handlers)
        for name, function in app.windows.items():
            if function.service in host.participants:
                self.consumers[name] = Windows(
                    host, function, kinds=self.kinds, publisher=self.publisher
                )
        for participant in sorted(host.participants):
            for topic in sorted(app.received.get(participant, ())):
                self._add_mailbox(topic)
        for workflow, (home, topic) in app.started.items():
            if home in host.participants:
                kind = self.kinds.topic(topic)
                self._add_intake(START + workflow, kind, Starter(host, workflow, kind))
        self._border = self._add_crossers(app.abroad)
        self.feeds = Feeds(host, self.publisher, self.consumers)
        self._elsewhere = sorted(app.participants - host.participants)
        for consumer in self.consumers.values():
            self._prepare(consumer, makers, sources)
            consumer.has_room = self.feeds.take_waiting
            for topic in consumer.topics:
                self.publisher.listen(topic, consumer.offer)
        if self._elsewhere:
            for topic in app.kinds.by_topic:
                self.publisher.listen(topic, self.feeds.published)
        host.events, host.exchange.events = self, self._heard
        if not app.kinds.by_topic:
            self._read_rows()

    def _prepare(self, consumer: Consumer, makers: Makers, sources: Mapping[str, str]) -> None:
        """Let a consumer that makes something know how far what it takes has come."""
        if consumer.makes or isinstance(consumer, Windows):
            kinds = [self.kinds.topic(topic) for topic in sorted(consumer.topics)]
            consumer.inputs = tuple(
                makers.expected(kind.topic, kind.declared.lanes, sources) for kind in kinds
            )
            consumer.spans = makers.spans_of(consumer.name)

    def _add_handlers(self, handlers: Mapping[str, tuple[Handler, TaskHandle]]) -> None:
        for name, (handler, handle) in handlers.items():
            if handler.service.name in self.host.participants:
                make = partial(Batches, batch=handler.batch) if handler.batch else Reactions
                self.consumers[name] = make(
                    self.host,
                    handler,
                    handle,
                    kinds=self.kinds,
                    publisher=self.publisher,
                    timers=self._due_rows,
                    doubts=self._doubts,
                )

    def _add_crossers(self, abroad: Abroad | None) -> Border | None:
        """Add what relays to other programs, and at the home of the app what adopts from them."""
        if abroad is None:
            return None
        for topic, kind in self.kinds.by_topic.items():
            made: Relay | Adopter | None = None
            signed = abroad.signed or abroad.wire
            if kind.declared.shared:
                made = Relay(self.host, topic, signed, publisher=self.publisher)
            elif kind.declared.foreign and "" in self.host.participants:
                wire = abroad.wire if kind.declared.unsigned else signed
                made = Adopter(self.host, kind, wire, abroad.wire, publisher=self.publisher)
            if made is not None:
                self.consumers[made.name] = made
        return Border(self.host, abroad)

    def _read_rows(self) -> None:
        """Learn from the store who published and who holds letters, where no class says so."""
        log = self.host.store.log
        for name in {name.split("/")[1] for name, _ in log.state("held/")}:
            self.consumers[name] = Consumer(self.host, name, (), publisher=self.publisher)
        for (topic, lane), head in self.publisher.heads.items():
            for event in self.publisher.read(topic, lane, head - 1, 1):
                self.source = self.publisher.source = event.source

    def _add_mailbox(self, topic: str) -> None:
        if topic not in self.mailboxes:
            kind = self.kinds.topic(topic)
            self.mailboxes[topic] = mailbox = Mailbox(self.host, self.host, kind)
            self._add_intake(MAILBOX + topic, kind, mailbox)

    def _add_intake(self, name: str, kind: Kind, taker: Mailbox | Starter) -> None:
        self.consumers[name] = Intake(self.host, name, kind, taker, publisher=self.publisher)

    def count_deaths(self) -> None:
        self._doubts.count()

    def recover(self) -> None:
        # After the runs were: they may wait for what is read.
        self._listen_in_order()
        for consumer in self.consumers.values():
            consumer.recover()
        for consumer in self.consumers.values():
            consumer.resume()
        self.feeds.listen(self._elsewhere)
        if self._border is not None:
            crossers = (
                each for each in self.consumers.values() if isinstance(each, Relay | Adopter)
            )
            self._border.open(crossers)

    def _listen_in_order(self) -> None:
        """Let who waited for an event when the last process ended wait on, the oldest first
        (PROTOCOL, rule 39)."""
        recovered, self._recovered = self._recovered or [], None
        for run, token in sorted(recovered, key=lambda each: _since(each[1])):
            if run.tokens.get(token.path) is token:
                self.listen(run, token)

    def close(self) -> None:
        self._due_rows.close()

    async def leave(self) -> None:
        if self._border is not None:
            await self._border.close()

    def sweep(self, before: int) -> None:
        for mailbox in self.mailboxes.values():
            mailbox.sweep()
        for consumer in self.consumers.values():
            if isinstance(consumer, Windows | Adopter):
                consumer.sweep(before)
        self.feeds.listen(self._elsewhere)

    # -- of runs

    def publish(self, run: RunState, token: Token, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish):
                program = self.host.programs.program(token.definition)
                origin = emitted(run, token)
                try:
                    by = program.definition.name
                    self.publisher.publish(program.load(effect.event), origin, by=by)
                except DuettoError as refused:
                    self.host.note(run, token.path, "not published", str(refused))

    def listen(self, run: RunState, token: Token) -> None:
        assert isinstance(token.rest, OnEvent), "it waits for an event"
        if self._recovered is not None:
            self._recovered.append((run, token))
            return
        kind = self.kinds.named(token.rest.event)
        mailbox = self.mailboxes.get(kind.topic) if kind is not None else None
        if mailbox is None:
            reason = f"nobody here keeps the event {token.rest.event}"
            self.host.park(run, token, reason)
            return
        mailbox.listen(run, token)

    def kept(self, rest: OnEvent) -> int | None:
        kind = self.kinds.named(rest.event)
        mailbox = self.mailboxes.get(kind.topic) if kind is not None else None
        return mailbox.fitting(rest) if mailbox is not None else None

    def _heard(self, message: Message, acknowledge: Acknowledge) -> None:
        match message.body:
            case Listen():
                self.feeds.listened(message, message.body)
                acknowledge()
            case EventPage():
                if not self._refuses(message, message.body):
                    self.feeds.take(message, message.body, acknowledge)
            case _:
                pass

    def _refuses(self, message: Message, page: EventPage) -> bool:
        """Return whether a page is not taken, as who sends it may not publish that."""
        if self._rights is None:
            return False
        reason = self._rights.refusal(source_of(frozenset({message.source})), page)
        if reason and self._rights.is_news(message.source, reason):
            refused = MessageRefused(message.source, message.to, name_of(message), reason)
            self.host.observer.note(refused)
        return bool(reason)

    def _due(self, consumer: str, _: str, position: int) -> None:
        reactions = self.consumers.get(consumer)
        if isinstance(reactions, Reactions) and not self.host.stopping:
            reactions.due(position)

    # -- reading

    @property
    def is_quiet(self) -> bool:
        """Whether no handler here has anything in hand, or to try again."""
        return not any(
            not consumer.idle or any(is_due(row) for row in consumer.letters)
            for consumer in self.consumers.values()
        )

    def has_taken(self, other: HostEvents) -> bool:
        """Whether every watermark here is at the head of its lane at another host, or this one."""
        return not any(
            topic in consumer.topics
            and consumer.lanes.of((other.source, topic, number)).watermark < head
            for (topic, number), head in other.publisher.heads.items()
            for consumer in self.consumers.values()
        )

    def consumer(self, name: str) -> Consumer:
        """Return a consumer. Raises NotFound."""
        found = self.consumers.get(name)
        if found is None:
            raise NotFound.named("handler", name, self.consumers)
        return found


def emitted(run: RunState, token: Token) -> Origin:
    """Return the origin of what a run emits: what started it is passed on."""
    causation = f"{run.id}{token.path}"
    if token.origin is None:
        return Origin(run.id, causation)
    return replace(token.origin, causation=causation)


def join_logs(hosts: Collection[HostEvents]) -> None:
    """Let handlers read the logs of all stores in one process."""
    logs = {events.source: events.publisher for events in hosts}

    def read(lane: LaneKey, after: int, limit: int) -> list[Event] | None:
        source, topic, number = lane
        return logs[source].read(topic, number, after, limit) if source in logs else None

    for events in hosts:
        for consumer in events.consumers.values():
            if isinstance(consumer, Reactions):
                consumer.replays.read = read


def source_of(participants: frozenset[str]) -> str:
    """Return the name under which a store of these participants publishes."""
    return min(participants) or HOME


def _since(token: Token) -> int:
    return token.rest.since if isinstance(token.rest, OnEvent) else 0


__all__ = ["MAILBOX", "START", "Choreography", "HostEvents", "join_logs", "source_of"]
