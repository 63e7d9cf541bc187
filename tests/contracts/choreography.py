"""A choreography with every mistake that a topology can show, and events of every family."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID, uuid4

import attrs
import msgspec
import pydantic

from duetto import App, Service, emit, event, receive, workflow

orders, stock, money = Service("orders"), Service("stock"), Service("money")


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Line:
    sku: str
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    parts: tuple[Line, ...] = ()


@attrs.define
class Card:
    number: str


@dataclass
class Cash:
    currency: Literal["EUR", "GBP"] = "EUR"


class Address(pydantic.BaseModel):
    street: str = pydantic.Field(alias="st")
    near: Address | None = None


@event(key="order", version=2, lanes=4)
@dataclass
class Placed:
    order: UUID
    lines: list[Line]
    paid_by: Card | Cash
    to: Address
    size: Size = Size.SMALL
    at: datetime | None = None
    total: Decimal = Decimal("0")
    notes: dict[str, str] = field(default_factory=dict[str, str])
    trace: UUID = field(default_factory=uuid4)


@event(key="order")
class Held(msgspec.Struct, tag=True):
    order: str
    matrix: tuple[int, complex]


@event
class Declined(pydantic.BaseModel):
    order: str
    to: Address


@event
@attrs.define
class Released:
    order: str


@event
class Ping(msgspec.Struct):
    n: int


@event
class Pong(msgspec.Struct):
    n: int


@event
class Lonely(msgspec.Struct):
    n: int


@event
class Shipped(msgspec.Struct):
    order: str


@stock.task
async def take(order: str) -> str:
    return order


@take.compensate
async def put_back(taken: str) -> None: ...


@stock.task
async def pack(order: str) -> str:
    return order


@pack.compensate
async def unpack(packed: str) -> None: ...


@money.task
async def charge(order: str) -> str:
    return order


@charge.compensate
async def refund(paid: str) -> None: ...


@stock.on(Placed)
async def hold(placed: Placed) -> Held | None: ...


@stock.on(Declined)
async def release(declined: Declined) -> Released:
    await put_back(declined.order)
    return Released(declined.order)


@orders.on(Ping)
async def ping(it: Ping) -> Pong:
    return Pong(it.n)


@orders.on(Pong)
async def pong(it: Pong) -> Ping:
    return Ping(it.n)


@money.on(Held)
async def bill(held: Held) -> AsyncIterator[Lonely]:
    yield Lonely(1)


def shipped(order: str) -> Shipped:
    """Return what is emitted by way of a helper."""
    return Shipped(order)


def anything(order: str):
    return Shipped(order)


@workflow(start_on=Held)
async def ship(held: Held) -> None:
    await charge(held.order)
    one: Shipped = shipped(held.order)
    emit(one)
    emit(anything(held.order))


@workflow(home=orders)
async def watch(order: str) -> str:
    seen = await receive(Shipped, key=order)
    return seen.order


app = App("choreography", services=[orders, stock, money], workflows=[ship, watch])
