"""What a task gets and what is made of its end: settled, timed out, in threads, with resources."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from duetto import App, Retry, Service, TaskContext, context, resource, timeout, workflow
from duetto.observers import LogObserver, TaskFields
from duetto.stores.memory import MemoryStore
from tests.operations import scene
from tests.operations.scene import Stage, lifted, only, sell, shop

bank = Service("bank")
ONCE = Retry(attempts_max=1)
SOON_S, LATER_S = 0.005, 0.03


class Ledger:
    """What the outside world knows: payments by key."""

    def __init__(self) -> None:
        self.paid: dict[str, str] = {}
        self.asked: list[str] = []


ledger = Ledger()


@pytest.fixture(autouse=True)
def new_ledger() -> None:
    Ledger.__init__(ledger)


@bank.task(retry=ONCE)
async def transfer(item: str) -> str:
    await scene.stage.act("transfer", item)
    ledger.paid[context().key] = item
    return f"paid {item}"


@transfer.compensate(retry=ONCE)
async def untransfer(paid: str) -> None:
    await scene.stage.act("untransfer", paid)


@transfer.lookup
async def find_transfer(key: str) -> str | None:
    ledger.asked.append(key)
    item = ledger.paid.get(key)
    return f"found {item}" if item is not None else None


@bank.task(retry=ONCE, timeout=SOON_S)
async def limited(item: str) -> str:
    await scene.stage.act("limited", item)
    return f"done {item}"


@limited.compensate(retry=ONCE)
async def unlimited(done: str) -> None:
    await scene.stage.act("unlimited", done)


@bank.task(retry=ONCE)
def blocking(item: str) -> str:
    scene.stage.calls.append(f"{threading.current_thread().name.partition('_')[0]} {item}")
    return f"{context().key} {context().attempt}"


@bank.task(retry=Retry(attempts_max=2, delay_ms=1, jitter=0))
async def flaky(item: str) -> str:
    await scene.stage.act("flaky", item)
    return item


class Pool:
    """A resource with a lifespan."""

    opened = 0
    closed = 0


@asynccontextmanager
async def pool() -> AsyncGenerator[Pool]:
    Pool.opened += 1
    yield Pool()
    Pool.closed += 1


@bank.task(retry=ONCE)
async def pooled(item: str, *, pool: Pool = resource()) -> bool:
    return pool.opened > pool.closed


@bank.task(retry=ONCE)
async def logging_task(item: str) -> str:
    logging.getLogger("users").warning("working on %s", item)
    return item


@workflow
async def transferring(item: str) -> str:
    return await transfer(item)


@workflow
async def limiting(item: str) -> str:
    return await limited(item)


@workflow
async def deadlined(item: str) -> str:
    async with timeout(SOON_S):
        return await transfer(item)


@workflow
async def flaky_deadlined(item: str) -> str:
    async with timeout(LATER_S):
        return await flaky(item)


@workflow
async def in_thread(item: str) -> str:
    return await blocking(item)


@workflow
async def with_pool(item: str) -> bool:
    return await pooled(item)


@workflow
async def logged(item: str) -> str:
    return await logging_task(item)


WORKFLOWS = (transferring, limiting, deadlined, flaky_deadlined, in_thread, with_pool, logged)


def bank_app(store: MemoryStore | None = None) -> App:
    return App(
        "bank",
        services=[bank],
        workflows=WORKFLOWS,
        resources=[pool],
        store=store or MemoryStore(),
    )


# -- settled before it is undone


async def test_an_interrupted_task_is_left_to_end_and_then_undone(stage: Stage) -> None:
    stage.close("transfer")
    async with bank_app() as app:
        handle = await app.start_async(transferring, "tea", id="order-1")
        await stage.begun("transfer")
        await handle.cancel()
        found = only(app.operations.explain("order-1"))
        assert "undoes bank.transfer by bank.untransfer, once it is known" in found.text
        stage.open("transfer")
        await app.operations.outcome("order-1")
        assert stage.calls == ["transfer tea", "untransfer paid tea"]
        assert ledger.asked == []  # the task itself told


async def interrupted(stage: Stage, *, paid: bool) -> MemoryStore:
    """Return what is left where a process dies after a cancel, before its task has ended."""
    store = MemoryStore()
    stage.close("transfer")
    async with bank_app(store) as app:
        handle = await app.start_async(transferring, "tea", id="order-1")
        await stage.begun("transfer")
        if paid:
            ledger.paid[stage.contexts["transfer"].key] = "tea"
        await handle.cancel()
        killed = scene.copied(store)
        stage.open("transfer")
    stage.calls.clear()
    return killed


async def test_a_look_up_is_asked_instead_of_running_the_task_again(stage: Stage) -> None:
    killed = await interrupted(stage, paid=True)
    async with bank_app(killed) as app:
        await app.operations.outcome("order-1")
        assert stage.calls == ["untransfer found tea"]
        assert ledger.asked == ["order-1/#1"]
        assert app.operations.show("order-1").compensated == 1


async def test_what_a_look_up_does_not_find_has_nothing_to_undo(stage: Stage) -> None:
    killed = await interrupted(stage, paid=False)
    ledger.paid.clear()
    async with bank_app(killed) as app:
        await app.operations.outcome("order-1")
        assert stage.calls == []
        view = app.operations.show("order-1")
        assert (view.status, view.compensated) == ("cancelled", 0)
        assert "nothing to undo: bank.transfer had no effect" in scene.told(
            app.operations, "order-1"
        )


async def test_a_timeout_leaves_the_effect_unknown_it_is_settled_and_undone(stage: Stage) -> None:
    """Its limit cuts the first attempt off; run again under its key it completes, and is undone."""
    stage.close("limited")
    async with bank_app() as app:
        handle = await app.start_async(limiting, "tea", id="order-1")
        await stage.begun("limited")
        first = stage.contexts["limited"].key
        stage.forget("limited")
        await stage.begun("limited")
        assert stage.contexts["limited"].key == first
        stage.open("limited")
        await app.operations.outcome("order-1")
        assert handle.status().error.startswith("TimeoutError: took longer than")
        assert stage.calls == ["limited tea", "limited tea", "unlimited done tea"]


async def test_what_stays_unknown_is_parked_and_resumed(stage: Stage) -> None:
    stage.close("limited")
    async with bank_app() as app:
        await app.start_async(limiting, "tea", id="order-1")
        await app.operations.settled()
        found = only(app.operations.explain("order-1"))
        assert found.kind == "parked"
        assert "whether bank.limited took effect is unknown" in found.text
        stage.open("limited")
        await app.operations.resume("order-1")
        await app.operations.outcome("order-1")
        assert stage.calls[-1] == "unlimited done tea"


async def test_a_deadline_notifies_the_body_and_undoes_what_it_did(stage: Stage) -> None:
    stage.close("transfer")
    async with bank_app() as app:
        handle = await app.start_async(deadlined, "tea", id="order-1")
        await stage.begun("transfer")
        notice: TaskContext = stage.contexts["transfer"]
        assert notice.deadline is not None
        await notice.wait_cancelled()
        stage.open("transfer")
        await app.operations.outcome("order-1")
        assert handle.status().error == "TimeoutError: timed out"
        assert stage.calls == ["transfer tea", "untransfer paid tea"]


async def test_a_deadline_does_not_begin_a_next_attempt_that_has_begun(stage: Stage) -> None:
    stage.fail("flaky", ConnectionError("reset"))
    async with bank_app() as app:
        handle = await app.start_async(flaky_deadlined, "tea", id="order-1")
        await stage.begun("flaky")
        stage.close("flaky")
        stage.forget("flaky")
        await stage.begun("flaky")
        await stage.contexts["flaky"].wait_cancelled()
        stage.open("flaky")
        await app.operations.outcome("order-1")
        assert handle.status().error == "TimeoutError: timed out"
        assert stage.calls == ["flaky tea", "flaky tea"]


# -- how it runs


async def test_a_synchronous_body_runs_in_a_thread_with_its_context(stage: Stage) -> None:
    async with bank_app() as app:
        assert await app.run_async(in_thread, "tea", id="order-1") == "order-1/#1 1"
        assert stage.calls == ["duetto-task tea"]


async def test_a_resource_lives_as_long_as_the_app() -> None:
    Pool.opened = Pool.closed = 0
    async with bank_app() as app:
        assert await app.run_async(with_pool, "tea")
        assert await app.run_async(with_pool, "cup")
        assert (Pool.opened, Pool.closed) == (1, 0)
    assert (Pool.opened, Pool.closed) == (1, 1)


async def test_a_concurrency_limit_holds_and_all_get_their_turn(stage: Stage) -> None:
    stage.close("lift")
    async with shop() as app:
        handles = [await app.start_async(lifted, f"box {n}") for n in range(4)]
        await stage.begun("lift")
        await app.operations.start("nap", ["x"])
        assert stage.calls.count("lift box 0") == 1
        assert not any(f"lift box {n}" in stage.calls for n in (1, 2, 3))
        stage.open("lift")
        assert await asyncio.gather(*(handle.result() for handle in handles)) == [
            f"box {n}" for n in range(4)
        ]


async def test_a_stop_lets_what_runs_end_and_begins_nothing_new(stage: Stage) -> None:
    store = MemoryStore()
    stage.close("pick")
    async with shop(store) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        asyncio.get_running_loop().call_soon(stage.open, "pick")
    assert stage.calls == ["pick tea"]
    async with shop(store) as app:
        await app.operations.outcome("order-1")
        assert stage.calls == ["pick tea", "pay tea", "pack tea"]


async def test_starts_wait_where_too_much_waits_for_its_turn(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duetto.runtime.engine.BACKLOG_MAX", 2)
    stage.close("lift")
    async with shop() as app:
        for number in range(4):
            await app.start_async(lifted, f"box {number}")
        await stage.begun("lift")
        late = asyncio.ensure_future(app.start_async(lifted, "late", id="late"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not late.done()
        stage.open("lift")
        assert await (await late).result() == "late"


# -- what is logged


async def test_log_lines_of_attempts_and_parking_carry_run_path_and_task(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "duetto")
    stage.fail("pick", ConnectionError("reset"))
    stage.fail("pack", *(ValueError("none left") for _ in range(3)))
    stage.fail("refund", *(ValueError("no") for _ in range(3)))
    async with shop() as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.settled()
    lines = [record.getMessage() for record in caplog.records]
    assert "run order-1 of sell started" in lines
    failed = "run order-1 / task depot.pick attempt 1 failed: ConnectionError: reset"
    assert any(line.startswith(failed) for line in lines)
    parked = "run order-1 / task till.pay is parked: the compensation till.refund failed"
    assert any(line.startswith(parked) for line in lines)


async def test_the_log_lines_of_a_body_get_its_run_path_and_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields = TaskFields()
    caplog.handler.addFilter(fields)
    try:
        async with bank_app() as app:
            await app.run_async(logged, "tea", id="order-1")
        logging.getLogger("users").warning("outside")
    finally:
        caplog.handler.removeFilter(fields)
    inside, outside = (record for record in caplog.records if record.name == "users")
    found = [vars(inside)[name] for name in ("run", "path", "task", "attempt")]
    assert found == ["order-1", "/", "bank.logging_task", 1]
    assert [vars(outside)[name] for name in ("run", "path", "task")] == ["", "", ""]
    assert isinstance(app.observer, LogObserver)
