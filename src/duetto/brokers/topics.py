"""Topics within one process: what a test, or an app that needs no other program, listens to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from random import Random

from msgspec import Struct

from duetto.broker import (
    ACK_WAIT_MS,
    RECORD_BYTES_MAX,
    Capabilities,
    Delivery,
    Record,
    check_name,
    check_record,
    full_topic,
    unknown_topic,
)
from duetto.brokers.faults import NO_FAULTS, Faults

MEMORY_RECORDS_MAX = 10_000
"""Records that a topic keeps: they are in memory."""

TOPIC_LOOK_S = 0.05
"""How long a consumer waits before it looks whether its topic was created again."""


class _Entry(Struct):
    """A record that a group has not acknowledged, and when it may be handed out (loop's time)."""

    record: Record
    due: float = 0.0
    count: int = 0
    orders: bool = True
    """Whether later ones of its key wait for it; a duplicate holds up nobody."""


class _Group:
    """What the consumers of a group have yet to handle, by number in order."""

    def __init__(self, records: dict[int, Record], draw: Callable[[Record], _Entry]) -> None:
        self.entries = {number: draw(record) for number, record in records.items()}
        self.changed = asyncio.Event()

    def eligible(self, now: float) -> Iterator[tuple[int, _Entry]]:
        """Yield what may be handed out, oldest first: of each key only the first."""
        behind: set[str] = set()
        for number, entry in self.entries.items():
            key = entry.record.key
            if entry.orders and key:
                if key in behind:
                    continue
                behind.add(key)
            if entry.due <= now:
                yield number, entry

    def wake(self) -> None:
        """Have every consumer look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class _Topic:
    """The records that are kept, and the groups."""

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        self.ids: set[str] = set()
        self.groups: dict[str, _Group] = {}

    def make_room(self, wanted: int) -> bool:
        """Forget the oldest that every group has handled, as far as needed; say whether it is."""
        held = {number for group in self.groups.values() for number in group.entries}
        for number in list(self.records):
            if len(self.records) + wanted <= MEMORY_RECORDS_MAX:
                break
            if self.groups and number not in held:
                self.ids.discard(self.records.pop(number).id)
        return len(self.records) + wanted <= MEMORY_RECORDS_MAX


class InProcessTopics:
    """Topics in memory. With faults, deliveries are doubled, late or lost, and come again."""

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        self._faults, self._random = faults, Random(faults.seed)
        self._topics: dict[str, _Topic] = {}
        self._number = 0
        self.capabilities = Capabilities(
            ordered_by_key=True,
            dedupes=not faults.duplicate,
            counts=True,
            delays=True,
            persistent=False,
            shared=False,
            record_bytes_max=RECORD_BYTES_MAX,
        )

    async def create(self, topic: str) -> None:
        """Make a topic; one that is there stays as it is. Raises ValueRefused for its name."""
        check_name("topic", topic)
        self._topics.setdefault(topic, _Topic())

    async def delete(self, topic: str) -> None:
        """Delete a topic and all in it; whoever waits there waits for its successor."""
        self._topics.pop(topic, None)

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Publish all records or none. Raises NotFound, LimitExceeded and ValueRefused."""
        found = self.named(topic)
        for record in records:
            check_record(record, RECORD_BYTES_MAX)
        if not found.make_room(len(records)):
            raise full_topic(topic, MEMORY_RECORDS_MAX)
        for record in records:
            if record.id and record.id in found.ids:
                continue
            found.ids.add(record.id)
            number = self.next_number()
            found.records[number] = record
            for group in found.groups.values():
                group.entries[number] = self._entry(record)
        for group in found.groups.values():
            group.wake()

    async def consume(
        self, topic: str, group: str, *, ack_wait_ms: int = ACK_WAIT_MS
    ) -> InProcessConsumer:
        """Join a group. Raises NotFound, and ValueRefused for the group's name."""
        check_name("group", group)
        self.named(topic)
        self.group(topic, group)
        return InProcessConsumer(self, topic, group, ack_wait_ms)

    def named(self, topic: str) -> _Topic:
        """Return a topic that is there. Raises NotFound."""
        found = self._topics.get(topic)
        if found is None:
            raise unknown_topic(topic, list(self._topics))
        return found

    def group(self, topic: str, group: str) -> _Group | None:
        """Return the group as it is now; None while there is no such topic."""
        found = self._topics.get(topic)
        if found is None:
            return None
        if group not in found.groups:
            found.groups[group] = _Group(found.records, self._entry)
        return found.groups[group]

    def next_number(self) -> int:
        """Return a number that none had before, in no topic."""
        self._number += 1
        return self._number

    def _entry(self, record: Record) -> _Entry:
        return _Entry(record, self.lateness())

    # -- faults

    def lateness(self) -> float:
        """Draw when a record may be handed out first."""
        if not self._befalls(self._faults.delay):
            return 0.0
        late_s = self._random.random() * self._faults.delay_max_ms / 1000
        return asyncio.get_running_loop().time() + late_s

    def hand_out(self, group: _Group, entry: _Entry) -> bool:
        """Draw whether a delivery arrives; one that is doubled comes once more, whenever."""
        if self._befalls(self._faults.duplicate):
            double = _Entry(entry.record, self.lateness(), entry.count, orders=False)
            group.entries[self.next_number()] = double
        return not self._befalls(self._faults.lose)

    def _befalls(self, share: float) -> bool:
        return share > 0 and self._random.random() < share


class InProcessConsumer:
    """One consumer of a group."""

    def __init__(self, topics: InProcessTopics, topic: str, group: str, ack_wait_ms: int) -> None:
        self._topics, self._topic, self._name = topics, topic, group
        self._wait_s = ack_wait_ms / 1000
        self._taken: dict[tuple[int, ...], Delivery] = {}

    async def take(self, limit: int = 1) -> list[Delivery]:
        """Wait for records, and return at least one."""
        loop = asyncio.get_running_loop()
        while True:
            group = self._topics.group(self._topic, self._name)
            if group is not None and (found := self._take(group, loop.time(), limit)):
                return found
            await self._changed(group, loop.time())

    def _take(self, group: _Group, now: float, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        for number, entry in list(group.eligible(now)):
            if len(found) == limit:
                break
            entry.count += 1
            entry.due = now + self._wait_s
            if self._topics.hand_out(group, entry):
                found.append(Delivery(entry.record, entry.count, (number, entry.count)))
        self._taken |= {each.ticket: each for each in found}
        return found

    async def _changed(self, group: _Group | None, now: float) -> None:
        """Wait until something is published, given back or due."""
        if group is None:
            await asyncio.sleep(TOPIC_LOOK_S)
            return
        changed = group.changed
        dues = [entry.due for entry in group.entries.values() if entry.due > now]
        # A group that goes with its topic wakes nobody, so it is looked at from time to time.
        pause_s = min([TOPIC_LOOK_S, *(due - now for due in dues)])
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):  # unlike `wait_for` it swallows no cancel
                await changed.wait()

    async def ack(self, *deliveries: Delivery) -> None:
        """Say that they are handled."""
        group = self._topics.group(self._topic, self._name)
        for delivery in deliveries:
            self._taken.pop(delivery.ticket, None)
            if group is not None:
                group.entries.pop(delivery.ticket[0], None)
        if group is not None:
            group.wake()

    async def retry(self, delivery: Delivery, delay_ms: int = 0) -> None:
        """Have it handed out again after a time; who has got it meanwhile keeps it."""
        self._taken.pop(delivery.ticket, None)
        number, count = delivery.ticket
        group = self._topics.group(self._topic, self._name)
        entry = group.entries.get(number) if group is not None else None
        if group is not None and entry is not None and entry.count == count:
            entry.due = asyncio.get_running_loop().time() + delay_ms / 1000
            group.wake()

    async def close(self) -> None:
        """Give back what was taken and not acknowledged."""
        for delivery in list(self._taken.values()):
            await self.retry(delivery)
