"""An app of two processes: the one publishes, and the other, the office, hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec

from duetto import App, Service, event
from duetto.broker import Broker
from duetto.observer import MessageRefused, Observer, Signal
from duetto.stores.memory import MemoryStore


class Watching:
    """Keeps signals, and lets a test wait for a kind of them."""

    def __init__(self) -> None:
        self.noted: list[Signal] = []
        self.at_refusal = asyncio.Event()

    def note(self, signal: Signal, /) -> None:
        self.noted.append(signal)
        if isinstance(signal, MessageRefused):
            self.at_refusal.set()

    @property
    def refused(self) -> list[MessageRefused]:
        """The refusals that were told."""
        return [each for each in self.noted if isinstance(each, MessageRefused)]


@event(key="order")
class Told(msgspec.Struct, frozen=True):
    order: str


@asynccontextmanager
async def office(
    broker: Broker,
    store: MemoryStore,
    heard: asyncio.Queue[str],
    secret: bytes | None,
    observer: Observer | None = None,
) -> AsyncGenerator[App]:
    """The process that hears."""
    service = Service("office")

    @service.on(Told)
    async def hear(told: Told) -> None:
        heard.put_nowait(told.order)

    async with one_of(service, "office", broker, store, secret, observer) as app:
        yield app


@asynccontextmanager
async def shop(
    broker: Broker, store: MemoryStore, secret: bytes | None, observer: Observer | None = None
) -> AsyncGenerator[App]:
    """The process that publishes; it knows the office, and does not host it."""
    service = Service("office")

    @service.on(Told)
    async def hear(told: Told) -> None: ...

    async with one_of(service, "apart", broker, store, secret, observer) as app:
        yield app


def one_of(
    service: Service,
    participant: str,
    broker: Broker,
    store: MemoryStore,
    secret: bytes | None,
    observer: Observer | None,
) -> App:
    """Return the app as the process of one participant has it."""
    return App(
        "apart",
        services=[service],
        store=store,
        broker=broker,
        participants=[participant],
        secret=secret,
        observer=observer or Watching(),
    )
