"""Start once per id, refuse what does not fit, give the result to everyone who asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duetto import RunFailed
from duetto.errors import ConflictError, NotFound, RunCancelled, ValueRefused
from duetto.stores.memory import MemoryStore
from tests.operations.scene import Soldout, Stage, StillClock, Ticket, nap, sell, shop


async def test_the_same_id_and_input_run_once(stage: Stage) -> None:
    async with shop() as app:
        assert await app.run_async(sell, "tea", id="order-1") == Ticket("tea", 100)
        assert await app.run_async(sell, "tea", id="order-1") == Ticket("tea", 100)
        assert stage.calls == ["pick tea", "pay tea", "pack tea"]


async def test_the_same_start_in_one_turn_runs_once(stage: Stage) -> None:
    async with shop() as app:
        starts = [app.run_async(sell, "tea", id="order-1") for _ in range(5)]
        assert await asyncio.gather(*starts) == [Ticket("tea", 100)] * 5
        assert stage.calls == ["pick tea", "pay tea", "pack tea"]


async def test_another_input_under_the_same_id_is_a_conflict() -> None:
    async with shop() as app:
        await app.run_async(sell, "tea", id="order-1")
        with pytest.raises(ConflictError, match="The run id `order-1` is taken") as caught:
            await app.start_async(sell, "cup", id="order-1")
        assert caught.value.found == "sell with another input"
        with pytest.raises(ConflictError) as caught:
            await app.start_async(nap, "tea", id="order-1")
        assert caught.value.found == "a run of sell"


async def test_a_drawn_id_is_taken_as_a_given_one_is(stage: Stage) -> None:
    async with shop() as app:
        id = (await app.start_async(sell, "tea")).id
        assert await app.run_async(sell, "tea", id=id) == Ticket("tea", 100)
        with pytest.raises(ConflictError) as caught:
            await app.start_async(sell, "cup", id=id)
        assert caught.value.found == "sell with another input"
        assert stage.calls == ["pick tea", "pay tea", "pack tea"]


async def test_the_id_of_an_ended_run_stays_taken_after_a_restart(stage: Stage) -> None:
    store = MemoryStore()
    async with shop(store) as app:
        await app.run_async(sell, "tea", id="order-1")
    async with shop(store) as app:
        assert await app.run_async(sell, "tea", id="order-1") == Ticket("tea", 100)
        with pytest.raises(ConflictError):
            await app.start_async(sell, "cup", id="order-1")
    assert len(stage.calls) == 3


async def test_a_start_by_keyword_is_the_same_start() -> None:
    async with shop() as app:
        await app.operations.start("sell", ["tea"], id="order-1")
        assert await app.operations.start("sell", (), {"item": "tea"}, id="order-1") == "order-1"


async def test_a_run_without_an_id_draws_one(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        first = await app.start_async(sell, "tea")
        second = await app.start_async(sell, "tea")
        assert (first.id, second.id) == ("drawn-1", "drawn-2")


async def test_an_unknown_workflow_is_told_with_what_comes_near() -> None:
    async with shop() as app:
        with pytest.raises(NotFound, match="no workflow `sel`") as caught:
            await app.operations.start("sel", ["tea"])
        assert caught.value.do == "did you mean `sell`?"


@pytest.mark.parametrize("args", [(), ("tea", "cup")])
async def test_arguments_that_do_not_fit_are_refused_before_anything_runs(
    args: tuple[Any, ...], stage: Stage
) -> None:
    async with shop() as app:
        with pytest.raises(ValueRefused, match="nothing was started"):
            await app.operations.start("sell", args, id="order-1")
        with pytest.raises(NotFound):
            app.operations.show("order-1")
    assert stage.calls == []


async def test_an_argument_of_another_type_is_refused_before_anything_runs(stage: Stage) -> None:
    async with shop() as app:
        with pytest.raises(ValueRefused):
            await app.operations.start("sell", [7], id="order-1")
        with pytest.raises(NotFound):
            app.operations.show("order-1")
    assert stage.calls == []


@pytest.mark.parametrize("id", ["", "nul\0byte", "lone \ud800", "x" * 1001, "é" * 501])
async def test_odd_run_ids_are_refused_clearly(id: str, stage: Stage) -> None:
    async with shop() as app:
        with pytest.raises(ValueRefused, match="A run id cannot be stored") as caught:
            await app.start_async(sell, "tea", id=id)
        assert "1 to 1000 bytes" in caught.value.expected
        await app.run_async(sell, "tea", id="order-1")
    assert len(stage.calls) == 3


@pytest.mark.parametrize("id", ["a b", "order/1", "order#1", "[0]", "é", "'; DROP TABLE run", "\n"])
async def test_ids_of_any_other_text_work_and_keep_their_keys_apart(id: str, stage: Stage) -> None:
    async with shop() as app:
        assert await app.run_async(sell, "tea", id=id) == Ticket("tea", 100)
        assert app.operations.show(id).id == id
        assert stage.contexts["pay"].key == f"{id}/#2"


async def test_a_failed_run_raises_its_own_error_with_what_was_undone(stage: Stage) -> None:
    stage.fail("pay", Soldout("none left"))
    async with shop() as app:
        with pytest.raises(RunFailed) as caught:
            await app.run_async(sell, "tea", id="order-1")
        assert isinstance(caught.value.__cause__, Soldout)
        assert caught.value.message == "run order-1 failed and was compensated (1 task undone)."
        assert caught.value.found.startswith("Soldout: none left")
        assert "scene.py" in caught.value.found
        assert caught.value.run == "order-1"


async def test_the_result_of_a_cancelled_run_says_so() -> None:
    async with shop() as app:
        handle = await app.start_async(nap, "tea", id="order-1")
        await handle.cancel()
        with pytest.raises(RunCancelled, match="run order-1 was cancelled"):
            await handle.result()


async def test_everyone_who_asks_gets_the_result(stage: Stage) -> None:
    stage.close("pick")
    async with shop() as app:
        handle = await app.start_async(sell, "tea", id="order-1")
        waiting = [asyncio.ensure_future(app.operations.result("order-1")) for _ in range(3)]
        await stage.begun("pick")
        waiting[0].cancel()
        stage.open("pick")
        assert await handle.result() == Ticket("tea", 100)
        assert await asyncio.gather(*waiting[1:]) == [Ticket("tea", 100)] * 2


async def test_a_result_survives_a_restart() -> None:
    store = MemoryStore()
    async with shop(store) as app:
        await app.run_async(sell, "tea", id="order-1")
    async with shop(store) as app:
        assert await app.operations.result("order-1") == Ticket("tea", 100)
