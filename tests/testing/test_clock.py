"""The clock of a test: it passes when told to, and jumps over mere waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from duetto import Service, context, timeout, workflow
from duetto.errors import ConfigurationError, RunFailed
from duetto.testing import AppFactory, AppUnderTest, JumpingClock, Stage, Stalled, TaskMocks
from tests.testing.till import charge, post, sell, sell_later, send, thank

other = Service("other")


@other.task(timeout=3600)
async def fetch(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    writer.close()
    return line.decode()


@other.task
async def poll() -> None:
    while not context().cancelled:
        with suppress(TimeoutError):
            await asyncio.wait_for(context().wait_cancelled(), 1)


@workflow
async def fetched(port: int) -> str:
    return await fetch(port)


@workflow
async def polled() -> None:
    await poll()


@workflow
async def impatient(item: str) -> str:
    try:
        async with timeout(60):
            await thank(item)
    except TimeoutError:
        return "too late"
    return "in time"


def test_it_begins_with_the_year_and_jumps_over_days(
    shop: AppUnderTest, duetto_clock: JumpingClock
) -> None:
    assert duetto_clock.now == datetime(2026, 1, 1, tzinfo=UTC)
    assert shop.run(sell_later, "kettle", 400.0) == "one kettle"
    assert duetto_clock.now == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=400)


def test_it_stands_still_until_it_is_advanced(
    shop: AppUnderTest, duetto_clock: JumpingClock
) -> None:
    run = shop.start(sell_later, "kettle", 2.0)
    duetto_clock.advance(timedelta(days=1, hours=23))
    assert shop.ledger.effects(run) == []
    assert "2026-01-03" in shop.explain(run)[0].text
    duetto_clock.advance(3599.999)
    assert shop.show(run).status == "running"
    duetto_clock.advance(0.001)
    assert shop.show(run).status == "completed"


def test_it_is_advanced_to_an_instant(shop: AppUnderTest, duetto_clock: JumpingClock) -> None:
    run = shop.start(sell_later, "kettle", 1.0)
    duetto_clock.advance_to(datetime(2026, 1, 2, tzinfo=UTC))
    assert shop.show(run).status == "completed"
    assert duetto_clock.now == datetime(2026, 1, 2, tzinfo=UTC)


def test_it_never_goes_back_and_knows_its_zone(duetto_clock: JumpingClock) -> None:
    with pytest.raises(ConfigurationError, match="go back"):
        duetto_clock.advance(-1)
    with pytest.raises(ConfigurationError, match="time zone"):
        duetto_clock.advance_to(datetime(2027, 1, 1))


def test_settling_stops_where_all_is_done(shop: AppUnderTest, duetto_clock: JumpingClock) -> None:
    shop.start(sell, "kettle", 700)
    shop.settle()
    passed = duetto_clock.now - datetime(2026, 1, 1, tzinfo=UTC)
    assert passed == timedelta(seconds=0.5), "thanks take that long, a time limit of 30 s was set"


def test_limits_pass_in_virtual_time(
    duetto_app: AppFactory, duetto_clock: JumpingClock, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(thank).hangs()
    shop = duetto_app(services=[post], workflows=[impatient])
    begun = duetto_clock.now
    assert shop.run(impatient, "kettle") == "too late"
    assert duetto_clock.now - begun == timedelta(seconds=60)


def test_time_stands_still_for_threads(
    shop: AppUnderTest, duetto_clock: JumpingClock, duetto_tasks: TaskMocks
) -> None:
    async def elsewhere(item: str) -> str:
        return await asyncio.to_thread(slowly, item)

    def slowly(item: str) -> str:
        threading.Event().wait(0.05)
        return f"letter of {item}"

    duetto_tasks.mock(send).calls(elsewhere)
    assert shop.run(sell, "kettle", 700) == "letter of kettle"
    assert duetto_clock.now == datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)


def test_time_passes_for_sockets(
    duetto_app: AppFactory, duetto_clock: JumpingClock, port: int
) -> None:
    reader = duetto_app(services=[other], workflows=[fetched])
    assert reader.run(fetched, port) == "hello\n"
    assert duetto_clock.now < datetime(2026, 1, 1, 0, 1, tzinfo=UTC), "its limit is an hour"


@pytest.fixture
def port() -> Iterator[int]:
    """A server in another thread that takes a moment to answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                threading.Event().wait(0.05)
                connection.sendall(b"hello\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_what_polls_for_ever_is_noticed(duetto_app: AppFactory, duetto_stage: Stage) -> None:
    duetto_stage.loop.limit(jumps_max=500, turns_max=100_000)
    with pytest.raises(Stalled, match="After 500 jumps"):
        duetto_app(services=[other], workflows=[polled]).run(polled)


def test_retries_wait_in_virtual_time(
    shop: AppUnderTest, duetto_clock: JumpingClock, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(charge).raises(ConnectionError("away"))
    begun = duetto_clock.now
    with pytest.raises(RunFailed, match="away"):
        shop.run(sell, "kettle", 700)
    assert timedelta(seconds=3) < duetto_clock.now - begun < timedelta(seconds=9)


def test_what_ignores_its_end_holds_nothing_up() -> None:
    stage = Stage()

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await stage.loop.create_future()
        await stage.loop.create_future()

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(stubborn())

    left = stage.complete(begin())
    stage.close()
    assert stage.loop.is_closed()
    assert not left.done()


def test_what_is_due_now_comes_now_however_far_the_clock_is() -> None:
    stage = Stage()
    try:
        stage.loop.sleep_until(50 * 365 * 86_400 + 0.5)
        came: list[float] = []
        stage.loop.call_at(stage.loop.time(), lambda: came.append(stage.loop.time()))
        stage.loop.call_at(stage.loop.time() + 0.001, lambda: came.append(stage.loop.time()))
        stage.drive(lambda: False)
        assert len(came) == 2
    finally:
        stage.close()


@pytest.mark.parametrize("asleep_s", [0.0847312, 0.0009, 1.00049, 0.5005])
def test_what_waits_for_less_than_a_millisecond_more_is_waited_for(
    shop: AppUnderTest, duetto_clock: JumpingClock, duetto_tasks: TaskMocks, asleep_s: float
) -> None:
    duetto_tasks.mock(charge).takes(asleep_s).sequence(ConnectionError(), "paid")
    assert shop.run(sell, "kettle", 700) == "parcel of kettle"
    assert duetto_clock.now > datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), "a retry waits for 2 s"
