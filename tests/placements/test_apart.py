"""Services with stores of their own: outcomes and effects as in one store, whatever is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto.brokers import Faults
from duetto.stores.sqlite_broker import SqliteBroker
from tests.placements.shop import (
    FAULTS,
    PLACEMENTS,
    SERVICES,
    Notebook,
    apart,
    mixed,
    outcomes,
    shop,
)

ORDERS = 18
EXPECTED = {
    "completed": 6,
    "OutOfStock": 3,
    "PaymentDeclined": 3,
    "TooBulky": 3,
    "NotDeliverable": 3,
}
BY_TASK = "shipping.dispatch=notifications,payments.charge=inventory,shipping.book=shipping"
"""Services decide on tasks of others, which are commands among services then."""


async def ended(
    folder: Path, placement: str, faults: Faults | None = None
) -> tuple[dict[str, str], Notebook]:
    notebook = Notebook()
    async with shop(folder, notebook, placement, faults=faults) as app:
        return await outcomes(app, mixed(ORDERS)), notebook


@pytest.mark.parametrize("faults", [None, FAULTS], ids=["calm", "faults"])
@pytest.mark.parametrize("placement", [*PLACEMENTS, BY_TASK])
async def test_stores_apart_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str, faults: Faults | None
) -> None:
    one, expected = await ended(tmp_path / "one", "orchestration")
    counted = {how: list(one.values()).count(how) for how in EXPECTED}
    assert counted == EXPECTED
    apart(monkeypatch, tmp_path / "apart", SERVICES)
    several, found = await ended(tmp_path / "apart", placement, faults)
    assert several == one
    assert found.histories() == expected.histories()
    assert set(found.keys) == set(expected.keys)


@pytest.mark.parametrize("placement", [*PLACEMENTS, BY_TASK])
async def test_a_broker_in_a_file_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str
) -> None:
    one, expected = await ended(tmp_path / "one", "orchestration")
    apart(monkeypatch, tmp_path / "apart", SERVICES)
    notebook, broker = Notebook(), SqliteBroker.open(tmp_path / "broker.sqlite")
    async with shop(tmp_path / "apart", notebook, placement, broker=broker) as app:
        several = await outcomes(app, mixed(ORDERS))
    await broker.close()
    assert several == one
    assert notebook.histories() == expected.histories()
    assert set(notebook.keys) == set(expected.keys)
