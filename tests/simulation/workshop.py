"""What generated Python calls: three services, whose effects go into a list."""

from __future__ import annotations

from dataclasses import dataclass

from duetto.authoring import Retry, Service

left, middle, right = Service("left"), Service("middle"), Service("right")
ONCE = Retry(attempts_max=1)
EFFECTS: list[tuple[str, object]] = []


@dataclass(frozen=True)
class Point:
    """A value with fields."""

    x: int
    y: int = 0


class Bad(Exception):
    """What some tasks raise."""


@left.task(retry=ONCE)
async def double(n: int) -> int:
    EFFECTS.append(("double", n))
    if n % 7 == 3:
        raise Bad(f"no {n}")
    return n * 2 % 1000


@double.compensate
async def halve(result: int, n: int) -> None:
    EFFECTS.append(("halve", (result, n)))


@middle.task(retry=ONCE)
async def move(p: Point, by: int = 1) -> Point:
    EFFECTS.append(("move", (p, by)))
    if by % 11 == 5:
        raise ValueError(f"too far: {by}")
    return Point((p.x + by) % 1000, p.y - by)


@move.compensate
async def move_back(result: Point) -> None:
    EFFECTS.append(("move_back", result))


@right.task(retry=ONCE)
async def spread(n: int) -> list[int]:
    EFFECTS.append(("spread", n))
    return [n % 10, *range(n % 4)]


@right.task(retry=ONCE)
async def count(values: list[int]) -> dict[str, int]:
    EFFECTS.append(("count", tuple(values)))
    return {"a": len(values), "b": sum(values) % 1000}


@middle.task(retry=ONCE)
async def note(text: str) -> None:
    EFFECTS.append(("note", text))


SERVICES = (left, middle, right)
