"""A process that publishes or consumes until it is killed: `python -m tests.brokers.worker …`.

It says each number on its standard output: a publisher once it was acknowledged, a consumer before
it acknowledges. Consumers write it to one file first, in which lines of all of them keep the order
in which they came.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from duetto.broker import Record, Topics
from duetto.stores.sqlite_broker import SqliteBroker

KEYS = 5
ACK_WAIT_MS = 300


def record(number: int) -> Record:
    return Record(b"%d" % number, f"key-{number % KEYS}", {}, f"event-{number}")


async def publish(topics: Topics, first: int) -> None:
    """Publish without an end."""
    number = first
    while True:
        count = 1 + number % 3
        await topics.publish("numbers", [record(number + at) for at in range(count)])
        for at in range(count):
            print(number + at, flush=True)
        number += count


async def consume(topics: Topics, log: Path) -> None:
    """Consume without an end."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    consumer = await topics.consume("numbers", "readers", ack_wait_ms=ACK_WAIT_MS)
    while True:
        for each in await consumer.take(3):
            os.write(file, each.record.body + b"\n")
            print(int(each.record.body), flush=True)
            await consumer.ack(each)


async def main(place: str, role: str, argument: str) -> None:
    broker = SqliteBroker.open(place)
    await broker.topics.create("numbers")
    if role == "publish":
        await publish(broker.topics, int(argument))
    else:
        await consume(broker.topics, Path(argument))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
