"""Mocks of tasks, and their calls by idempotency key."""

from __future__ import annotations

import subprocess
import sys

import pytest

from duetto import RunFailed
from duetto.errors import ConfigurationError, RunParked
from duetto.testing import AppUnderTest, Call, Crashes, TaskMocks
from tests.testing.till import charge, sell, send


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
