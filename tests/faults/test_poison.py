"""F19: a body that kills its process is parked in the end; one that blocks the loop is named."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from duetto import Retry, Service, workflow
from duetto.observer import LoopBlocked
from duetto.runtime.suspects import DEATHS_MAX
from duetto.store import Query
from tests.faults.apps import Signals, an_app
from tests.faults.lingering import LINGER_S, clerk, visit
from tests.faults.trade import TRACE

ROOT = Path(__file__).parents[2]

RUN = """
import asyncio, sys
from tests.faults.apps import an_app
from tests.faults.trade import Order, kill, sell

async def main():
    async with an_app(sys.argv[1]) as app:
        await app.start_async(sell, Order("a", 1), id=f"sell-{sys.argv[2]}")
        await app.start_async(kill, "at once", id="poison")
        await app.operations.settled()
        print(app.operations.explain("poison")[0].text)

asyncio.run(main())
"""

busy = Service("busy")


@busy.task(retry=Retry(attempts_max=1))
async def churn(seconds: float) -> int:
    """Hold the loop, as a computation without an await does."""
    end = time.perf_counter() + seconds
    turns = 0
    while time.perf_counter() < end:
        turns += 1
    return turns


@workflow
async def compute(seconds: float) -> int:
    return await churn(seconds)


def process(path: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Run the app in a process of its own."""
    command = [sys.executable, "-c", RUN, str(path), str(number)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.blocking  # processes are started and waited for
async def test_a_task_that_kills_its_process_parks_and_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "trade.sqlite"
    deaths = 0
    while (ended := process(path, deaths)).returncode:
        assert ended.returncode == 9, ended.stderr
        deaths += 1
        assert deaths <= DEATHS_MAX + 1
    assert deaths == DEATHS_MAX + 1
    reason = f"its process died {deaths} times while this task was in hand"
    assert "poison is parked on desk.die" in ended.stdout
    assert reason in ended.stdout
    async with an_app(path) as app:
        others = app.operations.list(Query(workflow="sell"))
        assert f"sell-{deaths}" in [view.id for view in others]
        assert {view.status for view in others} == {"completed"}
        [waiting] = app.operations.explain("poison")
        assert reason in waiting.text
        assert await app.operations.skip("poison", value=7) == 1
        assert await app.operations.result("poison") == 7


async def test_a_clean_stop_is_no_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a task is cut off by a stop, it is never taken for what kills its process."""
    path = tmp_path / "trade.sqlite"
    options: dict[str, Any] = {"services": [clerk], "workflows": [visit]}
    monkeypatch.setattr("duetto.app.STOP_S", 0)
    monkeypatch.setenv(LINGER_S, "600")
    for _ in range(DEATHS_MAX + 2):
        async with an_app(path, **options) as app:
            await app.start_async(visit, "anna", id="r")
    monkeypatch.setenv(LINGER_S, "0")
    async with an_app(path, **options) as app:
        assert await app.operations.result("r") == "anna has left"
    assert TRACE.done == ["linger", "leave"]


async def test_a_body_that_holds_the_loop_is_named() -> None:
    signals = Signals()
    async with an_app(services=[busy], workflows=[compute], observer=signals) as app:
        assert await app.run_async(compute, 0.11, id="r") > 0
        [blocked] = signals.of(LoopBlocked)
        assert blocked.task == "busy.churn"
        assert 110 <= blocked.took_ms < 10_000
        await app.run_async(compute, 0.01, id="short")
    assert len(signals.of(LoopBlocked)) == 1


async def test_a_body_that_waits_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LINGER_S, "0.11")
    signals = Signals()
    async with an_app(services=[clerk], workflows=[visit], observer=signals) as app:
        assert await app.run_async(visit, "anna", id="r") == "anna has left"
    assert signals.of(LoopBlocked) == []
