"""Mocks of tasks, and their calls by idempotency key."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from duetto import RunFailed
from duetto.errors import ConfigurationError, RunParked
from duetto.testing import (
    AppFactory,
    AppUnderTest,
    Call,
    Crashes,
    JumpingClock,
    Stage,
    TaskMocks,
)
from duetto.testing.threads import Stuck
from tests.testing.till import Drawer, app, charge, sell, send


def test_calls_are_known_by_their_keys(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(charge).sequence(ConnectionError(), ConnectionError(), "paid")
    shop.run(sell, "kettle", 700, id="r")
    first, *again = duetto_tasks.calls(charge)
    assert first == Call("till.charge", first.key, (700,), 1, "r")
    assert [call.attempt for call in again] == [2, 3]
    assert {call.key for call in again} == {first.key}
    assert duetto_tasks.calls(send)[0].args == ("kettle",)


def test_a_key_that_has_its_result_gets_it_again(
    shop: AppUnderTest, duetto_tasks: TaskMocks, duetto_crash: Crashes
) -> None:
    duetto_tasks.mock(send).sequence("first", "second")
    duetto_crash.after(send)
    assert shop.run(sell, "kettle", 700) == "first"
    assert len(duetto_tasks.calls(send)) == 2
    assert shop.run(sell, "kettle", 700) == "second"


def test_a_function_does_the_work(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    async def later(item: str) -> str:
        return f"cart of {item}"

    duetto_tasks.mock(send).calls(lambda item: f"barrow of {item}")
    assert shop.run(sell, "kettle", 700) == "barrow of kettle"
    duetto_tasks.mock(send).calls(later)
    assert shop.run(sell, "kettle", 700) == "cart of kettle"


def test_a_task_that_hangs_reaches_its_limit(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(send).hangs()
    with pytest.raises(RunFailed) as failed:
        shop.run(sell, "kettle", 700)
    assert isinstance(failed.value.__cause__, TimeoutError)


def test_a_task_that_hangs_leaves_its_effect_unknown(
    shop: AppUnderTest, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(charge).hangs()
    with pytest.raises(RunParked, match=r"whether till\.charge took effect is unknown"):
        shop.run(sell, "kettle", 700)


def test_a_mock_takes_its_time(
    shop: AppUnderTest, duetto_tasks: TaskMocks, duetto_clock: JumpingClock
) -> None:
    duetto_tasks.mock(send).takes(3).returns("slow parcel")
    duetto_tasks.mock(charge).takes(timedelta(seconds=20))
    assert shop.run(sell, "kettle", 700, id="r") == "slow parcel"
    assert duetto_clock.now == datetime(2026, 1, 1, 0, 0, 23, tzinfo=UTC)
    shop.assert_history("r", "till.charge completed: attempt 1, took 20 s")
    duetto_tasks.mock(send).takes(6)
    with pytest.raises(RunFailed, match="took longer than 5 s"):
        shop.run(sell, "kettle", 700)


def test_a_mock_that_gives_what_is_no_result_ends_the_test(
    shop: AppUnderTest, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(send).returns(cast("str", 7))
    with pytest.raises(ConfigurationError) as wrong:
        shop.run(sell, "kettle", 700)
    assert "The mock of post.send gives what is no result of it." in str(wrong.value)
    assert "expected  str" in str(wrong.value)


def test_a_thread_that_does_not_end_ends_the_test(
    shop: AppUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def hold(item: str) -> str:
        gate.wait()
        return item

    monkeypatch.setattr("duetto.testing.threads.THREAD_S_MAX", 0.05)
    monkeypatch.setattr(send, "body", hold)
    try:
        with pytest.raises(Stuck, match=r"post\.send does not end"):
            shop.run(sell, "kettle", 700)
    finally:
        gate.set()


def test_synchronous_bodies_share_a_thread_that_ends_with_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []

    def note(item: str) -> str:
        threads.append(threading.current_thread())
        return item

    monkeypatch.setattr(send, "body", note)
    with Stage() as stage:
        shop = AppFactory(stage)(app, resources=[Drawer()])
        shop.run(sell, "kettle", 700)
        shop.run(sell, "kettle", 800)
        first, second = threads
        assert first is second
        assert first is not threading.current_thread()
        assert first.is_alive()
    assert not first.is_alive()


def test_a_mock_that_says_nothing_is_the_task(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(send)
    assert shop.run(sell, "kettle", 700) == "parcel of kettle"


def test_a_sequence_has_an_outcome(duetto_tasks: TaskMocks) -> None:
    with pytest.raises(ConfigurationError, match=r"till\.charge is empty"):
        duetto_tasks.mock(charge).sequence()


def test_what_does_not_fit_the_task_is_seen_by_pyright(duetto_tasks: TaskMocks) -> None:
    mock = duetto_tasks.mock(charge)
    mock.returns(7)  # pyright: ignore[reportArgumentType]  # a mistake, which pyright has to see
    mock.calls(lambda: "paid")  # pyright: ignore[reportArgumentType]  # as above
    assert mock.task is charge


def test_only_tasks_are_mocked(duetto_tasks: TaskMocks) -> None:
    with pytest.raises(ConfigurationError, match="Only a task"):
        duetto_tasks.mock(sell)


def test_it_needs_no_pytest() -> None:
    code = "import sys, duetto.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_stays_unknown_says_why(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(charge).takes(40)
    with pytest.raises(RunParked, match=r"unknown; TimeoutError: took longer than 30 s"):
        shop.run(sell, "kettle", 700)
