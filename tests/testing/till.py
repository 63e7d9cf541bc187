"""A small app to be tested: a till that sells, with what can go wrong."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from duetto import App, Retry, Service, context, gather, resource, sleep, workflow

till, stock, post = Service("till"), Service("stock"), Service("post")


class Drawer:
    """Where the money is; an entry for each key, as a service that is idempotent has it."""

    def __init__(self) -> None:
        self.entries: dict[str, int] = {}

    @property
    def pence(self) -> int:
        """What is in it."""
        return sum(self.entries.values())


@till.task(retry=Retry(attempts_max=3, delay_ms=2000, jitter=0.5), timeout=30)
async def charge(pence: int, *, drawer: Drawer = resource()) -> str:
    drawer.entries[context().key] = pence
    return f"payment of {pence}"


@charge.compensate
async def refund(payment: str, pence: int, *, drawer: Drawer = resource()) -> None:
    drawer.entries[context().key] = -pence


@stock.task(retry=Retry(attempts_max=1))
async def reserve(item: str) -> str:
    return f"one {item}"


@reserve.compensate
async def release(reservation: str) -> None: ...


@post.task(retry=Retry(attempts_max=1), timeout=5)
def send(item: str) -> str:
    """Runs in a thread."""
    return f"parcel of {item}"


@post.task
async def thank(item: str) -> None:
    """Takes half a second, unless nobody waits any more."""
    with suppress(TimeoutError):
        await asyncio.wait_for(context().wait_cancelled(), 0.5)


@workflow
async def sell(item: str, pence: int) -> str:
    await reserve(item)
    await charge(pence)
    parcel, _ = await gather(send(item), thank(item))
    return parcel


@workflow
async def sell_later(item: str, days: float) -> str:
    await sleep(days * 86_400)
    return await reserve(item)


app = App("till", services=[till, stock, post], workflows=[sell, sell_later], resources=[Drawer()])
