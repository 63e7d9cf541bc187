"""Place the orders of a file in the shop that reacts, and go on with what a kill left there."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from duetto import App
from duetto.examples.shop.events import (
    ENDS,
    FAILURES,
    OrderPlaced,
    inventory,
    notifications,
    payments,
    shipping,
)
from duetto.examples.shop.report import Course, Report, report, tally
from duetto.examples.shop.running import orders_of, workshop_in
from duetto.observer import Observer
from duetto.operations.events import EventOperations

BY_EVENTS = "events"
"""What stands in the place of a placement: there is no workflow to be placed."""

EVENTS_MAX = 100_000_000
"""Events that a report counts: more than any file of orders leads to."""


def reacting_app(directory: Path, *, task_ms: int = 0, observer: Observer | None = None) -> App:
    """Return the shop that reacts, with its store and its workshop in a directory."""
    return App(
        "shop",
        services=[inventory, payments, shipping, notifications],
        resources=[workshop_in(directory, task_ms)],
        store=directory / "shop.sqlite",
        observer=observer,
    )


async def place_orders(path: Path, *, directory: Path, concurrency: int, task_ms: int) -> Report:
    """Place what is an order in the file, so many at a time, and return what came of it.

    Refusals are written to `refusals.txt` in the directory. An order that was placed before is not
    placed again. Raises OrdersUnreadable and what the app raises when it opens.
    """
    orders, refused = await orders_of(path, directory)
    since_ns, begin = time.time_ns(), time.perf_counter()
    async with reacting_app(directory, task_ms=task_ms) as app:
        events = app.operations.events
        placed = {found.key for found in events.list(topic="OrderPlaced", limit=EVENTS_MAX)}
        to_place = [OrderPlaced(order) for order in orders if order.id not in placed]
        await events.quiet()
        for at in range(0, len(to_place), concurrency):
            await events.publish_all(to_place[at : at + concurrency])
            await events.quiet()
        seconds = time.perf_counter() - begin
        books = tally(directory, since_ns=since_ns)
        went = course(events, since_ms=since_ns // 1_000_000, retries=books.retries)
    return report(
        placement=BY_EVENTS,
        orders=len(orders),
        refused=refused,
        course=went,
        books=books,
        seconds=seconds,
    )


def course(events: EventOperations, *, since_ms: int, retries: int) -> Course:
    """Return how all orders went that the app's store holds.

    Messages are the events. Each that was published from outside, was taken, or was to be tried
    again is a write.
    """
    found = events.list(limit=EVENTS_MAX)
    topics = Counter(event.topic for event in found)
    placed = {event.key: event.at for event in found if event.topic == "OrderPlaced"}
    taken = sum(count for topic, count in topics.items() if topic not in ENDS)
    return Course(
        completed=topics["ParcelSent"],
        failed={error: topics[fact] for fact, error in FAILURES.items() if topics[fact]},
        parked=len(events.letters(limit=EVENTS_MAX)),
        messages=len(found),
        store_writes=topics["OrderPlaced"] + taken + retries,
        latencies_ms=[
            float(event.at - placed[event.key])
            for event in found
            if event.topic in ENDS and event.at >= since_ms
        ],
    )
