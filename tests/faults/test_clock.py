"""F8: the wall clock jumps by hours and years, and goes back: nothing is lost, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from duetto import App
from duetto.broker import Acknowledge
from duetto.brokers import InProcessBroker
from duetto.model.message import Message, name
from duetto.observer import RunPurged
from duetto.runtime.sweeps import SWEEP_MS
from duetto.store import Query
from duetto.stores.memory import MemoryStore
from duetto.testing.simulation import SimulatedClock, VirtualLoop
from tests.faults.apps import Signals, an_app
from tests.faults.trade import TRACE, Order, desk, nap, sell, stock

HOUR_MS = 3_600_000
YEARS_MS = 10 * 365 * 24 * HOUR_MS
JUMPS_MS = (-YEARS_MS, -HOUR_MS, HOUR_MS, YEARS_MS)


def in_virtual_time(main: Callable[[SimulatedClock], Coroutine[Any, Any, None]]) -> None:
    """Run a test in a loop whose time jumps to the next timer, with a clock that follows it."""
    loop = VirtualLoop()
    try:
        loop.run_until_complete(main(SimulatedClock(loop)))
        assert loop.errors == []
    finally:
        loop.shut()


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, HOUR_MS, YEARS_MS])
def test_a_timer_fires_once_at_most_as_late_as_the_clock_went_back(jump_ms: int) -> None:
    async def main(clock: SimulatedClock) -> None:
        loop = asyncio.get_running_loop()
        async with an_app(clock=clock) as app:
            handle = await app.start_async(nap, 2 * 3600.0, id="r")
            await later(60_000)
            clock.skew_ms += jump_ms
            begun_s = loop.time()
            assert await handle.result() == "awake"
            waited_s = loop.time() - begun_s
            expected_s = max(0.0, 7200 - 60 - jump_ms / 1000)
            assert expected_s <= waited_s <= expected_s + 2
            causes = [fact.what for fact in app.operations.history("r")]
            assert causes.count("woken") <= 1
            view = app.operations.show("r")
            assert view.status == "completed"

    in_virtual_time(main)


def test_a_timer_is_on_time_once_a_clock_that_went_back_ten_years_is_put_right() -> None:
    async def main(clock: SimulatedClock) -> None:
        loop = asyncio.get_running_loop()
        async with an_app(clock=clock) as app:
            handle, begun_s = await app.start_async(nap, 7200.0, id="r"), loop.time()
            clock.skew_ms = -YEARS_MS
            await later(HOUR_MS)
            assert handle.status().status == "running"
            clock.skew_ms = 0
            assert await handle.result() == "awake"
            assert 7200 <= loop.time() - begun_s <= 7202

    in_virtual_time(main)


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, HOUR_MS, YEARS_MS])
def test_a_sleep_is_found_again_after_a_restart_under_another_clock(jump_ms: int) -> None:
    async def main(clock: SimulatedClock) -> None:
        store = MemoryStore()
        async with an_app(store, clock=clock) as app:
            await app.start_async(nap, 7200.0, id="r")
        clock.skew_ms += jump_ms
        async with an_app(store, clock=clock) as app:
            assert await app.operations.result("r") == "awake"

    in_virtual_time(main)


@pytest.mark.parametrize("jump_ms", JUMPS_MS)
def test_runs_go_on_and_ids_stay_apart_over_a_jump(jump_ms: int) -> None:
    async def main(clock: SimulatedClock) -> None:
        async with an_app(clock=clock) as app:
            ids: set[str] = set()
            for number in range(20):
                clock.skew_ms += jump_ms if number == 10 else 0
                handle = await app.start_async(sell, Order(str(number), 1))
                assert await handle.result() == f"r-{number}"
                ids.add(handle.id)
            assert len(ids) == 20
            views = app.operations.list(Query())
            assert [view.id for view in app.operations.list(Query(limit=10))] == [
                view.id for view in views[:10]
            ]
            for view in views:
                assert 2010 < datetime.fromtimestamp(view.created / 1000, UTC).year < 2040
                assert app.operations.explain(view.id)[0].kind == "completed"
        assert TRACE.count("reserve") == 20

    in_virtual_time(main)


def test_a_clock_that_jumps_ahead_purges_nothing() -> None:
    async def main(clock: SimulatedClock) -> None:
        signals = Signals()
        async with an_app(clock=clock, observer=signals) as app:
            await app.run_async(sell, Order("a", 1), id="r")
            clock.skew_ms += YEARS_MS
            await later(3 * SWEEP_MS)
            assert signals.of(RunPurged) == []
            assert await app.run_async(sell, Order("a", 1), id="r") == "r-a"
            await later(app_retention_ms(app) + SWEEP_MS)
            assert signals.of(RunPurged) == [RunPurged(1)]
        assert TRACE.count("reserve") == 1

    in_virtual_time(main)


async def later(delay_ms: int) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(delay_ms / 1000)


def app_retention_ms(app: App) -> int:
    """Return how long an app keeps closed runs."""
    return app.operations.home.exchange.keep_ms


class Forgetful(InProcessBroker):
    """A broker that loses each message the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[str] = set()

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        if name(message) in self.lost:
            super().publish(message, confirmed)
        self.lost.add(name(message))


@pytest.mark.parametrize("jump_ms", JUMPS_MS)
def test_a_lost_message_is_sent_again_whatever_the_clock_says(
    jump_ms: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each message is lost once, and the clock jumps before the first is sent again."""
    folder = tmp_path_factory.mktemp("apart")

    async def main(clock: SimulatedClock) -> None:
        async with an_app(clock=clock, broker=Forgetful(), placement="choreography") as app:
            handle = await app.start_async(sell, Order("a", 1), id="r")
            await later(10)
            clock.skew_ms += jump_ms
            assert await handle.result() == "r-a"

    with pytest.MonkeyPatch.context() as patch:
        for service in (stock, desk):
            patch.setattr(service, "store", str(folder / f"{service.name}.sqlite"))
        in_virtual_time(main)
    assert TRACE.count("reserve") == 1
