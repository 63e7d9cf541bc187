"""A small shop whose tasks do as a test tells them, and its workflows, one per way to wait."""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from duetto import (
    App,
    Retry,
    Service,
    TaskContext,
    context,
    event,
    gather,
    race,
    receive,
    saga,
    sleep,
    timeout,
    workflow,
)
from duetto.broker import Acknowledge, Broker
from duetto.brokers import InProcessBroker
from duetto.model.message import Message
from duetto.model.view import Waiting
from duetto.operations import Operations
from duetto.store import Store
from duetto.stores.memory import MemoryStore

NOON_MS = 1_795_608_000_000
"""2026-11-25, 12:00:00 UTC."""


class Soldout(Exception):
    """A business error, not retried."""


class Stage:
    """What tasks were called with, what they are to do, and where they wait."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.errors: dict[str, list[Exception]] = defaultdict(list)
        self.closed: set[str] = set()
        self.contexts: dict[str, TaskContext] = {}
        self._opened: dict[str, asyncio.Event] = {}
        self._begun: dict[str, asyncio.Event] = {}

    def close(self, *names: str) -> None:
        """Let calls of these names wait until they are opened."""
        self.closed.update(names)

    def open(self, *names: str) -> None:
        for name in names:
            self.closed.discard(name)
            self._opened.setdefault(name, asyncio.Event()).set()

    def fail(self, name: str, *errors: Exception) -> None:
        """Let the next calls of a name fail, one with each error."""
        self.errors[name].extend(errors)

    async def begun(self, name: str) -> None:
        """Return once a call of that name has begun."""
        await self._begun.setdefault(name, asyncio.Event()).wait()

    def forget(self, name: str) -> None:
        """Let `begun` wait for the next call."""
        self._begun.pop(name, None)

    async def act(self, task: str, item: str = "") -> None:
        """Be a task: write the call down, wait where it is closed, fail where that is wanted."""
        self.calls.append(f"{task} {item}".rstrip())
        self.contexts[task] = context()
        for name in (task, f"{task} {item}"):
            self._begun.setdefault(name, asyncio.Event()).set()
        for name in (task, f"{task} {item}"):
            if name in self.closed:
                await self._opened.setdefault(name, asyncio.Event()).wait()
        if self.errors[task]:
            raise self.errors[task].pop(0)


stage = Stage()


def new_stage() -> Stage:
    """Return the stage, as it was made."""
    Stage.__init__(stage)
    return stage


class StillClock:
    """A clock that stands, so that sentences are exact; nothing is due until it is set."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.now, self.ids = now_ms, 0

    def now_ms(self) -> int:
        return self.now

    def random(self) -> float:
        return 0.5

    def draw_id(self) -> str:
        self.ids += 1
        return f"drawn-{self.ids}"


class DeafBroker(InProcessBroker):
    """Loses what is sent to those who are deaf."""

    def __init__(self, *deaf: str) -> None:
        super().__init__()
        self.deaf = set(deaf)

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        if message.to not in self.deaf:
            super().publish(message, confirmed)


@dataclass(frozen=True)
class Ticket:
    item: str
    cents: int


@event(key="order")
class Approved(msgspec.Struct):
    order: str


depot = Service("depot")
till = Service("till")
TRIES = Retry(attempts_max=3, delay_ms=1, jitter=0, never=(Soldout,))
SLOW_TRIES = Retry(attempts_max=3, delay_ms=60_000, jitter=0)


@depot.task(retry=TRIES)
async def pick(item: str) -> str:
    await stage.act("pick", item)
    return f"picked {item}"


@pick.compensate(retry=TRIES)
async def unpick(picked: str, item: str) -> None:
    await stage.act("unpick", item)


@till.task(retry=TRIES)
async def pay(item: str) -> Ticket:
    await stage.act("pay", item)
    return Ticket(item, 100)


@pay.compensate(retry=TRIES)
async def refund(ticket: Ticket) -> None:
    await stage.act("refund", f"{ticket.item} {ticket.cents}")


@till.task(retry=SLOW_TRIES)
async def ring(item: str) -> str:
    await stage.act("ring", item)
    return item


@ring.compensate(retry=SLOW_TRIES)
async def unring(rung: str) -> None:
    await stage.act("unring", rung)


@depot.task(retry=TRIES)
async def pack(item: str) -> str:
    await stage.act("pack", item)
    return f"packed {item}"


@depot.task(retry=TRIES, concurrency_max=1)
async def lift(item: str) -> str:
    await stage.act("lift", item)
    return item


@workflow
async def sell(item: str) -> Ticket:
    await pick(item)
    ticket = await pay(item)
    await pack(item)
    return ticket


@workflow
async def nap(item: str) -> str:
    await pick(item)
    await sleep(timedelta(hours=1))
    return item


@workflow
async def approve(order: str) -> str:
    approved = await receive(Approved, key=order, timeout=3600)
    return approved.order


@workflow
async def both(item: str) -> list[str]:
    packed, picked = await gather(pack(item), pick(item))
    return [packed, picked]


@workflow
async def each(items: list[str]) -> list[str]:
    return await gather((pack(item) for item in items), limit=2)


@workflow
async def contest(item: str) -> str:
    return await race(pack(item), pick(item))


@workflow
async def outer(item: str) -> Ticket:
    return await sell(item)


@workflow
async def tidy_up(item: str) -> str:
    try:
        await pick(item)
    finally:
        await pack(item)
    return item


@workflow
async def hurried(item: str) -> str:
    async with timeout(60):
        return await pack(item)


@workflow
async def caught(item: str) -> str:
    try:
        async with saga():
            await pick(item)
            await pay(item)
    except Soldout:
        return "soldout"
    return "sold"


@workflow
async def rung(item: str) -> str:
    return await ring(item)


@workflow
async def rung_back(item: str) -> str:
    await ring(item)
    return await pack(item)


@workflow
async def lifted(item: str) -> str:
    return await lift(item)


WORKFLOWS = (
    *(sell, nap, approve, both, each, contest, outer),
    *(tidy_up, hurried, caught, rung, rung_back, lifted),
)


def shop(
    store: Store | None = None,
    *,
    clock: StillClock | None = None,
    placement: str = "orchestration",
    broker: Broker | None = None,
) -> App:
    """Return the shop as an app; on the store of another it goes on where that one stopped."""
    return App(
        "shop",
        services=[depot, till],
        workflows=WORKFLOWS,
        store=store or MemoryStore(),
        clock=clock,
        placement=placement,
        broker=broker,
    )


@asynccontextmanager
async def stores_apart(
    placement: str, clock: StillClock | None = None, broker: Broker | None = None
) -> AsyncGenerator[App]:
    """Run the shop with a store per participant, so that messages go between them."""
    depot.store, till.store = "memory:", "memory:"
    try:
        async with shop(clock=clock, placement=placement, broker=broker) as app:
            yield app
    finally:
        depot.store = till.store = None


def copied(store: MemoryStore) -> MemoryStore:
    """Return what a store holds in this instant: what is left where the process dies now."""
    return copy.deepcopy(store)


def told(operations: Operations, id: str) -> list[str]:
    """Return the history of a run as sentences, without how long a body took."""
    return [fact.text.partition(", took")[0] for fact in operations.history(id)]


def only(found: list[Waiting]) -> Waiting:
    """Return the one reason for which a run waits."""
    assert len(found) == 1, [one.text for one in found]
    return found[0]
