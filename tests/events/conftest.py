"""The warehouse, in one store and with a store for each service; topics of both brokers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from duetto.broker import Topics
from duetto.brokers import InProcessTopics
from duetto.stores.sqlite_broker import SqliteBroker
from duetto.testing import AppFactory, AppUnderTest
from tests.events.shipping import create
from tests.events.warehouse import Notes, app


@pytest.fixture
def notes() -> Notes:
    """What the handlers of this test do."""
    return Notes()


@pytest.fixture(params=[False, True], ids=["together", "apart"])
def warehouse(request: pytest.FixtureRequest, duetto_app: AppFactory, notes: Notes) -> AppUnderTest:
    """The warehouse."""
    return duetto_app(app, resources=[notes], apart=request.param)


@pytest.fixture(params=["memory", "sqlite"])
async def topics(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Topics]:
    """Topics of a broker, with that of orders."""
    if request.param == "memory":
        found: Topics = InProcessTopics()
        await create(found)
        yield found
        return
    broker = SqliteBroker.open(tmp_path / "broker.sqlite")
    await create(broker.topics)
    yield broker.topics
    await broker.close()
