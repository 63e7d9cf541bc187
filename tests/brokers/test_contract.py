"""Every broker keeps the contract, the one within the process under its faults too."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from duetto.brokers import Faults, InProcessBroker
from duetto.stores.sqlite_broker import SqliteBroker
from duetto.testing.brokers import BrokerContract, Connection

FAULTS = Faults(duplicate=0.25, lose=0.1, delay=0.3, delay_max_ms=40, seed=11)


class TestInProcessBroker(BrokerContract):
    @asynccontextmanager
    async def connected(self, place: Path) -> AsyncGenerator[Connection]:
        broker = InProcessBroker()
        yield Connection(broker, broker.topics)


class TestInProcessBrokerWithFaults(BrokerContract):
    @asynccontextmanager
    async def connected(self, place: Path) -> AsyncGenerator[Connection]:
        broker = InProcessBroker(FAULTS)
        yield Connection(broker, broker.topics)


class TestSqliteBroker(BrokerContract):
    @asynccontextmanager
    async def connected(self, place: Path) -> AsyncGenerator[Connection]:
        broker = SqliteBroker.open(place / "broker.sqlite")
        try:
            yield Connection(broker, broker.topics)
        finally:
            await broker.close()
