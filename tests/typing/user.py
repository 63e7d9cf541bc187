"""A user's module without a mistake: pyright strict has nothing to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

from duetto import App
from duetto.authoring import (
    Retry,
    Service,
    context,
    emit,
    event,
    gather,
    race,
    receive,
    resource,
    saga,
    sleep,
    timeout,
    workflow,
)


@dataclass
class Order:
    id: str
    lines: tuple[str, ...] = ()


@dataclass
class Reservation:
    id: str


@dataclass
class Receipt:
    id: str


@event(key="order")
@dataclass
class Approved:
    order: str


class Warehouse:
    async def take(self, order: str) -> str:
        return order


inventory = Service("inventory", concurrency=10)
payments = Service("payments", store="payments.sqlite")


@inventory.task(retry=Retry(attempts_max=5), timeout=timedelta(seconds=3))
async def reserve(order: Order, *, warehouse: Warehouse = resource()) -> Reservation:
    context().progress(order.id)
    return Reservation(await warehouse.take(order.id))


@reserve.compensate
async def release(
    reservation: Reservation, order: Order, *, warehouse: Warehouse = resource()
) -> None:
    await warehouse.take(reservation.id)


@inventory.task
async def count(order: Order) -> int:
    return len(order.lines)


@inventory.task
def weigh(order: Order, factor: float = 1.0) -> float:
    return len(order.lines) * factor


@inventory.task(concurrency_max=2)
def price(order: Order) -> str:
    return str(len(order.lines))


@payments.task(name="charge_card")
async def charge(order: Order, *, warehouse: Warehouse = resource()) -> int:
    return len(await warehouse.take(order.id))


# Without the resource that the task itself needs.
@charge.compensate(retry=Retry(attempts_max=9))
async def refund(amount: int, order: Order) -> None: ...


@charge.lookup
async def charge_of(key: str) -> int | None:
    return None if key else 1


@payments.task
async def book(order: Order) -> int:
    return 1


# The result alone is enough for some.
@book.compensate
async def unbook(booking: int) -> None: ...


@payments.task
async def tell(order: Order, *, warehouse: Warehouse = resource()) -> None:
    await warehouse.take(order.id)


@tell.compensate
async def apologise(told: None, order: Order) -> None: ...


@workflow(home=payments)
async def pay(order: Order) -> int:
    return await charge(order)


@workflow
async def fulfil(order: Order, express: bool = False) -> Receipt:
    reservation = await reserve(order)
    assert_type(reservation, Reservation)
    number, again = await gather(count(order), reserve(order), cancel=True)
    assert_type(number, int)
    assert_type(again, Reservation)
    numbers = await gather((count(each) for each in [order, order]), limit=2)
    assert_type(numbers, list[int])
    first = await race(count(order), price(order))
    assert_type(first, int | str)
    weight = await weigh(order)
    assert_type(weight, float)
    async with timeout(5), saga(keep=False):
        approved = await receive(Approved, key=order.id, timeout=timedelta(hours=1))
        assert_type(approved, Approved)
    await sleep(0.1)
    emit(Approved(order.id))
    paid = await pay(order)
    assert_type(paid, int)
    await tell(order)
    return Receipt(reservation.id)


def main(app: App) -> None:
    receipt = app.run(fulfil, Order("1"), id="order-1")
    assert_type(receipt, Receipt)
    assert_type(app.run(fulfil, Order("1"), True), Receipt)
