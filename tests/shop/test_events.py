"""The shop that reacts does and undoes the same as the workflow, order by order."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto.cli.shop import BY_EVENTS, Shop
from duetto.cli.shopping import LOOK_S
from duetto.examples.shop import events
from duetto.examples.shop.events import ENDS, FAILURES
from duetto.examples.shop.generate import SHIPPED
from duetto.examples.shop.reacting import place_orders, reacting_app
from duetto.examples.shop.report import Report
from duetto.examples.shop.running import run_orders
from tests.shop.books import attempts, by_order, effects, without_keys
from tests.shop.test_fulfil import NEEDS_REAL, REAL, first_lines_of

TIMES = {"seconds": 0, "steps_per_s": 0, "p50_ms": 0, "p99_ms": 0}
KILLED_AT = 300


async def placed(orders: Path, directory: Path) -> Report:
    return await place_orders(orders, directory=directory, concurrency=300, task_ms=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "orders", [SHIPPED, pytest.param(REAL, marks=NEEDS_REAL)], ids=["shipped", "real"]
)
async def test_facts_lead_to_what_the_workflow_does(orders: Path, tmp_path: Path) -> None:
    by_events = await placed(orders, tmp_path / "events")
    by_workflow = await run_orders(
        orders,
        placement="orchestration",
        directory=tmp_path / "workflow",
        concurrency=300,
        task_ms=0,
    )
    for name in ("orders", "completed", "failed", "compensated", "parked", "refused", "steps"):
        assert getattr(by_events, name) == getattr(by_workflow, name), name
    ours = without_keys(by_order(effects(tmp_path / "events")))
    assert ours == without_keys(by_order(effects(tmp_path / "workflow")))
    assert by_events.orders == 1_035


@pytest.mark.slow
def test_a_kill_changes_nothing(tmp_path: Path) -> None:
    quiet, killed = (Shop(SHIPPED, tmp_path / name, BY_EVENTS) for name in ("quiet", "killed"))
    for shop in (quiet, killed):
        shop.start()
    while killed.ended() < KILLED_AT and not killed.wait(LOOK_S):
        pass
    killed.kill()
    killed.start()
    assert {**killed.figures(), **TIMES} == {**quiet.figures(), **TIMES}
    found = effects(killed.folder)
    assert len({each.key for each in found}) == len(found)
    assert without_keys(by_order(found)) == without_keys(by_order(effects(quiet.folder)))


async def test_an_order_that_was_placed_is_not_placed_again(tmp_path: Path) -> None:
    orders = first_lines_of(SHIPPED, tmp_path, lines=300)
    first = await placed(orders, tmp_path / "data")
    begun = attempts(tmp_path / "data")
    second = await placed(orders, tmp_path / "data")
    assert attempts(tmp_path / "data") == begun
    assert (second.p50_ms, second.steps_per_s) == (None, 0.0)
    for name in ("orders", "completed", "failed", "steps", "retries", "messages", "store_writes"):
        assert getattr(second, name) == getattr(first, name), name
    assert first.completed > 10


async def test_the_store_counts_what_the_services_count(tmp_path: Path) -> None:
    orders = first_lines_of(SHIPPED, tmp_path, lines=1_500)
    report = await placed(orders, tmp_path / "data")
    async with reacting_app(tmp_path / "data") as app:
        found = app.operations.events.list(limit=100_000)
    # All facts but those of the customer and of refusals are of something that was done.
    done = [each for each in found if each.topic not in {"OrderPlaced", *FAILURES}]
    assert len(done) == report.steps
    assert len(found) == report.messages
    over = [each.key for each in found if each.topic in ENDS]
    assert len(over) == len({*over}) == report.orders


def test_every_fact_has_who_reacts_or_is_an_end(tmp_path: Path) -> None:
    app = reacting_app(tmp_path)
    heard = {topic for handler in app.handlers.values() for topic in handler.events}
    told = {topic for handler in app.handlers.values() for topic in handler.publishes}
    assert told - heard == {*ENDS}
    assert heard - told == {"OrderPlaced"}
    drawn = events.__doc__ or ""
    assert all(topic in drawn for topic in heard | told)
