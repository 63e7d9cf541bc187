"""An app that ships what another program says was ordered, and the other programs around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec

from duetto import App, Service, event
from duetto.broker import Delivery, Record, Topics
from duetto.observer import Observer
from duetto.store import Store

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@event(key="order", shared=True)
class Shipped(msgspec.Struct, frozen=True):
    order: str
    grams: int = 0


@event(key="order", foreign="orders.placed")
class Placed(msgspec.Struct, frozen=True):
    order: str
    pence: int = 100


store_room = Service("store_room")


@store_room.on(Placed)
async def ship(placed: Placed) -> Shipped:
    return Shipped(placed.order, placed.pence)


async def create(topics: Topics) -> None:
    """Make the topics, as whoever comes first does."""
    await topics.create("orders.placed")
    await topics.create("Shipped")


@asynccontextmanager
async def running(
    topics: Topics, store: Store, observer: Observer | None = None
) -> AsyncGenerator[App]:
    """The app, at work."""
    app = App("shipping", services=[store_room], store=store, topics=topics, observer=observer)
    async with app:
        yield app


def cloud(number: int, **changed: object) -> bytes:
    """Return a CloudEvent in structured mode."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"p{number}",
            "source": "/till",
            "type": "orders.placed",
            "traceparent": TRACE,
            "correlationid": "basket-7",
            "data": {"order": f"o{number}", "pence": number},
            **changed,
        }
    ).encode()


STRUCTURED = {"content-type": "application/cloudevents+json"}


async def put(topics: Topics, *bodies: bytes) -> None:
    """Publish what another program says of orders."""
    await topics.publish("orders.placed", [Record(body, "k", STRUCTURED) for body in bodies])


async def shipped(topics: Topics, count: int, group: str = "readers") -> list[Record]:
    """Read so many records of what was shipped, as another program does."""
    consumer = await topics.consume("Shipped", group)
    found: list[Delivery] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += await consumer.take(count)
            await consumer.ack(*found)
    await consumer.close()
    return [each.record for each in found]


async def settled(topics: Topics, app: App, count: int) -> None:
    """Wait until so many orders were shipped in all."""
    await shipped(topics, count, f"until-{count}")
    await app.operations.events.quiet()
