"""Parked, not lost: what cannot go on waits for an operator, who resumes, skips or starts anew."""

from __future__ import annotations

from typing import Any

import pytest

from duetto import App, Retry, Service, Workflow, workflow
from duetto.errors import ConflictError, NotAllowed, RunCancelled, ValueRefused
from duetto.kernel import journal
from duetto.model.record import InHand
from duetto.model.token import ROOT
from duetto.model.view import RUNNING
from duetto.runtime.suspects import DEATHS_MAX
from duetto.store import Batch, Query, seal
from duetto.stores.memory import MemoryStore
from tests.operations import scene
from tests.operations.scene import (
    Soldout,
    Stage,
    StillClock,
    Ticket,
    depot,
    nap,
    only,
    pick,
    rung,
    rung_back,
    sell,
    shop,
    stores_apart,
    till,
    told,
)


async def parked_on_refund(app: App, stage: Stage, refusals: int = 1) -> None:
    """Let order-1 go back, and park on its refund."""
    stage.fail("pack", Soldout("none left"))
    stage.fail("refund", *(Soldout("no") for _ in range(refusals)))
    await app.start_async(sell, "tea", id="order-1")
    await app.operations.settled()
    assert app.operations.show("order-1").parked == 1


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("placement", ["orchestration", "choreography"])
async def test_a_compensation_that_failed_for_good_is_resumed(
    stage: Stage, placement: str, apart: bool
) -> None:
    async with stores_apart(placement) if apart else shop(placement=placement) as app:
        await parked_on_refund(app, stage)
        assert await app.operations.resume("order-1") == 1
        await app.operations.outcome("order-1")
        view = app.operations.show("order-1")
        assert (view.status, view.error, view.compensated) == ("failed", "Soldout: none left", 2)
        assert stage.calls[-3:] == ["refund tea 100", "refund tea 100", "unpick tea"]


async def test_it_parks_again_where_it_fails_again(stage: Stage) -> None:
    async with shop() as app:
        await parked_on_refund(app, stage, refusals=2)
        await app.operations.resume("order-1")
        await app.operations.settled()
        assert app.operations.show("order-1").parked == 1


async def test_resuming_gives_all_attempts_again(stage: Stage) -> None:
    stage.fail("pack", Soldout("none left"))
    stage.fail("refund", *(ConnectionError() for _ in range(5)))
    async with shop() as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.settled()
        assert stage.calls.count("refund tea 100") == 3
        await app.operations.resume("order-1")
        await app.operations.outcome("order-1")
        assert stage.calls.count("refund tea 100") == 6


async def test_a_compensation_is_skipped(stage: Stage) -> None:
    async with shop() as app:
        await parked_on_refund(app, stage)
        assert await app.operations.skip("order-1") == 1
        await app.operations.outcome("order-1")
        assert app.operations.show("order-1").status == "failed"
        assert stage.calls[-2:] == ["refund tea 100", "unpick tea"]


async def test_a_compensation_has_no_value_to_be_skipped_with(stage: Stage) -> None:
    async with shop() as app:
        await parked_on_refund(app, stage)
        with pytest.raises(NotAllowed, match="nothing that could be skipped so"):
            await app.operations.skip("order-1", value=7)
        assert app.operations.show("order-1").parked == 1


