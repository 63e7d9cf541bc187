"""A cancel finds the token wherever it is, also under way, and everything done is undone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duetto.examples.shop.workflow import fulfil
from duetto.model.message import Arrive, Message
from tests.placements.shop import (
    PLACEMENTS,
    SERVICES,
    Gate,
    Notebook,
    apart,
    order,
    shop,
    steady,
)

UNDONE_BY = {
    "reserve": "release",
    "charge": "refund",
    "book": "cancel_booking",
    "notify": "apologise",
}


def undoing(operations: list[str]) -> tuple[list[str], list[str]]:
    """Return (what was done and can be undone, what was undone, oldest task first)."""
    done = [each for each in operations if each in UNDONE_BY]
    undone = [each for each in reversed(operations) if each in UNDONE_BY.values()]
    return [UNDONE_BY[each] for each in done], undone


@pytest.mark.parametrize("newest_first", [False, True], ids=["in order", "reversed"])
@pytest.mark.parametrize("to", ["inventory", "payments", "shipping"])
async def test_a_cancel_reaches_a_token_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, newest_first: bool
) -> None:
    apart(monkeypatch, tmp_path, SERVICES)
    notebook, gate = Notebook(), Gate()

    def shut(message: Message) -> bool:
        return message.to == to and (bool(gate.kept) or isinstance(message.body, Arrive))

    gate.shut = shut
    async with shop(tmp_path, notebook, "choreography", broker=gate) as app:
        handle = await app.start_async(fulfil, order(steady(0)), id="one")
        await gate.full[1].wait()
        await handle.cancel()
        await gate.full[2].wait()
        gate.open(newest_first=newest_first)
        await app.operations.outcome("one")
        assert handle.status().status == "cancelled"
        assert "notify" not in [operation for _, operation in notebook.keys.values()]
    done, undone = undoing([operation for _, operation in notebook.keys.values()])
    assert undone == done


@pytest.mark.parametrize("operation", ["reserve", "charge", "book", "notify"])
@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_a_cancel_reaches_a_token_at_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str, operation: str
) -> None:
    apart(monkeypatch, tmp_path, SERVICES)
    notebook = Notebook()
    notebook.patient = operation
    begun = asyncio.Event()
    notebook.on_begin = lambda name: begun.set() if name == operation else None
    async with shop(tmp_path, notebook, placement) as app:
        handle = await app.start_async(fulfil, order(steady(0)), id="one")
        await begun.wait()
        await handle.cancel()
        await app.operations.outcome("one")
        assert handle.status().status == "cancelled"
    done, undone = undoing([name for _, name in notebook.keys.values()])
    assert undone == done
    assert operation in [name for _, name in notebook.keys.values()]
