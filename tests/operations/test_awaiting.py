"""A run is started and waited for by another process, through the requests of a socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from duetto import App
from duetto.errors import NotAllowed, StoreBusy, ValueRefused
from duetto.operations import requests
from duetto.operations.caller import Caller
from duetto.operations.packing import packed
from duetto.operations.requests import Await, Standing, Start, answer
from tests.faults.apps import an_app
from tests.faults.trade import Order, nap, sell

NAP_S = 3600.0
"""Longer than any test: a run that is open until the app stops."""


def a_start(app: App, id: str) -> Start:
    """Return the request for a run, as another process with the same code would make it."""
    program = app.programs.program(app.programs.by_name[sell.name])
    return Start(id, sell.name, program.digest, packed(program, (Order("a", 1),), {}))


async def test_a_run_is_started_once_and_waited_for() -> None:
    async with an_app() as app:
        request = msgspec.json.decode(msgspec.json.encode(a_start(app, "a")), type=Start)
        for _ in range(2):
            await answer(app.operations, request)
            found = await answer(app.operations, Await("a"))
            assert isinstance(found, Standing)
            assert (found.status, found.settled) == ("completed", True)
            assert found.counts.steps > 0
        assert len(app.operations.list()) == 1


async def test_what_does_not_fit_the_definition_is_refused() -> None:
    async with an_app() as app:
        request = a_start(app, "a")
        with pytest.raises(NotAllowed, match="another version"):
            await answer(app.operations, msgspec.structs.replace(request, digest="0" * 64))
        for data in (b"", b"\xc1", msgspec.msgpack.encode({"other": b"x"}), request.input[:-1]):
            with pytest.raises(ValueRefused, match="do not fit"):
                await answer(app.operations, msgspec.structs.replace(request, input=data))
        assert app.operations.list() == []


async def test_a_long_run_is_answered_again_and_again_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "AWAIT_S", 0.001)
    async with an_app() as app:
        await app.start_async(nap, NAP_S, id="asleep")
        for _ in range(3):
            found = await answer(app.operations, Await("asleep"))
            assert isinstance(found, Standing)
            assert (found.status, found.settled) == ("running", False)
        await asyncio.sleep(0)  # whoever waited is cancelled in the next turn
        home = app.operations.home
        assert home.at_parking == []
        assert home.waiters.get("asleep", []) == []


async def test_an_app_stops_at_once_though_somebody_waits(tmp_path: Path) -> None:
    path = tmp_path / "trade.sqlite"
    async with an_app(path) as app:
        await app.start_async(nap, NAP_S, id="asleep")
        caller = await Caller.to(path)
        waiting = asyncio.create_task(caller.ask(Await("asleep"), Standing))
        while not app.operations.home.waiters.get("asleep"):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)
    async with asyncio.timeout(requests.AWAIT_S / 2):
        with pytest.raises(StoreBusy, match="has stopped"):
            await waiting
    await caller.close()
