"""Resident memory: `python -m bench.memory [--json]`; also how long open runs take to recover.

Each case is a process of its own on an SQLite store: after its start, with 10,000 runs asleep, and
with 100,000 runs open, once asleep behind a task and once at a task; and other processes that
recover those.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.children import answer, answer_of
from bench.rivals.environment import CACHE
from duetto import App, Service, sleep, workflow
from duetto.app import run_in_loop

SLEEPERS = 10_000
OPEN = 100_000
AT_ONCE = 1_000
DAY_S = 86_400

CASES = (
    ("started", "started", "after its start", 60),
    ("sleeping", "sleeping", "10,000 runs asleep", 80),
    ("open", "open", "100,000 runs open", 300),
    ("open", "recovered", "those, recovered by another process", 300),
    ("at_task", "at_task", "100,000 runs at a task that no process executes", 300),
    ("at_task", "recovered", "those, recovered by another process", 300),
)
"""The file, what its process does, and the aim in MiB."""

worker = Service("worker")


@worker.task
async def reserve(order: str, quantity: int) -> str:
    return f"{order}: {quantity} reserved"


@workflow
async def nap(seconds: float) -> None:
    await sleep(seconds)


@workflow
async def deliver(order: str, quantity: int) -> str:
    reservation = await reserve(order, quantity)
    await sleep(DAY_S)
    return reservation


def new_app(path: Path) -> App:
    return App("memory", services=[worker], workflows=[nap, deliver], store=path)


async def started(path: Path) -> None:
    async with new_app(path):
        answer(mib=machine.resident_mib())


async def sleeping(path: Path) -> None:
    async with new_app(path) as app:
        await _start(lambda _: app.start_async(nap, float(DAY_S)), SLEEPERS)
        _leave(mib=machine.resident_mib())


async def opened(path: Path) -> None:
    async with new_app(path) as app:
        await _start(lambda n: app.start_async(deliver, f"order {n}", n), OPEN)
        await asyncio.sleep(1)  # the last tasks end, and their runs fall asleep
        _leave(mib=machine.resident_mib())


async def recovered(path: Path) -> None:
    began, cpu_s = time.perf_counter(), time.process_time()
    async with new_app(path):
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
        _leave(mib=machine.resident_mib(), seconds=took_s, cpu_s=cpu_s)


async def at_task(path: Path) -> None:
    async with new_app(path).at_rest(read_only=False) as operations:
        await _start(lambda n: operations.start("deliver", (f"order {n}", n)), OPEN)
        _leave(mib=machine.resident_mib())


async def _start(start: Callable[[int], Coroutine[Any, Any, object]], count: int) -> None:
    """So many at once that their commits are shared."""
    for first in range(0, count, AT_ONCE):
        await asyncio.gather(*(start(first + n) for n in range(AT_ONCE)))


def _leave(**figures: float) -> None:
    """Answer, and end as after a kill: the runs stay open in the file."""
    answer(**figures)
    os._exit(0)


CHILDREN: dict[str, Callable[[Path], Coroutine[Any, Any, None]]] = {
    "started": started,
    "sleeping": sleeping,
    "open": opened,
    "recovered": recovered,
    "at_task": at_task,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        case, path = options.child
        logging.getLogger("duetto").setLevel(logging.ERROR)  # it warns of runs that it continues
        run_in_loop(CHILDREN[case](Path(path)))
        return
    table = Table("", "MiB", "aim", "seconds to recover", box=None, header_style="bold")
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="data-", dir=CACHE) as data:
        for name, case, title, aim_mib in CASES:
            path = str(Path(data, f"{name}.sqlite"))
            found = answer_of("bench.memory", "--child", case, path)
            if options.json:
                print(
                    json.dumps({"name": f"{name}, {case}", "aim_mib": aim_mib, **found}), flush=True
                )
            seconds = f"{found['seconds']:.2f}" if "seconds" in found else ""
            table.add_row(title, f"{found['mib']:.0f}", str(aim_mib), seconds)
    if not options.json:
        Console().print(table)


if __name__ == "__main__":
    main()
