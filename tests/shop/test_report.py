"""The counts of a report come from the books of the services and from the app's runs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from duetto.examples.shop.report import Course, Tally, percentile, report, table, tally
from duetto.examples.shop.workshop import Attempt, open_premises

COURSE = Course(
    completed=2,
    failed={"TooBulky": 1, "OutOfStock": 3},
    parked=0,
    messages=7,
    store_writes=9,
    latencies_ms=[3.0, 1.0, 2.0],
)
BOOKS = Tally(steps=20, steps_now=10, retries=4, compensated=1)


def books_of(folder: Path) -> Tally:
    return tally(folder, since_ns=0)


def write_books(folder: Path) -> None:
    async def work() -> None:
        call = Attempt("a", "1", "charge", 1, 0)
        async with open_premises(folder, visit=lambda: call) as shop:
            await shop.effect("payments", "1", "charge", amount=Decimal("7.50"))
            call = Attempt("b", "1", "refund", 1, 0)
            await shop.effect("payments", "1", "refund", amount=Decimal("7.50"))
            for attempt in (2, 2, 3):
                call = Attempt("b", "1", "refund", attempt, 0)
                await shop.begin("1", "refund")

    asyncio.run(work())


def test_an_empty_directory_has_empty_books(tmp_path: Path) -> None:
    assert books_of(tmp_path) == Tally(steps=0, steps_now=0, retries=0, compensated=0)


def test_steps_are_effects_and_an_attempt_that_a_kill_repeats_is_one_retry(tmp_path: Path) -> None:
    write_books(tmp_path)
    assert books_of(tmp_path) == Tally(steps=2, steps_now=2, retries=2, compensated=1)


def test_only_steps_of_this_process_make_its_speed(tmp_path: Path) -> None:
    write_books(tmp_path)
    assert tally(tmp_path, since_ns=2**63).steps_now == 0


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([4.0], 99, 4.0),
        ([1.0, 2.0], 50, 1.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
    ],
)
def test_a_percentile_is_a_value_that_was_seen(
    values: list[float], percent: int, expected: float | None
) -> None:
    assert percentile(values, percent) == expected


def test_a_report_has_its_counts_in_order() -> None:
    figures = report(
        placement="choreography",
        orders=6,
        refused=["price", "cancellation", "price"],
        course=COURSE,
        books=BOOKS,
        seconds=2.0,
    )
    assert msgspec.json.decode(msgspec.json.encode(figures)) == {
        "placement": "choreography",
        "orders": 6,
        "completed": 2,
        "failed": {"OutOfStock": 3, "TooBulky": 1},
        "compensated": 1,
        "parked": 0,
        "refused": {"cancellation": 1, "price": 2},
        "steps": 20,
        "retries": 4,
        "messages": 7,
        "store_writes": 9,
        "seconds": 2.0,
        "steps_per_s": 5.0,
        "p50_ms": 2.0,
        "p99_ms": 3.0,
    }


def test_a_report_is_shown_with_a_row_for_each_figure() -> None:
    console = Console(width=80, color_system=None)
    figures = report(
        placement="orchestration", orders=0, refused=[], course=COURSE, books=BOOKS, seconds=0.0
    )
    with console.capture() as shown:
        console.print(table(figures))
    assert "OutOfStock 3, TooBulky 1" in shown.get()
