"""Nine tasks in sequence, over three services."""

from __future__ import annotations

from duetto import Service, workflow

red, green, blue = Service("red"), Service("green"), Service("blue")
SERVICES = (red, green, blue)


@red.task
async def paint_red(number: int) -> int:
    """Add one."""
    return number + 1


@green.task
async def paint_green(number: int) -> int:
    """Add ten."""
    return number + 10


@blue.task
async def paint_blue(number: int) -> int:
    """Add a hundred."""
    return number + 100


@workflow
async def nine(number: int) -> int:
    """Paint in three colours, three times."""
    number = await paint_red(number)
    number = await paint_green(number)
    number = await paint_blue(number)
    number = await paint_red(number)
    number = await paint_green(number)
    number = await paint_blue(number)
    number = await paint_red(number)
    number = await paint_green(number)
    return await paint_blue(number)
