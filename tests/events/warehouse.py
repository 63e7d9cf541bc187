"""A choreography to be tested: orders are placed, stock is held, payment is taken or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from duetto import App, Retry, Service, event, receive, resource, workflow

inventory, payments, mail = Service("inventory"), Service("payments"), Service("mail")


@event(key="order")
class Placed(msgspec.Struct, frozen=True):
    order: str
    pence: int = 100


@event(key="order")
class Held(msgspec.Struct, frozen=True):
    order: str
    pence: int = 100


@event(key="order")
class Paid(msgspec.Struct, frozen=True):
    order: str


@event(key="order")
class Refused(msgspec.Struct, frozen=True):
    order: str


@event
class Sent(msgspec.Struct, frozen=True):
    text: str


@dataclass
class Notes:
    """What the handlers did, in order, and for which orders they fail, and how often."""

    done: list[str] = field(default_factory=list[str])
    keys: list[str] = field(default_factory=list[str])
    failing: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, text: str, order: str = "") -> None:
        left = self.failing.get(order, 0)
        if left:
            self.failing[order] = left - 1
            raise ConnectionError(f"no line for {order}")
        self.done.append(text)


@inventory.on(Placed, retry=Retry(attempts_max=3, delay_ms=1000))
async def hold_stock(placed: Placed, *, notes: Notes = resource()) -> Held | Refused:
    notes.note(f"held {placed.order} {placed.pence}", placed.order)
    if placed.pence > 1000:
        return Refused(placed.order)
    return Held(placed.order, placed.pence)


@payments.on(Held)
async def take_payment(held: Held, *, notes: Notes = resource()) -> Paid:
    notes.note(f"paid {held.order}")
    return Paid(held.order)


@mail.on(Paid, Refused)
async def write_letters(told: Paid | Refused, *, notes: Notes = resource()) -> AsyncIterator[Sent]:
    notes.note(f"{type(told).__name__} {told.order}")
    yield Sent(f"dear {told.order}")
    yield Sent(f"yours, {told.order}")


@mail.on(Sent, ordered=False)
async def count_letters(sent: Sent, *, notes: Notes = resource()) -> None:
    notes.note(sent.text)


@payments.task
async def confirm(order: str, *, notes: Notes = resource()) -> str:
    notes.note(f"confirmed {order}")
    return f"receipt of {order}"


@workflow
async def await_payment(order: str) -> str:
    paid = await receive(Paid, key=order, timeout=3600)
    return await confirm(paid.order)


@workflow(start_on=Refused)
async def apologise(refused: Refused) -> str:
    return await confirm(refused.order)


app = App(
    "warehouse",
    services=[inventory, payments, mail],
    workflows=[await_payment, apologise],
    resources=[Notes()],
)
