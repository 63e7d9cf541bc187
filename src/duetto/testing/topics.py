"""What every broker with topics promises, as tests; a part of the suite of brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from duetto.broker import Consumer, Delivery, Record, Topics
from duetto.errors import DuettoError, LimitExceeded, NotFound, ValueRefused
from duetto.testing.connections import ACK_WAIT_MS, MANY, QUIET_S, WAIT_S, Suite, run

LONG_MS = 3_600_000
"""The wait of consumers whose deliveries come again only where they are given back."""


def records(count: int, *, keys: int = 0) -> list[Record]:
    """Return records that say their number, spread over some keys."""
    return [
        Record(b"%d" % number, f"key-{number % keys}" if keys else "") for number in range(count)
    ]


def numbers(deliveries: Sequence[Delivery]) -> list[int]:
    """Return the numbers that records say."""
    return [int(each.record.body) for each in deliveries]


def firsts(found: Sequence[int]) -> list[int]:
    """Return each number where it came first: a duplicate may come whenever it likes."""
    return list(dict.fromkeys(found))


async def join(
    topics: Topics, topic: str = "orders", group: str = "bills", *, wait_ms: int = ACK_WAIT_MS
) -> Consumer:
    """Join a group; its deliveries come again soon, as a broker may lose some."""
    return await topics.consume(topic, group, ack_wait_ms=wait_ms)


async def take(consumer: Consumer, limit: int = 1) -> list[Delivery]:
    """Return the next deliveries; they must come."""
    return await asyncio.wait_for(consumer.take(limit), WAIT_S)


async def take_all(consumer: Consumer, count: int) -> list[Delivery]:
    """Take and acknowledge until so many different records came."""
    found: list[Delivery] = []
    while len({each.record.body for each in found}) < count:
        taken = await take(consumer, 10)
        await consumer.ack(*taken)
        found += taken
    return found


async def nothing(consumer: Consumer) -> None:
    """Look that nothing comes."""
    try:
        found = await asyncio.wait_for(consumer.take(), QUIET_S)
    except TimeoutError:
        return
    raise AssertionError(f"nothing was to come, and {found} came")


async def refused(call: Coroutine[Any, Any, object]) -> DuettoError:
    """Return the error with which a call is refused."""
    try:
        await call
    except DuettoError as error:
        return error
    raise AssertionError("it was not refused")


class TopicContract(Suite):
    """Topics: to each group each record, at least once, whatever dies meanwhile."""

    def test_each_group_gets_each_record_as_it_was(self, tmp_path: Path) -> None:
        async def test() -> None:
            sent = [
                Record(bytes(range(256)), "käfer", {"ce_id": "1", "naïve": "ü\n"}, "one"),
                Record(b"", id="two"),
                Record(b"x" * 100_000, "k", id="three"),
            ]
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", sent)
                for group in ("bills", "mails"):
                    consumer = await join(topics, group=group)
                    found = await take_all(consumer, 3)
                    assert {each.record.id: each.record for each in found} == {
                        each.id: each for each in sent
                    }

        run(test())

    def test_what_is_acknowledged_is_settled(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "dedupes")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(5))
                consumer = await join(topics, wait_ms=LONG_MS)
                assert sorted(numbers(await take_all(consumer, 5))) == [0, 1, 2, 3, 4]
                await nothing(consumer)
                await nothing(consumer)

        run(test())

    # -- redelivery

    def test_what_is_not_acknowledged_in_time_comes_again(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(3))
                dead = await join(topics)
                await take(dead, 3)
                heir = await join(topics)
                found = await take_all(heir, 3)
                assert set(numbers(found)) == {0, 1, 2}
                assert all(each.count >= 1 for each in found)

        run(test())

    def test_a_retry_comes_after_its_delay(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "delays")
            loop = asyncio.get_running_loop()
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(1))
                consumer = await join(topics)
                (first,) = await take(consumer)
                began = loop.time()
                await consumer.retry(first, delay_ms=120)
                (second,) = await take(consumer)
                if second.count == first.count + 1:  # else a duplicate of the first
                    assert loop.time() - began > 0.1
                await consumer.ack(second)

        run(test())

    def test_a_late_retry_takes_nothing_from_who_has_it_now(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "dedupes", "counts")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(1))
                slow = await join(topics)
                heir = await join(topics, wait_ms=LONG_MS)
                (first,) = await take(slow)
                (second,) = await take(heir)
                assert (first.count, second.count) == (1, 2)
                await slow.retry(first)
                await nothing(slow)
                await heir.ack(second)

        run(test())

    def test_a_late_acknowledgement_counts(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "dedupes")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(1))
                slow = await join(topics)
                heir = await join(topics)
                (first,) = await take(slow)
                await take(heir)
                await slow.ack(first)
                await nothing(heir)
                await nothing(heir)

        run(test())

    def test_a_consumer_gives_back_what_it_has_in_hand(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(4))
                leaving = await join(topics, wait_ms=LONG_MS)
                taken = await take(leaving, 4)
                await leaving.ack(taken[0])
                await leaving.close()
                heir = await join(topics)
                assert set(numbers(taken[1:])) <= set(numbers(await take_all(heir, len(taken) - 1)))

        run(test())

    def test_a_wait_that_is_given_up_takes_nothing(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                consumer = await join(topics)
                for _ in range(20):
                    waiting = asyncio.ensure_future(consumer.take())
                    await asyncio.sleep(0)
                    publishing = asyncio.ensure_future(topics.publish("orders", records(1)))
                    await asyncio.sleep(0)
                    waiting.cancel()
                    (found,) = await asyncio.gather(waiting, return_exceptions=True)
                    await publishing
                    if isinstance(found, BaseException):
                        found = await take(consumer)
                    await consumer.ack(*found)

        run(test())

    # -- order and competition

    def test_records_of_a_key_come_in_order(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "ordered_by_key")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                for each in records(MANY, keys=3):
                    await topics.publish("orders", [each])
                consumers = [await join(topics) for _ in range(3)]
                seen = await compete(consumers, MANY)
                for key in range(3):
                    ordered = [number for number in firsts(seen) if number % 3 == key]
                    assert ordered == list(range(key, MANY, 3))

        run(test())

    def test_a_retry_holds_up_its_key_and_no_other(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "ordered_by_key", "delays")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(MANY, keys=2))
                consumer = await join(topics)
                seen = list[int]()
                while len(set(seen)) < MANY:
                    for each in await take(consumer):
                        number = numbers([each])[0]
                        if number == 0 and each.count < 3:
                            await consumer.retry(each, delay_ms=60)
                            continue
                        seen.append(number)
                        await consumer.ack(each)
                assert [n for n in firsts(seen) if n % 2 == 0] == list(range(0, MANY, 2))
                assert firsts(seen).index(3) < firsts(seen).index(0), "the other key was held up"

        run(test())

    def test_consumers_share_the_work(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "dedupes")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(MANY))
                consumers = [await join(topics, wait_ms=LONG_MS) for _ in range(4)]
                seen = await compete(consumers, MANY)
                assert sorted(firsts(seen)) == list(range(MANY))
                claimed = topics.capabilities
                if claimed.counts:
                    assert len(seen) == MANY, "a record went to two consumers"

        run(test())

    def test_consumers_compete_across_processes(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "shared")
            async with (
                self.connected(tmp_path) as (_, one),
                self.connected(tmp_path) as (_, two),
            ):
                await one.create("orders")
                consumers = [await join(each) for each in (one, two)]
                await two.publish("orders", records(MANY))
                assert sorted(set(await compete(consumers, MANY))) == list(range(MANY))

        run(test())

    def test_a_slow_consumer_holds_up_no_other_group(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                slow = await join(topics, group="slow")
                quick = await join(topics, group="quick")
                await topics.publish("orders", records(MANY))
                taken = await take(slow, 2)
                assert len(taken) <= 2, "more came than was asked for"
                await take_all(quick, MANY)
                await slow.ack(*taken)
                left = MANY - len({each.record.body for each in taken})
                await take_all(slow, left)

        run(test())

    # -- duplicates and poison

    def test_a_record_published_twice_is_one(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "dedupes")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.create("others")
                record = Record(b"7", "k", id="shop/orders/3:1")
                await topics.publish("orders", [record, record])
                await topics.publish("orders", [record])
                await topics.publish("others", [record])
                for topic in ("orders", "others"):
                    consumer = await join(topics, topic, wait_ms=LONG_MS)
                    await consumer.ack(*await take(consumer, 5))
                    await nothing(consumer)
                await topics.publish("orders", [record])
                await nothing(await join(topics))

        run(test())

    def test_poison_is_counted_and_holds_up_nothing_else(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "counts")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(6))
                found = set[int]()
                counts = list[int]()
                while len(found) < 5 or len(counts) < 4:
                    consumer = await join(topics)
                    for each in await take(consumer, 3):
                        if numbers([each]) == [2]:
                            counts.append(each.count)  # its consumer dies of it
                        else:
                            found.add(numbers([each])[0])
                            await consumer.ack(each)
                    await consumer.close()
                assert counts == sorted(counts)
                assert counts[-1] >= 3

        run(test())

    # -- what is refused

    def test_an_unknown_topic_is_told_so(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                error = await refused(topics.publish("order", records(1)))
                assert isinstance(error, NotFound)
                assert "orders" in error.do
                assert isinstance(
                    await refused(join(topics, "order")),
                    NotFound,
                )

        run(test())

    def test_an_oversize_record_is_refused_and_nothing_with_it(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                room = topics.capabilities.record_bytes_max
                large = Record(bytes(room + 1))
                error = await refused(topics.publish("orders", [*records(1), large]))
                assert isinstance(error, LimitExceeded)
                assert error.found
                assert error.expected
                await nothing(await join(topics))
                await topics.publish("orders", [Record(bytes(room))])
                (found,) = await take(await join(topics, group="mails"))
                assert len(found.record.body) == room

        run(test())

    def test_what_cannot_be_kept_is_refused(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                for key in ("nul\0", "\ud800", "k" * 1_001):
                    for record in (Record(b"", key), Record(b"", id=key)):
                        error = await refused(topics.publish("orders", [record]))
                        assert isinstance(error, ValueRefused)
                header = Record(b"", headers={"h": "\udfff"})
                assert isinstance(await refused(topics.publish("orders", [header])), ValueRefused)
                for title in ("", "a b", "a/b", "ü", "x" * 201, "\0", "-a"):
                    assert isinstance(await refused(topics.create(title)), ValueRefused)
                    assert isinstance(await refused(topics.consume("orders", title)), ValueRefused)
                await nothing(await join(topics))

        run(test())

    def test_odd_keys_are_keys_of_their_own(self, tmp_path: Path) -> None:
        async def test() -> None:
            odd = (
                "'; --",
                "café",
                "cafe\u0301",
                "\U0001f980" * 250,
                "tab\t\n",
                " ",
                "%_*?",
                "a",
                "A",
            )
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", [Record(b"%d" % n, k) for n, k in enumerate(odd)])
                consumer = await join(topics)
                found = await take_all(consumer, len(odd))
                assert {each.record.key for each in found} == set(odd)

        run(test())

    # -- topics that come and go

    def test_a_topic_is_created_once_and_deleted_whole(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(3))
                await topics.create("orders")
                await take_all(await join(topics), 3)
                await topics.delete("orders")
                await topics.delete("orders")
                assert isinstance(await refused(topics.publish("orders", records(1))), NotFound)

        run(test())

    def test_a_consumer_goes_on_with_a_topic_created_anew(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(3))
                consumer = await join(topics, wait_ms=LONG_MS)
                old = await take(consumer, 3)
                await topics.delete("orders")
                waiting = asyncio.ensure_future(take(consumer, 3))
                await asyncio.sleep(0)
                await consumer.ack(*old[1:])  # of nobody's interest any more
                await topics.create("orders")
                await topics.publish("orders", [Record(b"70"), Record(b"71")])
                # What was in hand of the old topic settles nothing of the new one.
                await consumer.ack(old[0])
                found = await waiting
                await consumer.ack(*found)
                while len(set(numbers(found))) < 2:
                    found += await take(consumer, 3)
                    await consumer.ack(*found)
                assert set(numbers(found)) == {70, 71}

        run(test())

    # -- restarts

    def test_what_was_published_is_there_after_a_restart(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "persistent")
            for number in range(5):
                async with self.connected(tmp_path) as (_, topics):
                    await topics.create("orders")
                    await topics.publish("orders", [Record(b"%d" % number)])
            async with self.connected(tmp_path) as (_, topics):
                consumer = await join(topics, wait_ms=LONG_MS)
                assert set(numbers(await take_all(consumer, 5))) == set(range(5))

        run(test())

    def test_consumers_go_on_where_they_were(self, tmp_path: Path) -> None:
        """What was acknowledged stays so, and what was in hand comes again with its count."""

        async def test() -> None:
            await self.needs(tmp_path, "persistent", "counts", "dedupes")
            async with self.connected(tmp_path) as (_, topics):
                await topics.create("orders")
                await topics.publish("orders", records(6))
                consumer = await join(topics)
                taken = await take(consumer, 4)
                await consumer.ack(*taken[:2])
            async with self.connected(tmp_path) as (_, topics):
                consumer = await join(topics)
                found = await take_all(consumer, 4)
                assert sorted(numbers(found)) == [2, 3, 4, 5]
                again = {int(each.record.body): each.count for each in found}
                assert again == {2: 2, 3: 2, 4: 1, 5: 1}

        run(test())

    def test_publishing_goes_on_over_restarts(self, tmp_path: Path) -> None:
        """A publisher that does not know whether it was heard says it again."""

        async def test() -> None:
            await self.needs(tmp_path, "persistent")
            sent = [Record(b"%d" % n, f"key-{n % 4}", id=f"e{n}") for n in range(MANY)]
            at = 0
            while at < MANY:
                async with self.connected(tmp_path) as (_, topics):
                    await topics.create("orders")
                    publishing = asyncio.ensure_future(topics.publish("orders", sent[at : at + 9]))
                    await asyncio.sleep(0)
                    if at % 2:
                        await publishing
                    else:
                        publishing.cancel()
                        await asyncio.gather(publishing, return_exceptions=True)
                        await topics.publish("orders", sent[at : at + 9])
                at += 9
            async with self.connected(tmp_path) as (_, topics):
                consumer = await join(topics, wait_ms=LONG_MS)
                seen = numbers(await take_all(consumer, MANY))
                assert set(seen) == set(range(MANY))
                if topics.capabilities.dedupes:
                    assert len(seen) == MANY

        run(test())


async def compete(consumers: Sequence[Consumer], count: int) -> list[int]:
    """Have consumers take and acknowledge until all came; return the numbers as they came."""
    seen: list[int] = []
    done = asyncio.Event()

    async def work(consumer: Consumer) -> None:
        while True:
            for each in await consumer.take(3):
                seen.append(numbers([each])[0])
                await consumer.ack(each)
                if len(set(seen)) == count:
                    done.set()

    workers = [asyncio.ensure_future(work(each)) for each in consumers]
    try:
        await asyncio.wait_for(done.wait(), WAIT_S)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return seen
