"""A process between two topics is killed, again and again: each order is adopted and told once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from duetto.broker import Record
from duetto.stores.sqlite_broker import SqliteBroker
from tests.brokers.processes import Process, heard, kill, killed_at_the_end, start
from tests.events.killed import SECRET, an_app
from tests.events.shipping import STRUCTURED, cloud, create
from tests.events.signed import signed

ROUNDS, ORDERS = 5, 60


@pytest.mark.slow
def test_whoever_is_killed_each_order_is_adopted_and_told_once(tmp_path: Path) -> None:
    random, processes = Random(7), list[Process]()
    with killed_at_the_end(processes):
        for number in range(ROUNDS):
            # Some come once more, as their publishers do not know that they came.
            wanted = range(ORDERS * number, ORDERS * (number + 1))
            asyncio.run(put(tmp_path, [*wanted, *range(0, ORDERS * number, 7)]))
            process = start("tests.events.killed", tmp_path)
            processes.append(process)
            heard(process, random.randint(1, ORDERS // 2))
            kill(process)
    told, count, letters = asyncio.run(the_rest(tmp_path))
    assert {order for _, order in told} == {f"o{number}" for number in range(ORDERS * ROUNDS)}
    assert len(told) == count == ORDERS * ROUNDS
    assert letters == 0


async def put(folder: Path, orders: Iterable[int]) -> None:
    """Publish what another program says, which has the secret."""
    broker = SqliteBroker.open(folder / "broker.sqlite")
    await create(broker.topics)
    records = [signed(Record(cloud(each), f"o{each}", STRUCTURED), SECRET) for each in orders]
    await broker.topics.publish("orders.placed", records)
    await broker.close()


async def the_rest(folder: Path) -> tuple[set[tuple[str, str]], int, int]:
    """Let it end what is left; return (id, order) of all that was told, and what it keeps."""
    broker, told = SqliteBroker.open(folder / "broker.sqlite"), set[tuple[str, str]]()
    async with an_app(folder, broker) as app, asyncio.timeout(60):
        consumer = await broker.topics.consume("Shipped", "readers")
        while len({order for _, order in told}) < ORDERS * ROUNDS:
            for each in await consumer.take(100):
                order = json.loads(each.record.body)["order"]
                told.add((each.record.headers["ce-id"], order))
                await consumer.ack(each)
        await consumer.close()
        await app.operations.events.quiet()
        events = app.operations.events
        count, letters = events.count("Placed"), len(events.letters())
    await broker.close()
    return told, count, letters
