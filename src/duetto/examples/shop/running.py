"""Run the orders of a file through the app of a directory, and resume what a kill left there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from duetto import App, context
from duetto.examples.shop.orders import Order, Refusal, read_orders
from duetto.examples.shop.report import Course, Report, report, tally
from duetto.examples.shop.services import inventory, notifications, payments, shipping
from duetto.examples.shop.workflow import fulfil
from duetto.examples.shop.workshop import Workshop, open_premises


def shop_app(directory: Path, *, placement: str, task_ms: int = 0) -> App:
    """Return the shop's app, with its store and its workshop in a directory.

    Raises PlacementError where the placement is none, or names a service that is not there.
    """

    @asynccontextmanager
    async def workshop() -> AsyncGenerator[Workshop]:
        async with open_premises(directory, visit=context, task_ms=task_ms) as premises:
            yield premises

    return App(
        "shop",
        services=[inventory, payments, shipping, notifications],
        workflows=[fulfil],
        resources=[workshop],
        placement=placement,
        store=directory / "shop.sqlite",
    )


async def run_orders(
    path: Path, *, placement: str, directory: Path, concurrency: int, task_ms: int
) -> Report:
    """Fulfil what is an order in the file, and return what came of it.

    Refusals are written to `refusals.txt` in the directory. Raises OrdersUnreadable and what the
    app raises when it opens; a run that fails is counted, not raised.
    """
    invoices = await asyncio.to_thread(lambda: list(read_orders(path)))
    orders = [each for each in invoices if isinstance(each, Order)]
    refusals = [each for each in invoices if isinstance(each, Refusal)]
    await asyncio.to_thread(_write_refusals, directory, refusals)
    since_ns, begin = time.time_ns(), time.perf_counter()
    async with shop_app(directory, placement=placement, task_ms=task_ms) as app:
        course = await fulfil_all(app, orders, concurrency)
        seconds = time.perf_counter() - begin
    return report(
        placement=placement,
        orders=len(orders),
        refused=[refusal.reason for refusal in refusals],
        course=course,
        books=await asyncio.to_thread(tally, directory, since_ns=since_ns),
        seconds=seconds,
    )


async def fulfil_all(app: App, orders: Sequence[Order], concurrency: int) -> Course:
    """Bring every order to its end, so many at a time, and return how all of the store's runs went.

    An order that was started before is resumed, and one that has ended is only counted.
    """
    raise NotImplementedError("the runtime starts the runs")


def _write_refusals(directory: Path, refusals: Sequence[Refusal]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(refusal.message for refusal in refusals)
    (directory / "refusals.txt").write_text(text + "\n" if text else "", encoding="utf-8")
