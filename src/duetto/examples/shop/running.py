"""Run the orders of a file through the app of a directory, and resume what a kill left there."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from duetto import App, context
from duetto.examples.shop.orders import Order, Reason, Refusal, read_orders
from duetto.examples.shop.report import Course, Report, report, tally
from duetto.examples.shop.services import inventory, notifications, payments, shipping
from duetto.examples.shop.workflow import fulfil
from duetto.examples.shop.workshop import Workshop, open_premises
from duetto.observer import Observer, RunEnded, Signal, TokenParked
from duetto.observers import LogObserver
from duetto.store import Query

RUNS_MAX = 1_000_000
"""Runs that a report counts: more than any file of orders has, and bounded as all reads are."""


class Watch(LogObserver):
    """Sees runs end or park; `latencies_ms` has the time from start, or resumption, to each end."""

    def __init__(self) -> None:
        self.latencies_ms: list[float] = []
        self._over: dict[str, tuple[float, asyncio.Future[None]]] = {}

    def over(self, run: str) -> asyncio.Future[None]:
        """Return what is done once a run has ended, or waits for an operator."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over[run] = (time.perf_counter(), future)
        return future

    def note(self, signal: Signal, /) -> None:
        """Let go of who waits for the run that ended or parked."""
        super().note(signal)
        if isinstance(signal, RunEnded | TokenParked) and signal.run in self._over:
            begin, future = self._over.pop(signal.run)
            if isinstance(signal, RunEnded):
                self.latencies_ms.append((time.perf_counter() - begin) * 1000)
            future.set_result(None)


def workshop_in(
    directory: Path, task_ms: int
) -> Callable[[], AbstractAsyncContextManager[Workshop]]:
    """Return what opens the workshop of a directory for an app."""

    @asynccontextmanager
    async def workshop() -> AsyncGenerator[Workshop]:
        async with open_premises(directory, visit=context, task_ms=task_ms) as premises:
            yield premises

    return workshop


def shop_app(
    directory: Path, *, placement: str, task_ms: int = 0, observer: Observer | None = None
) -> App:
    """Return the shop's app, with its store and its workshop in a directory.

    Raises PlacementError where the placement is none, or names a service that is not there.
    """

    return App(
        "shop",
        services=[inventory, payments, shipping, notifications],
        workflows=[fulfil],
        resources=[workshop_in(directory, task_ms)],
        placement=placement,
        store=directory / "shop.sqlite",
        observer=observer,
    )


async def run_orders(
    path: Path, *, placement: str, directory: Path, concurrency: int, task_ms: int
) -> Report:
    """Fulfil what is an order in the file, and return what came of it.

    Refusals are written to `refusals.txt` in the directory. Raises OrdersUnreadable and what the
    app raises when it opens; a run that fails is counted, not raised.
    """
    orders, refused = await orders_of(path, directory)
    since_ns, begin = time.time_ns(), time.perf_counter()
    watch = Watch()
    async with shop_app(directory, placement=placement, task_ms=task_ms, observer=watch) as app:
        went = await fulfil_all(app, orders, concurrency, watch=watch)
        seconds = time.perf_counter() - begin
    return report(
        placement=placement,
        orders=len(orders),
        refused=refused,
        course=went,
        books=await asyncio.to_thread(tally, directory, since_ns=since_ns),
        seconds=seconds,
    )


async def orders_of(path: Path, directory: Path) -> tuple[list[Order], list[Reason]]:
    """Return the orders of a file, and why the rest are none, which is written into a directory.

    Raises OrdersUnreadable.
    """
    invoices = await asyncio.to_thread(lambda: list(read_orders(path)))
    refusals = [each for each in invoices if isinstance(each, Refusal)]
    await asyncio.to_thread(_write_refusals, directory, refusals)
    orders = [each for each in invoices if isinstance(each, Order)]
    return orders, [refusal.reason for refusal in refusals]


async def fulfil_all(
    app: App, orders: Sequence[Order], concurrency: int, *, watch: Watch
) -> Course:
    """Bring every order to its end, so many at a time, and return how all of the store's runs went.

    An order that was started before is resumed, and one that has ended is only counted. What a
    kill left unfinished comes before what never began, as both follow the order of the file.
    """
    queue = iter(orders)
    async with asyncio.TaskGroup() as workers:
        for _ in range(min(concurrency, len(orders))):
            workers.create_task(_fulfil_from(queue, app, watch))
    return course(app, watch.latencies_ms)


async def _fulfil_from(queue: Iterator[Order], app: App, watch: Watch) -> None:
    for order in queue:
        over = watch.over(order.id)
        handle = await app.start_async(fulfil, order, id=order.id)
        run = handle.status()
        if run.status == "running" and not run.parked:
            await over


def course(app: App, latencies_ms: Sequence[float]) -> Course:
    """Return how all runs went that the app's store holds."""
    operations = app.operations
    views = operations.list(Query(limit=RUNS_MAX))
    costs = [operations.counts(view.id) for view in views]
    failures = Counter(view.error.partition(":")[0] for view in views if view.status == "failed")
    return Course(
        completed=sum(view.status == "completed" for view in views),
        failed=failures,
        parked=sum(view.parked > 0 for view in views),
        messages=sum(cost.messages for cost in costs),
        store_writes=sum(cost.writes for cost in costs),
        latencies_ms=latencies_ms,
    )


def _write_refusals(directory: Path, refusals: Sequence[Refusal]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(refusal.message for refusal in refusals)
    (directory / "refusals.txt").write_text(text + "\n" if text else "", encoding="utf-8")
