"""Topics of the database broker, as a program awaits them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from duetto.broker import (
    ACK_WAIT_MS,
    RECORD_BYTES_MAX,
    Capabilities,
    Delivery,
    Record,
    check_name,
    check_record,
)
from duetto.errors import DuettoError, StoreBusy, StoreFull
from duetto.stores.sqlite.database import Cursor
from duetto.stores.sqlite_broker import topics
from duetto.stores.sqlite_broker.worker import Job, Worker

T = TypeVar("T")


class SqliteTopics:
    """Topics in the broker's file."""

    capabilities = Capabilities(
        ordered_by_key=True,
        dedupes=True,
        counts=True,
        delays=True,
        persistent=True,
        shared=True,
        record_bytes_max=RECORD_BYTES_MAX,
    )

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def create(self, topic: str) -> None:
        """Make a topic; one that is there stays as it is. Raises ValueRefused for its name."""
        check_name("topic", topic)
        await self.ask(partial(topics.create, topic=topic), synced=True)

    async def delete(self, topic: str) -> None:
        """Delete a topic and all in it; whoever waits there waits for its successor."""
        await self.ask(partial(topics.delete, topic=topic), synced=True)

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Publish all records or none; when it returns they survive a power cut.

        Raises NotFound, LimitExceeded, ValueRefused, and StoreError where the file fails.
        """
        for record in records:
            check_record(record, RECORD_BYTES_MAX)
        await self.ask(partial(topics.publish, topic=topic, records=records), synced=True)

    async def consume(
        self, topic: str, group: str, *, ack_wait_ms: int = ACK_WAIT_MS
    ) -> SqliteConsumer:
        """Join a group. Raises NotFound, and ValueRefused for the group's name."""
        check_name("group", group)
        await self.ask(partial(topics.join, topic=topic, group=group), synced=True)
        return SqliteConsumer(self, topic, group, ack_wait_ms)

    async def ask(self, work: Callable[[Cursor], T], *, synced: bool = False) -> T:
        """Do some work in the file, and return what it gives once that is committed."""
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._worker.do(Job(work, partial(settle, waiting), synced=synced))
        return await waiting

    def watch(self, taking: Taking) -> None:
        """Have a consumer's wish looked after."""
        self._worker.watch(taking)


class Taking:
    """A consumer that waits for records; looked after in the thread."""

    def __init__(self, consumer: SqliteConsumer, limit: int) -> None:
        self.closed = False
        self.waiting: asyncio.Future[list[Delivery]] = asyncio.get_running_loop().create_future()
        self._consumer, self._limit = consumer, limit

    def is_ready(self, cursor: Cursor) -> bool:
        """Look whether there is something for it."""
        return topics.may_take(cursor, self._consumer.topic, self._consumer.group)

    def job(self) -> Job[list[Delivery]]:
        """Return the job that takes it."""
        return Job(self._take, self._tell)

    def fail(self, error: DuettoError) -> None:
        """Tell the consumer that nothing more will come."""
        self._tell(error)

    def _take(self, cursor: Cursor) -> list[Delivery]:
        if self.closed:
            return []
        here = self._consumer
        return topics.take(cursor, here.topic, here.group, self._limit, here.ack_wait_ms)

    def _tell(self, found: list[Delivery] | DuettoError) -> None:
        # Another process has the file, or the disk is full: it is looked at again.
        if found and not isinstance(found, StoreBusy | StoreFull):
            self.closed = True
            loop = self.waiting.get_loop()
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                loop.call_soon_threadsafe(self._consumer.taken, self.waiting, found)


class SqliteConsumer:
    """One consumer of a group."""

    def __init__(self, file: SqliteTopics, topic: str, group: str, ack_wait_ms: int) -> None:
        self.topic, self.group, self.ack_wait_ms = topic, group, ack_wait_ms
        self._file = file
        self._in_hand: set[tuple[int, ...]] = set()
        self._giving_back: set[asyncio.Task[None]] = set()

    async def take(self, limit: int = 1) -> list[Delivery]:
        """Wait for records, and return at least one."""
        taking = Taking(self, limit)
        self._file.watch(taking)
        try:
            found = await taking.waiting
        finally:
            taking.closed = True
        return found

    def taken(
        self, waiting: asyncio.Future[list[Delivery]], found: list[Delivery] | DuettoError
    ) -> None:
        """Hand what was found to who waits; give it back where nobody does any more."""
        if isinstance(found, DuettoError):
            if not waiting.done():
                waiting.set_exception(found)
        elif waiting.done():
            task = asyncio.ensure_future(self._give_back([each.ticket for each in found]))
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)
        else:
            self._in_hand |= {each.ticket for each in found}
            waiting.set_result(found)

    async def ack(self, *deliveries: Delivery) -> None:
        """Say that they are handled."""
        tickets = [each.ticket for each in deliveries]
        self._in_hand.difference_update(tickets)
        await self._file.ask(partial(topics.ack, tickets=tickets))

    async def retry(self, delivery: Delivery, delay_ms: int = 0) -> None:
        """Have it handed out again after a time."""
        self._in_hand.discard(delivery.ticket)
        await self._file.ask(partial(topics.retry, tickets=[delivery.ticket], delay_ms=delay_ms))

    async def close(self) -> None:
        """Give back what was taken and not acknowledged."""
        if self._giving_back:
            await asyncio.wait(self._giving_back)
        await self._give_back(list(self._in_hand))
        self._in_hand.clear()

    async def _give_back(self, tickets: list[tuple[int, ...]]) -> None:
        await self._file.ask(partial(topics.retry, tickets=tickets, delay_ms=0))


def settle(waiting: asyncio.Future[T], result: T | DuettoError) -> None:
    """Tell who waits in a loop, from the thread, how a job went."""

    def tell() -> None:
        if waiting.done():
            return
        if isinstance(result, DuettoError):
            waiting.set_exception(result)
        else:
            waiting.set_result(result)

    with suppress(RuntimeError):  # the loop is closed, so nobody waits
        waiting.get_loop().call_soon_threadsafe(tell)
