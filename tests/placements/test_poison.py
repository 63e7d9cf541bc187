"""A task that kills the process of its service parks the token that waits for it elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duetto.examples.shop.workflow import fulfil
from duetto.runtime.suspects import DEATHS_MAX
from tests.placements.hosts import crash, revive
from tests.placements.shop import SERVICES, Notebook, apart, engine_of, order, shop, steady

SECONDS_MAX = 20
FIRST_LIVES = 2
"""A surprise in the first life, it is not counted before the second."""


@pytest.mark.parametrize("placement", ["orchestration", "choreography"])
async def test_what_kills_its_host_is_parked_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str
) -> None:
    apart(monkeypatch, tmp_path, SERVICES)
    notebook = Notebook(flaky=False)
    notebook.held["reserve"] = asyncio.Event()
    begun = asyncio.Semaphore(0)
    notebook.on_begin = lambda operation: begun.release()
    async with shop(tmp_path, notebook, placement) as app:
        engine = engine_of(app)
        await app.start_async(fulfil, order(steady(0)), id="order-1")
        for _ in range(DEATHS_MAX + FIRST_LIVES):
            await asyncio.wait_for(begun.acquire(), SECONDS_MAX)
            await crash(engine.host_of("inventory"))
            revive(engine, engine.host_of("inventory"))
        assert not await app.operations.ended_or_parked("order-1")
        parked = app.operations.parked("order-1")
        assert f"its process died {DEATHS_MAX + 1} times while this task was in hand" in str(parked)
        assert len(notebook.begun) == DEATHS_MAX + FIRST_LIVES
        notebook.held["reserve"].set()
        await app.operations.resume("order-1")
        await app.operations.result("order-1")
    assert set(notebook.begun[:-4]) == {notebook.begun[0]}
