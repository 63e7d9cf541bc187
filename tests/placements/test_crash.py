"""One host of several dies with messages under way to it and from it, and is started again."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from duetto.examples.shop.workflow import fulfil
from tests.placements.hosts import crash, revive
from tests.placements.shop import (
    PLACEMENTS,
    SERVICES,
    Notebook,
    apart,
    engine_of,
    mixed,
    outcomes,
    shop,
)

ORDERS = 12
GATES = ("charge", "book", "notify")
"""The host dies while the bodies of each of these wait, so three times."""


@pytest.mark.parametrize("dying", ["", "payments", "shipping", "notifications"])
@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_a_host_dies_with_messages_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str, dying: str
) -> None:
    quiet = Notebook(flaky=False)
    async with shop(tmp_path / "quiet", quiet, "orchestration") as app:
        expected = await outcomes(app, mixed(ORDERS))
    apart(monkeypatch, tmp_path, SERVICES)
    notebook = Notebook(flaky=False)
    async with shop(tmp_path, notebook, placement) as app:
        engine = engine_of(app)
        for operation in (*GATES, "refund"):
            notebook.held[operation] = asyncio.Event()
        for each in mixed(ORDERS):
            await app.start_async(fulfil, each, id=each.id)
        for operation in GATES:
            dead = engine.host_of(dying)
            await crash(dead)
            notebook.held[operation].set()
            await asyncio.sleep(0)
            revive(engine, dead)
            await notebook.reached(len(notebook.keys) + 1)
        notebook.held["refund"].set()
        ended = await outcomes(app, mixed(ORDERS))
    assert ended == expected
    assert notebook.histories() == quiet.histories()
    assert set(notebook.keys) == set(quiet.keys)
    assert max(Counter(notebook.begun).values()) <= 1 + len(GATES)
