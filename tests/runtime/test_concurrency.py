"""How many tasks of a service, and of a kind, run at a time."""

from __future__ import annotations

import asyncio
from collections import Counter

from duetto import App, Service, gather, workflow

bench = Service("bench", concurrency=3)
running: Counter[str] = Counter()
most: Counter[str] = Counter()


async def work(name: str) -> None:
    for each in (name, "all"):
        running[each] += 1
        most[each] = max(most[each], running[each])
    for _ in range(3):
        await asyncio.sleep(0)
    for each in (name, "all"):
        running[each] -= 1


@bench.task(concurrency_max=2)
async def saw(item: int) -> None:
    await work("saw")


@bench.task
async def glue(item: int) -> None:
    await work("glue")


@glue.compensate
async def scrape(result: None) -> None:
    await work("scrape")


@workflow
async def build(items: list[int]) -> None:
    await gather(gather(saw(i) for i in items), gather(glue(i) for i in items))


@workflow
async def spoil(items: list[int]) -> None:
    await gather(glue(i) for i in items)
    raise ValueError("spoilt")


async def test_a_service_and_a_task_have_limits_that_hold_together() -> None:
    most.clear()
    async with App("bench", services=[bench], workflows=[build], store="memory:") as app:
        await asyncio.gather(*(app.run_async(build, [*range(10)]) for _ in range(3)))
    assert most["all"] == 3
    assert most["saw"] == 2
    assert most["glue"] == 3
    assert not +running


async def test_compensations_take_their_places_too() -> None:
    most.clear()
    async with App("bench", services=[bench], workflows=[spoil], store="memory:") as app:
        runs = [await app.start_async(spoil, [*range(5)]) for _ in range(5)]
        await app.operations.settled()
        assert {run.status().status for run in runs} == {"failed"}
    assert most["scrape"] == 3
    assert most["all"] == 3
