"""A thousand orders have the same effects under every placement, in the same order where undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto.examples.shop.generate import SHIPPED
from duetto.examples.shop.report import Report
from duetto.examples.shop.running import Watch, run_orders, shop_app
from duetto.observer import TokenParked
from duetto.store import Query
from tests.shop.books import REAL, Orders, attempts, by_operation, by_order, effects, undone

PLACEMENTS = ("orchestration", "choreography", "hybrid:notifications", "hybrid:payments,shipping")
EFFECTS = {
    "reserve": 996,
    "charge": 947,
    "book": 937,
    "dispatch": 900,
    "notify": 937,
    "release": 96,
    "refund": 47,
    "cancel_booking": 37,
    "apologise": 37,
}
FAILED = {"NotDeliverable": 10, "OutOfStock": 39, "PaymentDeclined": 49, "TooBulky": 37}
REFUSED = {
    SHIPPED: {
        "cancellation": 64,
        "malformed": 32,
        "no customer": 40,
        "price": 12,
        "quantity": 18,
    },
    REAL: {"cancellation": 215, "no customer": 207, "price": 1},
}
NEEDS_REAL = pytest.mark.skipif(not REAL.exists(), reason="no real orders beside this checkout")


async def fulfilled(orders: Path, placement: str, directory: Path) -> Report:
    return await run_orders(
        orders, placement=placement, directory=directory, concurrency=300, task_ms=0
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "orders", [SHIPPED, pytest.param(REAL, marks=NEEDS_REAL)], ids=["shipped", "real"]
)
async def test_every_placement_has_the_same_outcomes_and_effects(
    orders: Path, tmp_path: Path
) -> None:
    histories: dict[str, Orders] = {}
    for placement in PLACEMENTS:
        directory = tmp_path / placement.replace(":", "-")
        report = await fulfilled(orders, placement, directory)
        assert (report.orders, report.completed, report.parked) == (1_035, 900, 0), placement
        assert report.failed == FAILED
        assert report.refused == REFUSED[orders]
        found = effects(directory)
        assert by_operation(found) == EFFECTS
        assert (report.steps, report.compensated) == (len(found), 96)
        assert len({effect.key for effect in found}) == len(found)
        assert undone(found) == {
            ("release",): 49,
            ("refund", "release"): 10,
            ("apologise", "cancel_booking", "refund", "release"): 37,
        }
        histories[placement] = by_order(found)
    assert all(history == histories["orchestration"] for history in histories.values())


async def test_a_second_run_on_the_same_directory_only_counts(tmp_path: Path) -> None:
    orders = first_lines_of(SHIPPED, tmp_path, lines=300)
    first = await fulfilled(orders, "choreography", tmp_path / "data")
    begun = attempts(tmp_path / "data")
    second = await fulfilled(orders, "choreography", tmp_path / "data")
    assert attempts(tmp_path / "data") == begun
    assert (second.p50_ms, second.steps_per_s) == (None, 0.0)
    for name in ("orders", "completed", "failed", "steps", "retries", "messages", "store_writes"):
        assert getattr(second, name) == getattr(first, name), name
    assert first.completed > 10


async def test_the_journal_counts_what_the_services_count(tmp_path: Path) -> None:
    orders = first_lines_of(SHIPPED, tmp_path, lines=1_500)
    report = await fulfilled(orders, "hybrid:payments,shipping", tmp_path / "data")
    async with shop_app(tmp_path / "data", placement="orchestration") as app:
        runs = app.operations.list(Query(limit=10_000))
        costs = [app.operations.counts(run.id) for run in runs]
    assert len(runs) == report.orders
    assert sum(cost.steps + cost.undone for cost in costs) == report.steps
    assert sum(cost.retries for cost in costs) == report.retries
    assert sum(cost.undone > 0 for cost in costs) == report.compensated > 0


async def test_a_run_that_parks_is_let_go_of_without_a_latency() -> None:
    watch = Watch()
    over = watch.over("1")
    watch.note(TokenParked("1", "/", "for a reason"))
    assert over.done()
    assert watch.latencies_ms == []


def first_lines_of(orders: Path, folder: Path, *, lines: int) -> Path:
    """Return a file with the first orders of another, the last of them perhaps cut short."""
    part = folder / "part.csv"
    part.write_text("".join(orders.read_text(encoding="utf-8").splitlines(True)[:lines]), "utf-8")
    return part
