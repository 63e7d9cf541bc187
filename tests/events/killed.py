"""A process that ships, over files, until it is killed: `python -m tests.events.killed FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

from duetto import App, Service
from duetto.broker import Consumer, Topics
from duetto.stores.sqlite_broker import SqliteBroker
from tests.events.shipping import Shipped, store_room

SECRET = b"a secret that this test has made up"

ACK_WAIT_MS = 300
"""Whoever dies has records in hand: the next one is not to wait long for them."""

printer = Service("printer")


@printer.on(Shipped)
async def show(shipped: Shipped) -> None:
    print(shipped.order, flush=True)


class Hasty:
    """Topics whose consumers are given up on soon."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    async def consume(self, topic: str, group: str) -> Consumer:
        return await self._topics.consume(topic, group, ack_wait_ms=ACK_WAIT_MS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._topics, name)


def an_app(folder: Path, broker: SqliteBroker) -> App:
    """Return the app, with its files in a folder."""
    topics = cast("Topics", Hasty(broker.topics))
    services, store = [store_room, printer], folder / "shipping.sqlite"
    return App("shipping", services=services, store=store, topics=topics, secret=SECRET)


async def main(folder: Path) -> None:
    broker = SqliteBroker.open(folder / "broker.sqlite")
    async with an_app(folder, broker):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
