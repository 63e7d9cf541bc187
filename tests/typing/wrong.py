"""The mistakes of a user: pyright strict finds each, on the line that says which it is."""

from __future__ import annotations

from duetto import App
from duetto.authoring import Retry, Service, gather, race, receive, resource, sleep, workflow
from tests.typing.user import (
    Approved,
    Order,
    Receipt,
    Reservation,
    Warehouse,
    book,
    charge,
    count,
    fulfil,
    pay,
    price,
    reserve,
    tell,
    weigh,
)


@reserve.compensate  # mistake: the arguments of a compensation in the wrong order
async def release(order: Order, reservation: Reservation) -> None: ...


@reserve.compensate  # mistake: a compensation that wants more than there is
async def release_more(reservation: Reservation, order: Order, more: int) -> None: ...


@charge.compensate(retry=Retry(attempts_max=9))  # mistake: the wrong result, with options
async def refund(amount: str, order: Order) -> None: ...


@book.compensate  # mistake: a compensation that is not asynchronous
def unbook(booking: int) -> None: ...


@charge.lookup  # mistake: a look-up of another type than the task's result
async def charge_of(key: str) -> str | None: ...


@tell.compensate  # mistake: an argument of the wrong type beside a resource
async def apologise(told: None, order: str, *, warehouse: Warehouse = resource()) -> None: ...


@book.compensate(retries=3)  # mistake: an option of a compensation that does not exist
async def unbook_often(booking: int) -> None: ...


service = Service("service", concurency=3)  # mistake: an option of a service, misspelt


@service.task(retry=3)  # mistake: a number for a Retry
async def work(order: Order) -> int:
    return 1


@workflow(home="payments")  # mistake: a name for a service
async def elsewhere(order: Order) -> int:
    return await count(order)


@workflow  # mistake: a workflow that is not asynchronous
def never(order: Order) -> int:
    return 1


@workflow
async def bad(order: Order) -> Receipt:
    reservation = await reserve(order.id)  # mistake: a wrong argument
    reserve(order)  # mistake: a missing await
    number: int = await reserve(order)  # mistake: a wrong result
    text: str = await weigh(order)  # mistake: a wrong result of a synchronous task
    await weigh(order, factr=2.0)  # mistake: an argument misspelt
    await gather(count(order), reserve("1"))  # mistake: a wrong argument in a branch
    a, b = await gather(count(order), count(order), count(order))  # mistake: a value too many
    gather(count(order))  # mistake: a missing await of a gather
    winner: int = await race(count(order), price(order))  # mistake: a race has many types
    sleep(1)  # mistake: a missing await of a sleep
    await sleep("1")  # mistake: a text for a duration
    received: Order = await receive(Approved)  # mistake: another type than the event
    pay(order)  # mistake: a missing await of a workflow
    await pay("order")  # mistake: a wrong argument of a workflow
    print(number, text, a, b, winner, received)
    return reservation  # mistake: a wrong result of the workflow


def main(app: App) -> None:
    app.run(fulfil, "x", id="1")  # mistake: a wrong input
    app.run(fulfil, id="1")  # mistake: no input
    app.run(fulfil, Order("1"), idd="1")  # mistake: a wrong option
    text: str = app.run(fulfil, Order("1"))  # mistake: a wrong result of a run
    app.run(fulfil(Order("1")))  # mistake: a call for a workflow
    print(text)
