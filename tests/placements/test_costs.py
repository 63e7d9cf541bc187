"""Messages and store writes of a run, counted from the journals, are what the formula says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duetto import App, Workflow
from duetto.examples.shop.workflow import fulfil
from duetto.kernel.estimate import estimate
from duetto.model.placement import parse
from duetto.operations.counts import Counts
from tests.placements.nine import SERVICES, nine
from tests.placements.shop import PLACEMENTS, Notebook, apart, order, shop, steady
from tests.placements.shop import SERVICES as SHOPS

COLOURS = ("orchestration", "choreography", "hybrid:green", "hybrid:red,blue")


async def nine_times(folder: Path, placement: str) -> Counts:
    app = App(
        "nine",
        services=SERVICES,
        workflows=[nine],
        placement=placement,
        store=folder / "nine.sqlite",
    )
    async with app:
        assert await app.run_async(nine, 0, id="one") == 333
        return app.operations.counts("one")


def expected(workflow: Workflow[..., Any], placement: str, *, together: bool) -> tuple[int, int]:
    found = estimate(workflow.definition, parse(placement), "", together=together)
    return found.messages, found.store_writes


@pytest.mark.parametrize("placement", COLOURS)
@pytest.mark.parametrize("together", [True, False], ids=["one store", "apart"])
async def test_nine_tasks_cost_what_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str, together: bool
) -> None:
    if not together:
        apart(monkeypatch, tmp_path, SERVICES)
    counts = await nine_times(tmp_path, placement)
    assert counts.steps == 9
    assert (counts.messages, counts.writes) == expected(nine, placement, together=together)


@pytest.mark.parametrize(
    ("placement", "together", "messages", "writes"),
    [
        ("orchestration", True, 0, 10),
        ("choreography", True, 10, 10),
        ("choreography", False, 10, 11),
        ("orchestration", False, 18, 19),
    ],
)
async def test_nine_tasks_cost_what_the_design_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    placement: str,
    together: bool,
    messages: int,
    writes: int,
) -> None:
    if not together:
        apart(monkeypatch, tmp_path, SERVICES)
    counts = await nine_times(tmp_path, placement)
    assert (counts.messages, counts.writes) == (messages, writes)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("together", [True, False], ids=["one store", "apart"])
async def test_an_order_costs_what_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str, together: bool
) -> None:
    if not together:
        apart(monkeypatch, tmp_path, SHOPS)
    async with shop(tmp_path, Notebook(), placement) as app:
        await app.run_async(fulfil, order(steady(0)), id="one")
        counts = app.operations.counts("one")
    assert counts.steps == 5
    assert (counts.messages, counts.writes) == expected(fulfil, placement, together=together)
