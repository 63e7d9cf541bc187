"""Workflows whose runs are held against Python's own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from duetto.authoring import Retry, Service, gather, race, saga, sleep, timeout, workflow

service = Service("service")
PAIR = (1, 2)


@dataclass(frozen=True)
class Point:
    """A value."""

    a: int
    b: str = "x"


class Bad(Exception):
    """What is caught."""


class Worse(Bad):
    """What is raised."""


@service.task(retry=Retry(attempts_max=1))
async def double(x: int) -> int:
    """Return twice a number that is not negative."""
    if x < 0:
        raise Worse(x)
    return x * 2


@service.task(retry=Retry(attempts_max=1))
async def move(p: Point, n: int = 1) -> Point:
    """Return another point."""
    if n == 13:
        raise ValueError("13")
    return Point(p.a + n, p.b + "y")


@workflow
async def errors(n: int) -> Any:
    """Catch, raise again, assert, unpack."""
    log = ["a"]
    try:
        try:
            await double(-n)
        except Bad:
            log = [*log, "b"]
            raise
        finally:
            y = await double(n)
            log = [*log, f"finally {y}"]
    except Exception as e:  # what a workflow may catch at most, which is the point
        log = [*log, repr(e.args), str(isinstance(e, Worse))]
    try:
        assert n > 100, f"small {n}"
    except AssertionError as e:
        log = [*log, str(e)]
    try:
        a, b = [1, 2, 3]
        log = [*log, str(a + b)]
    except ValueError as e:
        log = [*log, str(e)]
    try:
        log = [*log, {"a": "1"}["b"]]
    except (KeyError, IndexError) as e:
        log = [*log, repr(e)]
    else:
        return None
    return log


@workflow
async def tail(n: int, acc: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Call itself."""
    if n == 0:
        return acc
    x = await double(n)
    return await tail(n - 1, acc=(*acc, x))


@workflow
async def forks(n: int) -> Any:
    """Gather and race, nested and over comprehensions."""
    a, (b, *c) = await gather(double(1), gather(double(2), double(3), move(Point(1), n=4)))
    d = await gather(double(x) for x in range(n) if x % 2)
    e = await gather(gather(double(x), move(Point(x))) for x in range(n))
    f = "none"
    try:
        await gather(double(1), move(Point(1), 13), double(-1))
    except (ValueError, Bad) as error:
        f = repr(error)
    g = await race(double(n), sleep(60))
    h = await tail(n)
    return a, b, c, d, e, f, g, h


@workflow
async def turns(n: int) -> Any:
    """Loop by `while`, leave by `break`, `continue` and `return` out of `finally`."""
    k, out = 0, list[int]()
    while True:
        try:
            async with saga(), timeout(100):
                k += 1
                if k % 2:
                    continue
                if k > n:
                    break
                x = await double(k)
                out = [*out, x]
        finally:
            y = await double(k + 100)
            out = [*out, y]
    while k < 9:
        k = await double(k)
    else:
        out = [*out, -k]
    return out


@workflow
async def values(n: int) -> Any:
    """Compute with what a crash would have to bring back."""
    p = await move(Point(n))
    xs = [Point(i, str(i)) for i in range(n)]
    d = {x.b: x for x in xs}
    e = sorted(xs, key=lambda x: (-x.a, x.b))[:2]
    s = {x % 3 for x in range(9)}
    t = f"{p.a:>5}|{p!r}|{Decimal('1.5') + n}"
    m = [(a, b) for a in range(3) if a for b in range(a)]
    q = dataclasses.replace(p, b="new")
    z = 1 < n <= 3 != n
    await double(1)
    return p, d, e, s, t, m, q, z, PAIR, xs[-1].b or None, not xs, {**d, "z": 1}, n if n else None
