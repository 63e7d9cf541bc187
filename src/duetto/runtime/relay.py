"""Events that other programs read: what this store's log has of a topic is published to a broker.

The log is the outbox: a record is published once its event is durable, and again where it is not
known whether that was done (PROTOCOL, rules 25 and 27). Its id is the event's name.
"""

from __future__ import annotations

import asyncio

import msgspec

from duetto.broker import Record, Topics, Wire, check_record
from duetto.errors import DuettoError, NotAllowed
from duetto.model.event import Event, Held
from duetto.runtime.adoption import CARRIED_AT_ONCE_MAX
from duetto.runtime.consumer import Consumer, reason_of
from duetto.runtime.desk import Desk
from duetto.runtime.publishing import Publisher
from duetto.store import seal

RELAY = "@relay."
"""Begins the names of relays."""

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(int).decode


class Relay(Consumer):
    """Publishes one topic, lane by lane, each in its order."""

    def __init__(self, desk: Desk, topic: str, wire: Wire, *, publisher: Publisher) -> None:
        super().__init__(desk, RELAY + topic, (), publisher=publisher)
        self.topic, self.wire = topic, wire
        prefix = f"sent/{topic}/"
        self._sent = {
            int(name.removeprefix(prefix)): decode(data)
            for name, data in desk.store.log.state(prefix)
        }
        self._fresh = asyncio.Event()
        publisher.listen(topic, lambda _: self._fresh.set())

    def recover(self) -> None:
        """Do nothing yet: what was not published is read from the log."""

    async def run(self, topics: Topics, group: str) -> None:
        """Publish what is new, for ever. Raises what the broker does."""
        await topics.create(self.topic)
        while True:
            self._fresh.clear()
            for topic, lane in list(self.publisher.heads):
                if topic == self.topic:
                    await self._send(topics, lane)
            await self._fresh.wait()

    async def _send(self, topics: Topics, lane: int) -> None:
        while page := self.publisher.read(
            self.topic, lane, self._sent.get(lane, 0), CARRIED_AT_ONCE_MAX
        ):
            bytes_max = topics.capabilities.record_bytes_max
            found = (self._record(event, bytes_max) for event in page if not event.is_mark)
            if records := [record for record in found if record is not None]:
                await topics.publish(self.topic, records)
            self._sent[lane] = page[-1].seq
            self.desk.batch.state[f"sent/{self.topic}/{lane}"] = seal(encode(page[-1].seq))
            self.desk.schedule()

    def _record(self, event: Event, bytes_max: int) -> Record | None:
        """Return an event as others read it; what the broker will never take is a letter."""
        try:
            record = self.wire.record(event)
            check_record(record, bytes_max)
        except DuettoError as error:
            reason, now = reason_of(error, self.desk.codec.error(error)), self.desk.clock.now_ms()
            position = self.letters.next_position()
            self.letters.put(Held(position, event, "dead", 0, 1, reason, since=now))
            self.note_letter(event, reason)
            return None
        return record

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        raise NotAllowed(
            "What a broker does not take is not published to it later either.",
            found=row.reason,
            expected="an event that other programs can be told",
            do="discard the letter, and publish another event",
        )
