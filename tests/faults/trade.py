"""The workflows that faults are tried on: a shop of two services, and one task for each trouble."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from duetto import Retry, Service, gather, sleep, workflow

ONCE = Retry(attempts_max=1)

stock, desk = Service("stock"), Service("desk")


@dataclass(frozen=True)
class Order:
    id: str
    units: int
    notes: Any = None


@dataclass
class Trace:
    """What the tasks did, and what they are to give back: set by a test, and emptied before it."""

    done: list[str] = field(default_factory=list[str])
    gives: Any = None

    def count(self, name: str) -> int:
        return sum(each == name for each in self.done)


TRACE = Trace()


class Odd(Exception):
    """An error that `__init__` cannot make again, and that cannot say what it is."""

    def __init__(self, *, reason: str, lock: object) -> None:
        super().__init__()
        self.reason, self.lock = reason, lock

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Spoken(Exception):
    """An error with whatever a test gives it."""


@stock.task(retry=ONCE)
async def reserve(order: Order) -> str:
    TRACE.done.append("reserve")
    return f"r-{order.id}"


@reserve.compensate
async def release(reservation: str) -> None:
    TRACE.done.append("release")


@desk.task(retry=ONCE)
async def give(what: str) -> Any:
    """Return whatever the test wants."""
    TRACE.done.append("give")
    return TRACE.gives


@desk.task(retry=ONCE)
async def give_units(what: str) -> int:
    TRACE.done.append("give_units")
    return TRACE.gives


@stock.task(retry=ONCE)
async def take(what: Any) -> int:
    TRACE.done.append("take")
    return 1


@take.compensate
async def put_back(taken: int, what: Any) -> None:
    TRACE.done.append("put_back")


@desk.task(retry=ONCE)
async def fetch(what: str) -> Any:
    """Have an effect, and return whatever the test wants; it can be undone."""
    TRACE.done.append("fetch")
    return TRACE.gives


@fetch.compensate
async def bring_back(fetched: Any) -> None:
    TRACE.done.append("bring_back")


@desk.task(retry=Retry(attempts_max=2, delay_ms=0))
async def stumble(how: str) -> int:
    TRACE.done.append("stumble")
    if how == "odd":
        raise Odd(reason="odd", lock=object())
    if how == "exit":
        raise SystemExit(3)
    raise Spoken(TRACE.gives)


@desk.task(retry=ONCE)
async def die(how: str) -> int:
    os._exit(9)


def unlucky() -> Any:
    """Return, within a workflow, whatever the test wants."""
    return TRACE.gives


def endless() -> Iterator[int]:
    """Yield for ever."""
    while True:
        yield 1


@workflow
async def sell(order: Order) -> str:
    reservation = await reserve(order)
    return reservation


@workflow
async def ask(what: str) -> Any:
    await reserve(Order(what, 1))
    got = await give(what)
    return got


@workflow
async def ask_units(what: str) -> int:
    await reserve(Order(what, 1))
    got = await give_units(what)
    return got


@workflow
async def ask_and_fetch(what: str) -> Any:
    got = await fetch(what)
    return got


@workflow
async def hand_over(what: str) -> int:
    await reserve(Order(what, 1))
    taken = await take(unlucky())
    return taken


@workflow
async def keep(what: str) -> str:
    await reserve(Order(what, 1))
    kept = unlucky()
    await give(what)
    return repr(kept)


@workflow
async def result_of(what: str) -> Any:
    await reserve(Order(what, 1))
    return unlucky()


@workflow
async def fall(how: str) -> int:
    await reserve(Order(how, 1))
    return await stumble(how)


@workflow
async def catch(how: str) -> str:
    said = "nothing"
    try:
        await stumble(how)
    except Spoken as error:
        said = repr(error.args)
    return said


@workflow
async def kill(how: str) -> int:
    return await die(how)


@workflow
async def nap(seconds: float) -> str:
    await sleep(seconds)
    return "awake"


@workflow
async def hoard(kilobytes: int) -> int:
    """Hold several values, each of which is small enough."""
    await reserve(Order("hoard", 1))
    one = "x" * (kilobytes * 1024)
    two = "y" * (kilobytes * 1024)
    three = "z" * (kilobytes * 1024)
    await give("more")
    return len(one) + len(two) + len(three)


@workflow
async def down(depth: int) -> int:
    if depth == 0:
        return 0
    below = await down(depth - 1)
    return below + 1


@workflow
async def dig(depth: int) -> int:
    await reserve(Order("dig", 1))
    return await down(depth)


@workflow
async def spread(width: int) -> int:
    await reserve(Order("spread", 1))
    taken = await gather(take(each) for each in range(width))
    return len(taken)


@workflow
async def pile(turns: int) -> int:
    """Do so many things that can be undone."""
    count = 0
    while count < turns:
        await take(count)
        count += 1
    return count


@workflow
async def spin(what: str) -> int:
    await reserve(Order(what, 1))
    count = 0
    while True:
        count = 1 - count
    return count


@workflow
async def walk(what: str) -> int:
    await reserve(Order(what, 1))
    count = 0
    for each in endless():
        count += each
    return count


SERVICES = (stock, desk)
WORKFLOWS = (
    *(sell, ask, ask_units, ask_and_fetch, hand_over, keep, result_of, fall, catch, kill, nap),
    *(hoard, dig, down, spread, pile, spin, walk),
)