async def test_a_cancel_does_not_unpark_a_compensation(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop() as app:
        await parked_on_refund(app, stage)
        await app.operations.cancel("order-1")
        assert app.operations.show("order-1").parked == 1
        assert sum("is parked" in each.getMessage() for each in caplog.records) == 1
        await app.operations.resume("order-1")
        await app.operations.outcome("order-1")
        assert stage.calls[-2:] == ["refund tea 100", "unpick tea"]


async def test_a_parked_run_stays_parked_over_a_restart(stage: Stage) -> None:
    store = MemoryStore()
    async with shop(store) as app:
        await parked_on_refund(app, stage)
    calls = len(stage.calls)
    async with shop(store) as app:
        assert app.operations.show("order-1").parked == 1
        assert len(stage.calls) == calls
        await app.operations.resume("order-1")
        await app.operations.outcome("order-1")


async def test_only_the_path_that_is_named_goes_on(stage: Stage) -> None:
    async with shop() as app:
        await parked_on_refund(app, stage)
        with pytest.raises(NotAllowed, match=r"Nothing of run order-1 is parked at /9\[0\]"):
            await app.operations.resume("order-1", "/9[0]")
        assert await app.operations.resume("order-1", "/") == 1


async def test_a_run_that_is_not_parked_cannot_be_resumed_or_skipped(stage: Stage) -> None:
    stage.close("pick")
    async with shop() as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        for operation in (app.operations.resume, app.operations.skip):
            with pytest.raises(NotAllowed, match="Nothing of run order-1 is parked"):
                await operation("order-1")
        stage.open("pick")


# -- a task that is unknown today


def without(service: Service, name: str) -> Service:
    """Return the service of a deploy that has lost a task."""
    less = Service(service.name)
    less.tasks.update({n: task for n, task in service.tasks.items() if n != name})
    return less


def shop_without(store: MemoryStore, name: str) -> App:
    tills = [without(depot, name), without(till, name)]
    return App("shop", services=tills, workflows=scene.WORKFLOWS, store=store)


async def parked_on_unknown_pay(store: MemoryStore, stage: Stage) -> App:
    """Let order-1 come to `pay` in a deploy that has no such task."""
    app = shop_without(store, "pay")
    async with app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.settled()
        found = only(app.operations.explain("order-1"))
        assert found.kind == "parked"
        assert "order-1 is parked on till.pay at scene.py:" in found.text
        assert "There is no task `till.pay`" in found.text
        assert app.operations.show("order-1").parked == 1
    return app


async def test_a_task_that_is_unknown_today_parks_and_is_resumed_by_a_deploy(stage: Stage) -> None:
    store = MemoryStore()
    await parked_on_unknown_pay(store, stage)
    async with shop_without(store, "pay") as app:
        with pytest.raises(NotAllowed, match="Run order-1 cannot go on yet") as caught:
            await app.operations.resume("order-1")
        assert "till.pay is not known here" in caught.value.found
        assert "duetto runs resume order-1" in caught.value.do
    async with shop(store) as app:
        assert app.operations.show("order-1").parked == 1
        await app.operations.resume("order-1")
        assert await app.operations.result("order-1") == Ticket("tea", 100)


async def test_a_skipped_task_gives_its_value_and_is_undone_with_it(stage: Stage) -> None:
    store = MemoryStore()
    await parked_on_unknown_pay(store, stage)
    stage.fail("pack", Soldout("none left"))
    async with shop(store) as app:
        await app.operations.skip("order-1", value=Ticket("tea", 5))
        await app.operations.outcome("order-1")
        assert stage.calls == ["pick tea", "pack tea", "refund tea 5", "unpick tea"]
        found = told(app.operations, "order-1")
        skipped = found.index("till.pay is taken as completed, with a value given for it")
        assert found[skipped + 1] == "skipped by an operator"


async def test_a_value_for_a_skip_may_be_plain_json_of_its_type(stage: Stage) -> None:
    store = MemoryStore()
    await parked_on_unknown_pay(store, stage)
    async with shop(store) as app:
        await app.operations.skip("order-1", value={"item": "tea", "cents": 7})
        assert await app.operations.result("order-1") == Ticket("tea", 7)


@pytest.mark.parametrize("value", [7, {"item": "tea"}, {"item": 1, "cents": 1}, None, [1]])
async def test_a_value_of_another_type_is_refused_and_nothing_moves(
    stage: Stage, value: object
) -> None:
    store = MemoryStore()
    await parked_on_unknown_pay(store, stage)
    async with shop(store) as app:
        with pytest.raises(ValueRefused, match=r"no result of till\.pay"):
            await app.operations.skip("order-1", value=value)
        assert app.operations.show("order-1").parked == 1
        assert "skipped by an operator" not in told(app.operations, "order-1")


async def test_a_value_that_its_variable_refuses_is_not_what_the_compensation_gets(
    stage: Stage,
) -> None:
    """The task says nothing about its result, the variable does: refused there, nothing is kept."""
    store, lent = MemoryStore(), Service("lent")

    @lent.task()
    async def lend(item: str) -> Any:
        return len(item)

    @lend.compensate
    async def take_back(count: Any) -> None:
        await stage.act("take_back", str(count))

    @workflow
    async def borrow(item: str) -> int:
        count: int = await lend(item)
        await pick(item)
        return count

    def library(*services: Service) -> App:
        return App("library", services=services, workflows=[borrow], store=store)

    stage.fail("pick", Soldout("none left"))
    async with library(depot, without(lent, "lend")) as app:
        await app.start_async(borrow, "tea", id="loan-1")
        await app.operations.settled()
    async with library(depot, lent) as app:
        with pytest.raises(ValueRefused, match="A value of int"):
            await app.operations.skip("loan-1", value="a few")
        await app.operations.resume("loan-1")
        await app.operations.outcome("loan-1")
    assert stage.calls == ["pick tea", "take_back 3"]


async def test_a_skip_survives_a_restart(stage: Stage) -> None:
    store = MemoryStore()
    await parked_on_unknown_pay(store, stage)
    stage.close("pack")
    async with shop(store) as app:
        await app.operations.skip("order-1", value=Ticket("tea", 5))
        await stage.begun("pack")
        stage.open("pack")
    stage.fail("pack", Soldout("none left"))
    async with shop(store) as app:
        await app.operations.outcome("order-1")
        assert "pay tea" not in stage.calls


async def test_a_parked_task_is_cancelled_like_any_other(stage: Stage) -> None:
    store = MemoryStore()
    await parked_on_unknown_pay(store, stage)
    async with shop(store) as app:
        await app.operations.cancel("order-1")
        await app.operations.outcome("order-1")
        assert app.operations.show("order-1").status == "cancelled"


# -- poison


async def test_a_task_that_kills_its_process_is_parked_and_resumed_after_a_fix(
    stage: Stage,
) -> None:
    store = MemoryStore()
    stage.close("pick")
    async with shop(store) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        killed = as_killed(store, "order-1", step=1)
        stage.open("pick")
    async with shop(killed) as app:
        await app.operations.settled()
        found = only(app.operations.explain("order-1"))
        assert found.kind == "parked"
        assert f"its process died {DEATHS_MAX + 1} times while this task was in hand" in found.text
        await app.operations.resume("order-1")
        assert await app.operations.result("order-1") == Ticket("tea", 100)


def as_killed(store: MemoryStore, id: str, *, step: int, deaths: int = DEATHS_MAX) -> MemoryStore:
    """Return what a store held in this instant, with the deaths that recoveries wrote."""
    killed = scene.copied(store)
    row = killed.run(id)
    assert row is not None
    record = InHand(ROOT, 0, step, deaths)
    killed.commit(Batch(journal=[(row.rid, seal(journal.encode(record)))]))
    return killed


# -- retry


async def test_a_next_attempt_is_begun_at_once_and_only_once(
    stage: Stage, clock: StillClock
) -> None:
    stage.fail("ring", ConnectionError("reset"))
    async with shop(clock=clock) as app:
        handle = await app.start_async(rung, "tea", id="order-1")
        await until_due(app, "order-1")
        assert await app.operations.retry("order-1") == 1
        assert await handle.result() == "tea"
        assert stage.calls == ["ring tea", "ring tea"]
        found = told(app.operations, "order-1")
        assert found[2:4] == ["retried by an operator", "till.ring completed: attempt 2"]


async def until_due(app: App, id: str) -> None:
    """Return once a run waits for its next attempt."""
    while "due" not in app.operations.explain(id)[0].text:
        await app.operations.start("nap", ["x"])


async def test_a_compensation_is_tried_at_once(stage: Stage, clock: StillClock) -> None:
    stage.fail("pack", Soldout())
    stage.fail("unring", ConnectionError("reset"))
    async with shop(clock=clock) as app:
        await app.start_async(rung_back, "tea", id="order-1")
        await until_due(app, "order-1")
        assert await app.operations.retry("order-1") == 1
        await app.operations.outcome("order-1")
        assert [call for call in stage.calls if call != "pick x"] == [
            *("ring tea", "pack tea"),
            *("unring tea", "unring tea"),
        ]


async def test_a_task_that_runs_is_not_begun_again_by_a_retry(stage: Stage) -> None:
    stage.close("pick")
    async with shop() as app:
        handle = await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        assert await app.operations.retry("order-1") == 0
        stage.open("pick")
        await handle.result()
        assert stage.calls.count("pick tea") == 1


# -- restart


async def test_a_failed_run_is_restarted_under_a_new_id(stage: Stage) -> None:
    stage.fail("pay", Soldout("none left"))
    async with shop() as app:
        await app.start_async(sell, "tea", id="order-1", tags=["vip"])
        await app.operations.outcome("order-1")
        assert await app.operations.restart("order-1", "order-1b") == "order-1b"
        assert await app.operations.result("order-1b") == Ticket("tea", 100)
        view = app.operations.show("order-1b")
        assert (view.workflow, view.tags) == ("sell", ("vip",))
        assert app.operations.show("order-1").status == "failed"


async def test_a_restart_draws_an_id_where_none_is_given(stage: Stage, clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(sell, "tea", id="order-1")
        assert await app.operations.restart("order-1") == "drawn-1"


async def test_a_restart_twice_under_one_id_runs_once(stage: Stage) -> None:
    async with shop() as app:
        await app.run_async(sell, "tea", id="order-1")
        await app.operations.restart("order-1", "order-2")
        await app.operations.restart("order-1", "order-2")
        await app.operations.outcome("order-2")
        assert stage.calls.count("pick tea") == 2


async def test_a_restart_under_an_id_that_is_taken_is_a_conflict() -> None:
    async with shop() as app:
        await app.run_async(sell, "tea", id="order-1")
        await app.run_async(sell, "cup", id="order-2")
        with pytest.raises(ConflictError):
            await app.operations.restart("order-1", "order-2")


async def test_an_open_run_is_not_restarted() -> None:
    async with shop() as app:
        await app.start_async(nap, "tea", id="order-1")
        with pytest.raises(NotAllowed, match="Run order-1 is still open"):
            await app.operations.restart("order-1")


# -- a definition with a symbol that is unknown today


def half(text: str) -> str:
    """A helper that a later deploy lacks."""
    return text[: len(text) // 2]


helping = Service("helping")


@helping.task(retry=Retry(attempts_max=1))
async def say(text: str) -> str:
    await scene.stage.act("say", text)
    return text


@workflow
async def halved(text: str) -> str:
    said = await say(text)
    return await say(half(said))


def helping_app(store: MemoryStore, *workflows: Workflow[[str], str]) -> App:
    return App("helping", services=[helping], workflows=workflows, store=store)


async def test_a_symbol_that_is_unknown_today_parks_and_is_resumed_by_a_deploy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    stage.close("say")
    async with helping_app(store, halved) as app:
        await app.start_async(halved, "abcd", id="order-1")
        await stage.begun("say")
        killed = as_killed(store, "order-1", step=1, deaths=0)
        stage.open("say")
    with monkeypatch.context() as patch:
        patch.delattr("tests.operations.test_parking.half")
        async with helping_app(killed) as app:
            await app.operations.settled()
            found = only(app.operations.explain("order-1"))
            assert found.kind == "parked"
            assert "half" in found.text
            with pytest.raises(NotAllowed, match="it needs what is unknown here") as caught:
                await app.operations.resume("order-1")
            assert "half" in str(caught.value)
            assert app.operations.show("order-1").parked == 1
    async with helping_app(killed, halved) as app:
        await app.operations.resume("order-1")
        assert await app.operations.result("order-1") == "ab"


async def test_a_cancel_waits_for_the_symbol_that_is_unknown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    stage.close("say")
    async with helping_app(store, halved) as app:
        await app.start_async(halved, "abcd", id="order-1")
        await stage.begun("say")
        killed = as_killed(store, "order-1", step=1, deaths=0)
        stage.open("say")
    with monkeypatch.context() as patch:
        patch.delattr("tests.operations.test_parking.half")
        async with helping_app(killed) as app:
            await app.operations.settled()
            await app.operations.cancel("order-1")
            assert app.operations.show("order-1").parked == 1
    said = len(stage.calls)
    async with helping_app(killed, halved) as app:
        await app.operations.resume("order-1")
        with pytest.raises(RunCancelled):
            await app.operations.result("order-1")
    assert len(stage.calls) == said


async def test_parked_runs_are_listed_however_many_others_are_newer(stage: Stage) -> None:
    async with shop() as app:
        await parked_on_refund(app, stage)
        for number in range(3):
            await app.start_async(nap, "tea", id=f"asleep-{number}")
        query = Query(statuses=(RUNNING,), limit=1)
        assert [run.id for run in app.operations.list(query)] == ["asleep-2"]
        assert [run.id for run in app.operations.list(query, parked=True)] == ["order-1"]
