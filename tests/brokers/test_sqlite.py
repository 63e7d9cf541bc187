"""What the database broker does beyond the contract: its file, its bounds, and what goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from duetto.broker import Record
from duetto.errors import DuettoError, LimitExceeded, NotAllowed, StoreDamaged, StoreError
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.connection import connect
from duetto.stores.sqlite.database import Cursor, Row
from duetto.stores.sqlite_broker import SqliteBroker, broker, mail, topics
from duetto.testing.brokers import Receiver, Sender, a_message
from duetto.testing.topics import nothing, numbers, records, take, take_all

DAY_MS = 24 * 3600 * 1000


@asynccontextmanager
async def opened(folder: Path, **options: int) -> AsyncGenerator[SqliteBroker]:
    found = SqliteBroker.open(folder / "broker.sqlite", **options)
    try:
        yield found
    finally:
        await found.close()


def rows(folder: Path, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
    """Do something in the file, as another process does."""
    db = connect(folder / "broker.sqlite", write=True)
    found = db.execute(sql, bindings).fetchall()
    db.close()
    return found


def test_only_a_broker_is_opened_as_one(tmp_path: Path) -> None:
    SqliteStore.open(tmp_path / "store.sqlite").close()
    with pytest.raises(StoreDamaged, match="not a broker"):
        SqliteBroker.open(tmp_path / "store.sqlite")
    (tmp_path / "text").write_text("no database, but some text that is long enough" * 100)
    with pytest.raises(StoreDamaged):
        SqliteBroker.open(tmp_path / "text")
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteBroker.open(tmp_path / "nowhere" / "broker.sqlite")


async def test_a_broker_is_not_opened_as_a_store(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with pytest.raises(StoreDamaged, match="not a store"):
        SqliteStore.open(tmp_path / "broker.sqlite")


async def test_what_is_closed_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as found:
        await found.topics.create("orders")
        consumer = await found.topics.consume("orders", "bills")
        waiting = asyncio.ensure_future(consumer.take())
        await asyncio.sleep(0)
    with pytest.raises(NotAllowed, match="closed"):
        await waiting
    with pytest.raises(NotAllowed, match="closed"):
        await found.topics.publish("orders", records(1))
    await found.close()


async def test_what_was_confirmed_leaves_nothing_behind(tmp_path: Path) -> None:
    async with opened(tmp_path) as found:
        receiver, sender = Receiver(), Sender(found)
        found.subscribe("payments", receiver.receive)
        await sender.until_confirmed(*map(a_message, range(20)))
    assert rows(tmp_path, "SELECT count(*) FROM message") == [(0,)]


async def test_a_message_that_cannot_be_read_here_waits_for_who_can(tmp_path: Path) -> None:
    """A newer version wrote it; it stays, and holds up no other."""
    async with opened(tmp_path) as found:
        found.publish(a_message(1), lambda: None)
    ((good,),) = rows(tmp_path, "SELECT data FROM message")
    rows(tmp_path, "UPDATE message SET data = x'c1'")
    async with opened(tmp_path) as found:
        receiver = Receiver()
        found.subscribe("payments", receiver.receive)
        await Sender(found).until_confirmed(a_message(2))
        assert receiver.names == {"run-1/2#1"}
    rows(tmp_path, "UPDATE message SET data = ?", good)
    async with opened(tmp_path) as found:
        receiver = Receiver()
        found.subscribe("payments", receiver.receive)
        await receiver.until(1)
        assert receiver.came == [a_message(1)]


async def test_what_is_in_hand_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "IN_HAND_MAX", 10)
    async with opened(tmp_path) as found:
        receiver, sender = Receiver(acknowledges=False), Sender(found)
        found.subscribe("payments", receiver.receive)
        sender.publish(*map(a_message, range(25)))
        await receiver.until(10)
        assert len(receiver.came) == 10
        while len(receiver.acknowledges) < 25:
            count = len(receiver.acknowledges)
            for acknowledge in receiver.acknowledges[:count]:
                acknowledge()
            await receiver.until(min(25, count + 10))
        assert len(receiver.came) == 25


async def test_a_full_topic_says_so_until_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "RECORDS_MAX", 10)
    async with opened(tmp_path) as found:
        here = found.topics
        await here.create("orders")
        await here.publish("orders", records(8))
        with pytest.raises(LimitExceeded, match="full"):
            await here.publish("orders", records(3))
        slow, quick = [await here.consume("orders", name) for name in ("slow", "quick")]
        await take_all(quick, 8)
        with pytest.raises(LimitExceeded, match="full"):
            await here.publish("orders", records(3))
        await slow.ack(*(await take(slow, 5))[1:])
        with pytest.raises(LimitExceeded, match="full"):
            await here.publish("orders", records(7))
        await here.publish("orders", [Record(b"100"), Record(b"101"), Record(b"102")])
        found_then = numbers(await take_all(quick, 3))
        assert found_then == [100, 101, 102]
        assert len(rows(tmp_path, "SELECT id FROM record")) == 10


async def test_a_group_looks_ahead_only_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is stuck holds up all of its group in the end, rather than fill the file."""
    monkeypatch.setattr(topics, "PENDING_MAX", 6)
    async with opened(tmp_path) as found:
        await found.topics.create("orders")
        stuck = [Record(b"%d" % number, "stuck") for number in range(5)]
        await found.topics.publish("orders", [*stuck, *(Record(b"%d" % n) for n in (7, 8, 9))])
        consumer = await found.topics.consume("orders", "bills")
        (first,) = await take(consumer)
        (other,) = await take(consumer)
        assert numbers([first, other]) == [0, 7]
        await nothing(consumer)
        await consumer.ack(first)
        assert numbers(await take(consumer, 5)) == [1, 8]


