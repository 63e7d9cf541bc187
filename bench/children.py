"""What is measured in a process of its own: resident memory, start-up, recovery.

`python -m bench.children CASE STORE` prints one JSON object; it is started by `bench.size`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from statistics import median
from typing import Any

from duetto import App, Service, sleep, workflow
from duetto.app import run_in_loop

STARTS = 200
AT_ONCE = 500
ASLEEP_S = 1_000_000

worker = Service("worker")


@worker.task
async def step(number: int) -> int:
    return number + 1


@workflow
async def once(number: int) -> int:
    return await step(number)


@workflow
async def asleep(number: int) -> int:
    await sleep(ASLEEP_S)
    return number


def app_of(store: str) -> App:
    return App("size", services=[worker], workflows=[once, asleep], store=store)


def resident_mib() -> float:
    """Return the resident size of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    size = next(line for line in lines if line.startswith("VmRSS"))
    return int(size.split()[1]) / 1024


async def opened(store: str) -> dict[str, float]:
    """Open a store; measure the time, the memory, and how long the start of a run takes."""
    began = time.perf_counter()
    async with app_of(store) as app:
        open_s = time.perf_counter() - began
        rss = resident_mib()
        took: list[float] = []
        for number in range(STARTS):
            began = time.perf_counter()
            await app.start_async(once, number)
            took.append(time.perf_counter() - began)
        await app.operations.settled()
    return {"open_s": open_s, "rss_mib": rss, "start_ms": median(took) * 1000}


async def sleeping(store: str, count: int) -> dict[str, float]:
    """Start runs that sleep, and measure the memory with all of them open."""
    async with app_of(store) as app:
        for first in range(0, count, AT_ONCE):
            numbers = range(first, min(count, first + AT_ONCE))
            await asyncio.gather(*(app.start_async(asleep, number) for number in numbers))
        return {"rss_mib": resident_mib()}


async def recovered(store: str) -> dict[str, float]:
    """Open a store with open runs: how long it takes, and the memory afterwards."""
    began = time.perf_counter()
    async with app_of(store):
        return {"open_s": time.perf_counter() - began, "rss_mib": resident_mib()}


CASES: dict[str, Callable[[str], Coroutine[Any, Any, dict[str, float]]]] = {
    "opened": opened,
    "sleeping-10000": lambda store: sleeping(store, 10_000),
    "sleeping-100000": lambda store: sleeping(store, 100_000),
    "recovered": recovered,
}


if __name__ == "__main__":
    print(json.dumps(run_in_loop(CASES[sys.argv[1]](sys.argv[2]))))
