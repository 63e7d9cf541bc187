"""Events that other programs read: what this store's log has of a topic is published to a broker.

The log is the outbox: a record is published once its event is durable, and again where it is not
known whether that was done (PROTOCOL, rules 25 and 27). Its id is the event's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from duetto.broker import Record, Topics, Wire, check_record
from duetto.errors import NotAllowed
from duetto.model.event import Event
from duetto.runtime.adoption import CARRIED_AT_ONCE_MAX, room_for_letters
from duetto.runtime.consumer import REASON_MAX, Consumer
from duetto.runtime.desk import Desk
from duetto.runtime.publishing import Publisher

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
        self.carried = 0
        """Records that the broker took of this process."""
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
            await room_for_letters(self)
            records, refused = self._records(page, topics.capabilities.record_bytes_max)
            if records:
                await topics.publish(self.topic, records)
            # Nothing waits from here on: letters share the commit that says what was sent, as a
            # page that is sent again must not leave them twice.
            self.carried += len(records)
            for event, reason in [*self._missing(lane, page[0]), *refused]:
                self.bury(event, reason)
            self._sent[lane] = page[-1].seq
            self.desk.put(f"sent/{self.topic}/{lane}", encode(page[-1].seq))

    def _records(
        self, page: Sequence[Event], bytes_max: int
    ) -> tuple[list[Record], list[tuple[Event, str]]]:
        """Return events as others read them, and what the broker will never take, with why."""
        records, refused = list[Record](), list[tuple[Event, str]]()
        for event in page:
            if event.is_mark:
                continue
            try:
                record = self.wire.record(event)
                check_record(record, bytes_max)
            except Exception as error:  # anybody's code makes JSON of it
                refused.append((event, self.reason(error)))
            else:
                records.append(record)
        return records, refused

    def _missing(self, lane: int, first: Event) -> list[tuple[Event, str]]:
        """Return what was deleted before the broker took it, as one event without content."""
        sent = self._sent.get(lane)
        if sent is None or first.seq == sent + 1:
            return []
        reason = (
            f"events {sent + 1} to {first.seq - 1} of the lane were deleted before the broker took "
            "them: it was away for longer than events are kept"
        )
        empty = Event(first.source, self.topic, lane, sent + 1, "", first.version, first.at, b"")
        return [(empty, reason[:REASON_MAX])]

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        raise NotAllowed(
            "What a broker does not take is not published to it later either.",
            found=row.reason,
            expected="an event that other programs can be told",
            do="discard the letter, and publish another event",
        )
