"""Choreographed runs need the app's own participant only to start and to end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duetto.examples.shop.workflow import fulfil
from duetto.kernel import journal
from duetto.model.message import Arrive
from duetto.model.record import Record, ReportCame, Started
from duetto.runtime.host import Host
from tests.placements.hosts import go_on, stop
from tests.placements.shop import SERVICES, Notebook, apart, engine_of, mixed, outcomes, shop

ORDERS = 12
EFFECTS = 4 * 5 + 2 * 0 + 2 * (1 + 1) + 2 * (4 + 4) + 2 * (2 + 2)
"""Of four completed orders, and two each with no stock, no money, too many lines, no carrier."""


async def test_all_effects_happen_while_the_app_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(monkeypatch, tmp_path, SERVICES)
    notebook = Notebook()
    async with shop(tmp_path, notebook, "choreography") as app:
        home = engine_of(app).host_of("")
        gate = notebook.held["reserve"] = asyncio.Event()
        orders = mixed(ORDERS)
        for each in orders:
            await app.start_async(fulfil, each, id=each.id)
        stop(home)
        assert not notebook.keys
        gate.set()
        await notebook.reached(EFFECTS)
        own = {each.id: own_records(home, each.id) for each in orders}
        assert all(is_only_a_start(records) for records in own.values())
        assert {app.operations.show(each.id).status for each in orders} == {"running"}
        go_on(home)
        ended = await outcomes(app, orders)
        own = {each.id: own_records(home, each.id) for each in orders}
    assert len(notebook.keys) == EFFECTS
    assert [ended[each.id] for each in orders].count("completed") == 4
    assert all(is_start_and_report(records) for records in own.values())


def own_records(home: Host, id: str) -> list[Record]:
    """Return what the app's own store holds of a run."""
    row = home.store.run(id)
    assert row is not None
    return [journal.record(data) for data in home.store.journal(row.rid)]


def is_only_a_start(records: list[Record]) -> bool:
    match records:
        case [Started(path="/", source="", sent=[message])]:
            return isinstance(message.body, Arrive)
        case _:
            return False


def is_start_and_report(records: list[Record]) -> bool:
    match records:
        case [first, ReportCame(path="/")]:
            return is_only_a_start([first])
        case _:
            return False
