"""Show and list: every field exact, every filter, page by page."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from duetto import App
from duetto.errors import NotFound
from duetto.model.view import FAILED, RUNNING
from duetto.store import Query
from duetto.stores.memory import MemoryStore
from tests.operations.scene import (
    NOON_MS,
    Soldout,
    Stage,
    StillClock,
    Ticket,
    nap,
    sell,
    shop,
    stores_apart,
)


async def test_a_completed_run_is_shown_with_its_result(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(sell, "tea", id="order-1", tags=["blue", "vip"])
        view = app.operations.show("order-1")
        assert (view.id, view.workflow, view.status) == ("order-1", "sell", "completed")
        assert (view.result, view.error, view.tags) == (Ticket("tea", 100), "", ("blue", "vip"))
        assert (view.created, view.updated) == (NOON_MS, NOON_MS)
        assert (view.parked, view.compensated) == (0, 0)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("placement", ["orchestration", "choreography"])
async def test_a_failed_run_is_shown_with_its_error_and_what_was_undone(
    stage: Stage, placement: str, apart: bool
) -> None:
    stage.fail("pack", Soldout("none left"))
    async with stores_apart(placement) if apart else shop(placement=placement) as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.outcome("order-1")
        view = app.operations.show("order-1")
        assert (view.status, view.error, view.result) == ("failed", "Soldout: none left", None)
        assert view.compensated == 2


@pytest.mark.parametrize("placement", ["orchestration", "choreography"])
async def test_what_had_no_effect_does_not_count_as_compensated(
    stage: Stage, placement: str
) -> None:
    """A cancel meets a task that then fails: it is settled, and there is nothing to undo."""
    stage.close("pay")
    async with stores_apart(placement) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pay")
        await app.operations.cancel("order-1")
        stage.fail("pay", Soldout(), Soldout())
        stage.open("pay")
        await app.operations.outcome("order-1")
        assert app.operations.show("order-1").compensated == 1
        assert "refund tea 100" not in stage.calls


async def test_a_running_run_is_shown_as_it_is(stage: Stage) -> None:
    stage.close("pick")
    async with shop() as app:
        handle = await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        view = handle.status()
        assert (view.status, view.result, view.error, view.parked) == ("running", None, "", 0)
        stage.open("pick")


async def test_a_parked_run_is_shown_with_its_reason(stage: Stage) -> None:
    stage.fail("pack", Soldout())
    stage.fail("refund", Soldout("no"))
    async with shop() as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.settled()
        view = app.operations.show("order-1")
        assert (view.status, view.parked) == ("running", 1)
        assert view.error == "the compensation till.refund failed 1 times: no"


async def test_a_cancelled_run_is_shown_as_cancelled() -> None:
    async with shop() as app:
        handle = await app.start_async(nap, "tea", id="order-1")
        await handle.cancel()
        await app.operations.outcome("order-1")
        view = handle.status()
        assert (view.status, view.error, view.compensated) == ("cancelled", "cancelled", 1)


@pytest.mark.parametrize(
    "operation", ["show", "history", "explain", "counts", "cancel", "retry", "resume", "restart"]
)
async def test_an_unknown_id_is_told_with_what_comes_near(operation: str) -> None:
    async with shop() as app:
        await app.run_async(sell, "tea", id="order-17")
        with pytest.raises(NotFound, match="no run `order-71`") as caught:
            await asked(app, operation, "order-71")
        assert caught.value.do == "did you mean `order-17`?"


async def asked(app: App, operation: str, id: str) -> Any:
    found = getattr(app.operations, operation)(id)
    return await found if inspect.isawaitable(found) else found


async def test_runs_are_listed_newest_first_by_everything(stage: Stage, clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(sell, "tea", id="a", tags=["vip"])
        clock.now += 1_000
        stage.fail("pick", Soldout())
        await app.start_async(sell, "cup", id="b")
        await app.operations.outcome("b")
        clock.now += 1_000
        await app.start_async(nap, "tea", id="c", tags=["vip"])

        def ids(query: Query | None = None) -> list[str]:
            return [view.id for view in app.operations.list(query)]

        assert ids() == ["c", "b", "a"]
        assert ids(Query(workflow="sell")) == ["b", "a"]
        assert ids(Query(statuses=(FAILED,))) == ["b"]
        assert ids(Query(statuses=(FAILED, RUNNING))) == ["c", "b"]
        assert ids(Query(tag="vip")) == ["c", "a"]
        assert ids(Query(since=NOON_MS + 1_000)) == ["c", "b"]
        assert ids(Query(until=NOON_MS + 1_000)) == ["a"]
        assert ids(Query(workflow="sell", tag="vip")) == ["a"]
        assert ids(Query(limit=2)) == ["c", "b"]
        assert ids(Query(workflow="none")) == []


async def test_pages_follow_each_other_though_runs_start_meanwhile() -> None:
    async with shop() as app:
        for number in range(7):
            await app.run_async(sell, "tea", id=f"order-{number}")
        first = [view.id for view in app.operations.list(Query(limit=3))]
        await app.run_async(sell, "tea", id="order-7")
        second = [view.id for view in app.operations.list(Query(limit=3), after=first[-1])]
        third = [view.id for view in app.operations.list(Query(limit=3), after=second[-1])]
        assert [*first, *second, *third] == [f"order-{number}" for number in reversed(range(7))]
        with pytest.raises(NotFound):
            app.operations.list(after="order-99")


async def test_a_list_has_what_is_at_home_here_and_no_guests() -> None:
    async with stores_apart("choreography") as app:
        await app.run_async(sell, "tea", id="order-1")
        assert [view.id for view in app.operations.list()] == ["order-1"]


async def test_a_run_that_was_stopped_is_shown_as_running_after_a_restart(stage: Stage) -> None:
    store = MemoryStore()
    async with shop(store) as app:
        await app.start_async(nap, "tea", id="order-1")
        await stage.begun("pick")
    async with shop(store) as app:
        assert app.operations.show("order-1").status == "running"
        assert [view.id for view in app.operations.list(Query(statuses=(RUNNING,)))] == ["order-1"]
