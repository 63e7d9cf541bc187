"""Events of other programs, adopted: each gets a place in this store's log, once.

They come from the topic of a broker that has their name. One is known by the (source, id) of its
CloudEvent, for as long as events are retained (PROTOCOL, rule 28); the record that it came in is
acknowledged once that is durable. What nothing can be made of is a dead letter with the bytes that
came.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

import msgspec

from duetto.broker import Arrival, Record, Topics, Wire
from duetto.errors import DuettoError, NotAllowed
from duetto.model.event import Event, Origin
from duetto.observer import HandlerPaused
from duetto.runtime.consumer import Consumer, unknown_version
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kind
from duetto.runtime.letters import HELD_MAX
from duetto.runtime.publishing import Draft, Publisher

ADOPT = "@adopt."
"""Begins the names of consumers that adopt."""

BROKER, OPERATOR = "@broker", "@operator"
"""Where a record is from; both begin the names of letters."""

CARRIED_AT_ONCE_MAX = 100
"""Records that are taken, or published, at a time."""

FORGOTTEN_AT_ONCE_MAX = 2_000
"""Rows of adopted events that one sweep looks at: more would stop the loop."""

PAUSE_S = 1.0
"""How often one that holds too many letters looks whether there is room again."""

encode = msgspec.msgpack.Encoder().encode
record_of = msgspec.msgpack.Decoder(Record).decode
instant_of = msgspec.msgpack.Decoder(int).decode


class Adopter(Consumer):
    """Adopts the events of one topic."""

    def __init__(
        self, desk: Desk, kind: Kind, wire: Wire, trusting: Wire, *, publisher: Publisher
    ) -> None:
        super().__init__(desk, ADOPT + kind.topic, (), publisher=publisher)
        self.kind = kind
        self._wires = {BROKER: wire, OPERATOR: trusting}
        """By where a record is from: who may ask this app for something need not sign it."""
        self._looked_at = ""
        self.carried = 0
        """Records that this process has taken and acknowledged."""

    async def run(self, topics: Topics, group: str) -> None:
        """Adopt what comes, for ever. Raises what the broker does, and StoreError."""
        await topics.create(self.kind.declared.foreign)
        consumer = await topics.consume(self.kind.declared.foreign, group)
        try:
            while True:
                await room_for_letters(self)
                deliveries = await consumer.take(CARRIED_AT_ONCE_MAX)
                for delivery in deliveries:
                    self.adopt(delivery.record, BROKER)
                await self.desk.durable()
                await consumer.ack(*deliveries)
                self.carried += len(deliveries)
        finally:
            await consumer.close()

    def adopt(self, record: Record, giver: str = OPERATOR) -> list[str]:
        """Publish the events of a record that are new, or keep it as a letter; return the names
        of those."""
        try:
            return self._adopted(record, giver)
        except Exception as error:  # anybody's code makes an event of it
            self.bury(self._letter(record, giver), self.reason(error))
            return []

    def recover(self) -> None:
        for row in self.letters:
            if row.state == "delayed":
                self.letters.remove(row)
                self.adopt(record_of(row.event.data), row.event.source)

    def _adopted(self, record: Record, giver: str) -> list[str]:
        """Publish the events of a record that are new, all or none. Raises ValueRefused."""
        found: dict[str, tuple[Arrival, Draft]] = {}
        for arrival in self._wires[giver].read(record):
            if arrival.topic != self.kind.declared.foreign:
                raise NotAllowed(
                    "An event has another type than its topic.",
                    found=arrival.topic[:100],
                    expected=self.kind.declared.foreign,
                    do="publish it to the topic of its type",
                )
            if not self.kind.knows(arrival.version):
                reason = unknown_version(self.kind.topic, arrival.version)
                self.postpone(self._letter(record, giver), reason)
                return []
            name = _row(self.kind.topic, arrival)
            if self.desk.row(name) is None and name not in found:
                value = self.kind.from_json(arrival.data, arrival.version)
                found[name] = arrival, self.publisher.draft(value, _origin(arrival))
        return [self._publish(name, *each) for name, each in found.items()]

    def _publish(self, row: str, arrival: Arrival, draft: Draft) -> str:
        self.desk.put(row, encode(self.desk.clock.now_ms()))
        return self.publisher.write(draft, foreign=arrival.id).name

    def _letter(self, record: Record, giver: str) -> Event:
        """Return what stands for a record in a row: the bytes that came, whatever they are."""
        seq, now = self.letters.last + 1, self.desk.clock.now_ms()  # that of its row
        topic, data = self.kind.topic, encode(record)
        return Event(giver, topic, 0, seq, record.key, 0, now, data, foreign=record.id)

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        if data := mended or row.mended:
            self._mend(row.event, data)
        else:
            self._adopted(record_of(row.event.data), row.event.source)
        self.letters.remove(row)

    def _mend(self, event: Event, data: bytes) -> None:
        """Publish what an operator made of a record, in place of the one event that it has.

        Raises NotAllowed where it has several, or its event came once more and was adopted.
        """
        value = self.kind.load(data, self.kind.declared.version)
        arrivals = self._readable(record_of(event.data), event.source)
        if len(arrivals) > 1:
            raise NotAllowed(
                "A batch cannot be mended as one event: the others in it would be lost.",
                found=f"{len(arrivals)} events",
                expected="a letter of one event",
                do="adopt its events one by one: `duetto events publish --cloudevent`; discard it",
            )
        if not arrivals:
            self.publisher.publish(value, Origin(), foreign=event.foreign)
            return
        (arrival,) = arrivals
        row = _row(self.kind.topic, arrival)
        if self.desk.row(row) is not None:
            raise NotAllowed(
                "The event was adopted already: it came once more.",
                found=f"{arrival.source[:40]!a}, {arrival.id[:40]!a}",
                expected="an event that is not there yet",
                do="discard the letter",
            )
        self._publish(row, arrival, self.publisher.draft(value, _origin(arrival)))

    def _readable(self, record: Record, giver: str) -> list[Arrival]:
        """Return the events of a record, none where they cannot be read."""
        try:
            return self._wires[giver].read(record)
        except DuettoError:
            return []

    def sweep(self, before: int) -> None:
        """Forget some of what was adopted before an instant."""
        prefix = f"adopted/{self.kind.topic}/"
        rows = self.desk.store.log.state(prefix, after=self._looked_at, limit=FORGOTTEN_AT_ONCE_MAX)
        self._looked_at = rows[-1][0] if len(rows) == FORGOTTEN_AT_ONCE_MAX else ""
        for name, data in rows:
            if instant_of(data) < before:
                self.desk.put(name, None)


def _row(topic: str, arrival: Arrival) -> str:
    """Return the name of the row that says an event was adopted: (source, id) may be of any
    length."""
    digest = sha256(f"{len(arrival.source)} {arrival.source} {arrival.id}".encode()).hexdigest()
    return f"adopted/{topic}/{digest[:32]}"


def _origin(arrival: Arrival) -> Origin:
    return Origin(
        arrival.correlation,
        arrival.causation,
        arrival.hops,
        arrival.deadline,
        arrival.trace,
    )


async def room_for_letters(consumer: Consumer) -> None:
    """Wait until an operator has made room for letters, with an alarm (PROTOCOL, rule 33)."""
    if len(consumer.letters) < HELD_MAX:
        return
    consumer.desk.observer.note(HandlerPaused(consumer.name, len(consumer.letters)))
    is_full = True
    while is_full:
        await asyncio.sleep(PAUSE_S)
        is_full = len(consumer.letters) >= HELD_MAX
