"""A cancel compensates what was done, wherever the run stands, and changes nothing twice."""

from __future__ import annotations

import pytest

from duetto import App
from duetto.errors import NotAllowed
from duetto.stores.memory import MemoryStore
from tests.operations.scene import (
    Soldout,
    Stage,
    both,
    contest,
    each,
    nap,
    outer,
    rung_back,
    sell,
    shop,
    stores_apart,
    tidy_up,
)

PLACEMENTS = ("orchestration", "choreography", "hybrid:till")


async def ended(app: App, id: str = "order-1") -> str:
    """Return how a run ended, once it has."""
    await app.operations.outcome(id)
    return app.operations.show(id).status


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_a_running_task_is_told_and_what_it_did_is_undone(
    stage: Stage, placement: str, apart: bool
) -> None:
    stage.close("pay")
    async with stores_apart(placement) if apart else shop(placement=placement) as app:
        handle = await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pay")
        await handle.cancel()
        stage.open("pay")
        assert await ended(app) == "cancelled"
        assert stage.calls == ["pick tea", "pay tea", "refund tea 100", "unpick tea"]


async def test_the_body_of_a_running_task_sees_the_notice(stage: Stage) -> None:
    stage.close("pay")
    async with shop() as app:
        handle = await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pay")
        context = stage.contexts["pay"]
        assert not context.cancelled
        await handle.cancel()
        await context.wait_cancelled()
        assert context.cancelled
        stage.open("pay")
        assert await ended(app) == "cancelled"


async def test_a_sleeper_is_woken_to_go_back(stage: Stage) -> None:
    async with shop() as app:
        handle = await app.start_async(nap, "tea", id="order-1")
        await stage.begun("pick")
        await handle.cancel()
        assert await ended(app) == "cancelled"
        assert stage.calls == ["pick tea", "unpick tea"]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_a_gather_cancels_all_its_branches(stage: Stage, placement: str, apart: bool) -> None:
    stage.close("pick", "pack")
    async with stores_apart(placement) if apart else shop(placement=placement) as app:
        handle = await app.start_async(both, "tea", id="order-1")
        await stage.begun("pick")
        await stage.begun("pack")
        await handle.cancel()
        stage.open("pick", "pack")
        assert await ended(app) == "cancelled"
        assert sorted(stage.calls) == ["pack tea", "pick tea", "unpick tea"]


async def test_a_limited_gather_begins_no_more_branches(stage: Stage) -> None:
    stage.close("pack")
    async with shop() as app:
        handle = await app.start_async(each, list("abcde"), id="order-1")
        await stage.begun("pack b")
        await handle.cancel()
        stage.open("pack")
        assert await ended(app) == "cancelled"
        assert stage.calls == ["pack a", "pack b"]


async def test_a_race_undoes_all_its_branches(stage: Stage) -> None:
    stage.close("pick", "pack")
    async with shop() as app:
        handle = await app.start_async(contest, "tea", id="order-1")
        await stage.begun("pick")
        await handle.cancel()
        stage.open("pick", "pack")
        assert await ended(app) == "cancelled"
        assert sorted(stage.calls) == ["pack tea", "pick tea", "unpick tea"]


async def test_a_called_workflow_compensates_itself(stage: Stage) -> None:
    stage.close("pack")
    async with shop() as app:
        handle = await app.start_async(outer, "tea", id="order-1")
        await stage.begun("pack")
        await handle.cancel()
        stage.open("pack")
        assert await ended(app) == "cancelled"
        assert stage.calls == ["pick tea", "pay tea", "pack tea", "refund tea 100", "unpick tea"]


async def test_a_finally_body_is_shielded(stage: Stage) -> None:
    stage.close("pick", "pack")
    async with shop() as app:
        handle = await app.start_async(tidy_up, "tea", id="order-1")
        await stage.begun("pick")
        await handle.cancel()
        await stage.begun("pack")
        await handle.cancel()
        assert not stage.contexts["pack"].cancelled
        stage.open("pick", "pack")
        assert await ended(app) == "cancelled"
        assert stage.calls == ["pick tea", "pack tea", "unpick tea"]


async def test_a_compensation_is_shielded_and_the_cancel_acts_afterwards(stage: Stage) -> None:
    stage.close("refund")
    stage.fail("pack", Soldout())
    async with shop() as app:
        handle = await app.start_async(sell, "tea", id="order-1")
        await stage.begun("refund")
        await handle.cancel()
        stage.open("refund")
        assert await ended(app) in ("failed", "cancelled")
        assert stage.calls[-2:] == ["refund tea 100", "unpick tea"]
        assert stage.calls.count("refund tea 100") == 1


async def test_a_second_cancel_changes_nothing(stage: Stage) -> None:
    stage.close("pay")
    async with shop() as app:
        handle = await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pay")
        await handle.cancel()
        await handle.cancel()
        stage.open("pay")
        assert await ended(app) == "cancelled"
        assert stage.calls == ["pick tea", "pay tea", "refund tea 100", "unpick tea"]


@pytest.mark.parametrize("operation", ["cancel", "retry", "resume", "skip"])
async def test_an_ended_run_takes_no_more_orders(operation: str) -> None:
    async with shop() as app:
        await app.run_async(sell, "tea", id="order-1")
        with pytest.raises(NotAllowed):
            await getattr(app.operations, operation)("order-1")


async def test_a_cancel_says_how_the_run_had_ended() -> None:
    async with shop() as app:
        await app.run_async(sell, "tea", id="order-1")
        with pytest.raises(NotAllowed, match="Run order-1 has ended") as caught:
            await app.operations.cancel("order-1")
        assert (caught.value.found, caught.value.do) == ("completed", "duetto runs show order-1")


async def test_a_task_that_waits_for_its_next_attempt_is_not_begun_again(stage: Stage) -> None:
    stage.fail("ring", ConnectionError("reset"))
    async with shop() as app:
        handle = await app.start_async(rung_back, "tea", id="order-1")
        await stage.begun("ring")
        await app.operations.start("nap", ["x"])
        await handle.cancel()
        assert await ended(app) == "cancelled"


async def test_a_cancel_survives_a_restart(stage: Stage) -> None:
    store = MemoryStore()
    stage.close("unpick")
    async with shop(store) as app:
        handle = await app.start_async(nap, "tea", id="order-1")
        await stage.begun("pick")
        await handle.cancel()
        await stage.begun("unpick")
        stage.open("unpick")
    async with shop(store) as app:
        assert await ended(app) == "cancelled"
        assert stage.calls[:2] == ["pick tea", "unpick tea"]
