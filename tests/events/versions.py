"""A shop whose `Ordered` was published in two earlier versions."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from duetto import Retry, Service, event, receive, resource, workflow
from duetto.authoring import upcast


class Ordered1(msgspec.Struct, frozen=True):
    """As it was once: in pence, with a text of both names."""

    order: str
    name: str
    pence: int


class Ordered2(msgspec.Struct, frozen=True):
    order: str
    first: str
    last: str
    pence: int


@event(key="order", version=3)
class Ordered(msgspec.Struct, frozen=True):
    order: str
    first: str
    last: str
    pounds: float


@upcast(2)
def ordered_in_pence(old: Ordered2) -> Ordered:
    return Ordered(old.order, old.first, old.last, old.pence / 100)


@upcast(1)
def ordered_with_one_name(old: Ordered1) -> Ordered:
    first, last = old.name.split(" ", 1)
    return ordered_in_pence(Ordered2(old.order, first, last, old.pence))


@dataclass
class Till:
    """What was heard."""

    seen: list[Ordered] = field(default_factory=list[Ordered])


desk = Service("desk")


@desk.on(Ordered, retry=Retry(attempts_max=1))
async def ring(ordered: Ordered, *, till: Till = resource()) -> None:
    till.seen.append(ordered)


@workflow
async def await_order(order: str) -> str:
    ordered = await receive(Ordered, key=order, timeout=60)
    return ordered.last


@workflow(start_on=Ordered)
async def greet(ordered: Ordered) -> str:
    return ordered.first
