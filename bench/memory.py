"""Resident memory: `python -m bench.memory [--json]`; also how long open runs take to recover.

Each case is a process of its own on an SQLite store: after its start, with 10,000 runs asleep, with
100,000 runs open that have a task behind them, with those recovered by another process, and with
100,000 recovered whose task is in hand.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
    ("started", "after its start", 60.0),
    ("sleeping", "10,000 runs asleep", 80.0),
    ("open", "100,000 runs open", 300.0),
    ("recovered", "those, recovered", 300.0),
    ("in_hand", "100,000 at a task, recovered", 300.0),
)
"""Each with its aim in MiB."""

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


async def in_hand(path: Path) -> None:
    app = new_app(path)
    async with app.at_rest(read_only=False) as operations:
        await _start(lambda n: operations.start("deliver", (f"order {n}", n)), OPEN)
    await recovered(path)


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
    "in_hand": in_hand,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        case, path = options.child
        run_in_loop(CHILDREN[case](Path(path)))
        return
    table = Table("", "MiB", "aim", "seconds to recover", box=None, header_style="bold")
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="data-", dir=CACHE) as data:
        for case, title, aim_mib in CASES:
            # The runs that one process leaves open are those that the next recovers.
            name = "open" if case == "recovered" else case
            path = str(Path(data, f"{name}.sqlite"))
            found = answer_of("bench.memory", "--child", case, path)
            if options.json:
                print(json.dumps({"name": case, "aim_mib": aim_mib, **found}), flush=True)
            seconds = f"{found['seconds']:.2f}" if "seconds" in found else ""
            table.add_row(title, f"{found['mib']:.0f}", f"{aim_mib:.0f}", seconds)
    if not options.json:
        Console().print(table)


if __name__ == "__main__":
    main()
