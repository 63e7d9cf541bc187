"""Workflows whose values a task, or chance, would change behind their back."""

from __future__ import annotations

from random import Random

from duetto.authoring import Service, saga, workflow

left, right = Service("left"), Service("right")

DICE = Random()
"""What a workflow may not be told twice; each trial sets it anew."""


def rolled(sides: int) -> int:
    """Return something else each time."""
    return DICE.randrange(10**9) * sides + 1


@left.task
async def spoil(values: list[int]) -> int:
    """Change what was given, as no task should."""
    total = sum(values)
    values.append(total)
    values[0] = -1
    return total


@right.task
async def pay(amount: int) -> int:
    return amount


@pay.compensate
async def pay_back(result: int, amount: int) -> None: ...


@workflow
async def spoiled(first: int, times: int) -> list[int]:
    values = [first, first + 1]
    total = 0
    for _ in range(times):
        total = await spoil(values)
    return [*values, total]


@workflow
async def rolling(sides: int) -> list[int]:
    async with saga():
        once = await pay(rolled(sides))
        twice = await pay(rolled(sides) + once)
        return [once, twice]