async def test_what_is_old_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, keep_ms=7 * DAY_MS) as found:
        await found.topics.create("orders")
        await found.topics.publish("orders", [Record(b"1", id="one")])
        await found.topics.consume("orders", "bills")
        found.publish(a_message(1), lambda: None)
    now = time.time_ns() // 1_000_000

    def later() -> int:
        return now + 8 * DAY_MS

    for module in (broker, mail, topics):
        monkeypatch.setattr(module, "now_ms", later)
    async with opened(tmp_path, keep_ms=7 * DAY_MS) as found, asyncio.timeout(20):
        while await found.topics.ask(what_is_kept):
            pass
        await found.topics.publish("orders", [Record(b"2", id="one")])
        consumer = await found.topics.consume("orders", "bills")
        assert numbers(await take(consumer, 5)) == [2]


def what_is_kept(cursor: Cursor) -> list[Row]:
    return cursor.execute("SELECT id FROM record UNION ALL SELECT id FROM message").fetchall()


@pytest.mark.parametrize("back_ms", [DAY_MS, 400 * DAY_MS])
async def test_a_clock_that_is_put_back_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back_ms: int
) -> None:
    async with opened(tmp_path) as found:
        await found.topics.create("orders")
        await found.topics.publish("orders", records(2))
        consumer = await found.topics.consume("orders", "bills")
        await take(consumer, 2)  # in hand, and its process is gone
        dead = Receiver(acknowledges=False)
        found.subscribe("payments", dead.receive)
        found.publish(a_message(1), lambda: None)
        await dead.until(1)
        now = time.time_ns() // 1_000_000
        for module in (broker, mail, topics):
            monkeypatch.setattr(module, "now_ms", lambda: now - back_ms)
        assert sorted(numbers(await take(consumer, 2))) == [0, 1]
        while len(dead.came) < 2:
            await dead.until(1)
            await asyncio.sleep(0)


async def test_a_failing_file_is_told_to_everyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as found:
        await found.topics.create("orders")
        consumer = await found.topics.consume("orders", "bills")
        waiting = asyncio.ensure_future(consumer.take())

        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("a mistake of ours")

        monkeypatch.setattr(topics, "publish", broken)
        with pytest.raises(DuettoError, match="failed"):
            await found.topics.publish("orders", records(1))
        with pytest.raises(DuettoError):
            await waiting
        with pytest.raises(DuettoError):
            await found.topics.create("others")


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as found:
        await found.topics.create("orders")
        await found.topics.publish("orders", records(3))
        await found.topics.ask(lambda cursor: cursor.execute("PRAGMA max_page_count = 1"))
        with pytest.raises(StoreError, match="no room"):
            await found.topics.publish("orders", [Record(bytes(1_000_000))])
        await found.topics.ask(lambda cursor: cursor.execute("PRAGMA max_page_count = 1000000"))
        await found.topics.publish("orders", [Record(b"7")])
        consumer = await found.topics.consume("orders", "bills")
        assert sorted(numbers(await take_all(consumer, 4))) == [0, 1, 2, 7]
