"""The shop with a store for each service, its effects in a notebook, over a broker with faults."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from duetto import App, Service, context
from duetto.broker import Acknowledge, Broker
from duetto.brokers import Faults, InProcessBroker
from duetto.examples.shop.orders import Line, Order
from duetto.examples.shop.services import inventory, notifications, payments, shipping
from duetto.examples.shop.workflow import fulfil
from duetto.examples.shop.workshop import Workshop, is_flaky
from duetto.model.message import Message
from duetto.runtime import exchange
from duetto.runtime.engine import Engine

SERVICES = (inventory, payments, shipping, notifications)
PLACEMENTS = ("orchestration", "choreography", "hybrid:notifications", "hybrid:payments,shipping")
OPERATIONS = ("reserve", "charge", "book", "dispatch", "notify")
FAULTS = Faults(duplicate=0.25, lose=0.05, delay=0.5, delay_max_ms=30, seed=11)


class Notebook(Workshop):
    """Notes each effect once under its key, as a ledger does; fails first attempts as the shop."""

    def __init__(self, *, flaky: bool = True) -> None:
        self.flaky = flaky
        self.keys: dict[str, tuple[str, str]] = {}
        self.begun: list[str] = []
        self.held: dict[str, asyncio.Event] = {}
        """Operations whose bodies wait for an event before they have their effect."""
        self.patient = ""
        """The operation whose bodies wait until they are told of a cancel."""
        self.on_begin: Callable[[str], None] = lambda operation: None
        self._waiters: list[tuple[int, asyncio.Event]] = []

    async def begin(self, order: str, operation: str) -> None:
        """Note that a body has begun."""
        call = context()
        self.begun.append(call.key)
        self.on_begin(operation)
        if operation in self.held:
            await self.held[operation].wait()
        if operation == self.patient:
            await call.wait_cancelled()
        if self.flaky and call.attempt == 1 and is_flaky(order, operation):
            raise ConnectionError(operation)

    async def effect(
        self,
        service: str,
        order: str,
        operation: str,
        *,
        amount: Decimal | None = None,
        units: int | None = None,
    ) -> str:
        """Note an effect, once for each key."""
        key = context().key
        assert self.keys.setdefault(key, (order, operation)) == (order, operation)
        self._tell()
        return f"{operation} {key}"

    def histories(self) -> dict[str, list[str]]:
        """Return the operations of each order: in order, those of a gather sorted."""
        found: dict[str, list[str]] = defaultdict(list)
        for order, operation in self.keys.values():
            found[order].append(operation)
        for operations in found.values():
            operations[3:5] = sorted(operations[3:5])
        return found

    async def reached(self, effects: int) -> None:
        """Return once so many effects are noted."""
        event = asyncio.Event()
        self._waiters.append((effects, event))
        self._tell()
        await asyncio.wait_for(event.wait(), 20)

    def _tell(self) -> None:
        for effects, event in self._waiters:
            if len(self.keys) >= effects:
                event.set()


def order(id: str, *, pieces: int = 1, lines: int = 1, pence: int = 100, to: str = "EIRE") -> Order:
    """Return an order; by default one that every service accepts."""
    price = Decimal(pence) / 100
    line = Line("10A", "TEA TOWEL", pieces, price)
    return Order(id, "17850", to, (line,) * lines)


def steady(number: int) -> str:
    """Return an order's id of which no operation fails at first."""
    ids = (str(id) for id in range(1_000_000))
    good = (id for id in ids if not any(is_flaky(id, operation) for operation in OPERATIONS))
    return next(id for at, id in enumerate(good) if at == number)


def mixed(count: int) -> list[Order]:
    """Return orders of which most are completed, and the others fail in each of the four ways."""
    kinds = (
        order,
        partial(order, pieces=201),
        order,
        partial(order, pence=100_001),
        partial(order, lines=61),
        partial(order, to="Japan"),
    )
    return [kinds[n % len(kinds)](str(1_000 + n)) for n in range(count)]


def apart(monkeypatch: pytest.MonkeyPatch, folder: Path, services: Iterable[Service]) -> None:
    """Give each service a store of its own."""
    for service in services:
        monkeypatch.setattr(service, "store", str(folder / f"{service.name}.sqlite"))
    monkeypatch.setattr(exchange, "RESEND_MS", 100)  # what is lost need not cost a second here


class Gate(InProcessBroker):
    """Holds back what is `shut`, to hand it over later in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.shut: Callable[[Message], bool] = lambda message: False
        self.kept: list[tuple[Message, Acknowledge]] = []
        self.full = defaultdict[int, asyncio.Event](asyncio.Event)
        """Set by how many messages are kept."""

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        """Keep a message, or send it."""
        if self.shut(message):
            self.kept.append((message, confirmed))
            self.full[len(self.kept)].set()
        else:
            super().publish(message, confirmed)

    def open(self, *, newest_first: bool = False) -> None:
        """Hand over what was kept, and keep nothing more."""
        self.shut = lambda message: False
        kept, self.kept = self.kept, []
        for message, confirmed in reversed(kept) if newest_first else kept:
            self.publish(message, confirmed)


def shop(
    folder: Path,
    notebook: Notebook,
    placement: str,
    *,
    faults: Faults | None = None,
    broker: Broker | None = None,
) -> App:
    """Return the shop's app; its services are `apart` where that was called before."""
    folder.mkdir(exist_ok=True)
    return App(
        "shop",
        services=SERVICES,
        workflows=[fulfil],
        resources=[notebook],
        placement=placement,
        store=folder / "shop.sqlite",
        broker=broker or InProcessBroker(faults),
    )


async def outcomes(app: App, orders: Iterable[Order]) -> dict[str, str]:
    """Fulfil orders at the same time; return how each ended."""

    async def one(each: Order) -> tuple[str, str]:
        handle = await app.start_async(fulfil, each, id=each.id)
        await app.operations.outcome(handle.id)
        view = handle.status()
        return each.id, view.error.partition(":")[0] or view.status

    return dict(await asyncio.gather(*(one(each) for each in orders)))


def engine_of(app: App) -> Engine:
    """Return the engine of a running app: tests stop and crash single hosts."""
    engine = app._engine  # pyright: ignore[reportPrivateUsage]  # no user crashes a host  # a single host has no door
    assert engine is not None
    return engine
