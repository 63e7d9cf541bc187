"""Apps whose participants live in several processes, over a broker that is named by a text."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duetto import App
from duetto.broker import Broker
from duetto.errors import ConfigurationError, NotFound
from duetto.stores.sqlite_broker import SqliteBroker
from tests.brokers.hosting import an_app, harbour, send, warehouse


@pytest.mark.parametrize("placement", ["orchestration", "choreography", "hybrid:harbour"])
async def test_participants_apart_end_their_runs(tmp_path: Path, placement: str) -> None:
    async with (
        an_app(tmp_path, "sender", placement=placement) as app,
        an_app(tmp_path, "warehouse", placement=placement),
        an_app(tmp_path, "harbour", placement=placement),
    ):
        runs = [app.run_async(send, f"tea {n}", id=f"order-{n}") for n in range(20)]
        assert await asyncio.gather(*runs) == [f"ship with a box of tea {n}" for n in range(20)]


async def test_runs_wait_for_who_is_not_there_yet(tmp_path: Path) -> None:
    async with an_app(tmp_path, "sender") as app:
        handle = await app.start_async(send, "tea", id="order-1")
    async with an_app(tmp_path, "warehouse", "harbour"):
        pass
    async with an_app(tmp_path, "sender") as app, an_app(tmp_path, "warehouse", "harbour"):
        handle = await app.start_async(send, "tea", id="order-1")
        assert await handle.result() == "ship with a box of tea"


async def test_a_broker_that_was_given_stays_open(tmp_path: Path) -> None:
    broker: Broker = SqliteBroker.open(tmp_path / "broker.sqlite")
    app = App("sender", services=[warehouse, harbour], workflows=[send], store="memory:")
    apart = App(
        "sender",
        services=[warehouse, harbour],
        workflows=[send],
        store=tmp_path / "a.sqlite",
        broker=broker,
        participants=["sender", "warehouse", "harbour"],
    )
    for each in (app, apart):
        async with each:
            assert await each.run_async(send, "tea") == "ship with a box of tea"
    assert isinstance(broker, SqliteBroker)
    await broker.topics.create("orders")
    await broker.close()


@pytest.mark.parametrize("broker", ["", "memory", "memory:x", "sqlite:", "nats://localhost", "x"])
def test_a_broker_that_there_is_not_is_refused(broker: str) -> None:
    with pytest.raises(ConfigurationError, match="no such broker"):
        App("sender", broker=broker)


def test_a_participant_that_there_is_not_is_refused() -> None:
    with pytest.raises(NotFound, match="harbor"):
        App("sender", services=[harbour], participants=["harbor"])
    with pytest.raises(ConfigurationError, match="one name"):
        App("harbour", services=[harbour], participants=["harbour"])
    App("harbour", services=[harbour], broker="memory:")
