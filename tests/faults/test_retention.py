"""PROTOCOL, rule 20: rows live for their time; what is older is executed only if home agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from duetto import App
from duetto.broker import Acknowledge
from duetto.brokers import InProcessBroker
from duetto.model.message import Arrive, Message
from duetto.model.view import COMPLETED
from duetto.observer import RunPurged
from duetto.runtime.host import Host
from duetto.runtime.sweeps import SWEEP_MS
from duetto.testing.simulation import SimulatedClock
from tests.faults.apps import Signals, an_app
from tests.faults.test_clock import in_virtual_time, later
from tests.faults.trade import TRACE, Order, desk, sell, stock

DAY_MS = 24 * 3_600_000


class Recorder(InProcessBroker):
    """A broker that keeps a copy of every message, and may hold back those of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Message] = []
        self.holding = False

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        self.seen.append(message)
        if not (self.holding and isinstance(message.body, Arrive)):
            super().publish(message, confirmed)

    def tokens(self) -> list[Message]:
        """Return the messages that carried tokens."""
        return [message for message in self.seen if isinstance(message.body, Arrive)]


def apart(test: Callable[[App, Recorder, Signals], Coroutine[Any, Any, None]], folder: Any) -> None:
    """Run a test with an app whose services have stores of their own, in virtual time."""
    broker, signals = Recorder(), Signals()

    async def main(clock: SimulatedClock) -> None:
        options: dict[str, Any] = {"broker": broker, "placement": "choreography"}
        async with an_app(clock=clock, observer=signals, retention_ms=DAY_MS, **options) as app:
            await test(app, broker, signals)

    with pytest.MonkeyPatch.context() as patch:
        for service in (stock, desk):
            patch.setattr(service, "store", str(folder / f"{service.name}.sqlite"))
        in_virtual_time(main)


def host_of(app: App, participant: str) -> Host:
    """Return the host of a participant."""
    engine: Any = app.operations
    return engine._engine.host_of(participant)


def test_closed_runs_are_purged_everywhere_after_their_time(tmp_path: Any) -> None:
    async def test(app: App, broker: Recorder, signals: Signals) -> None:
        await app.run_async(sell, Order("a", 1), id="r")
        stores = [host_of(app, name).store for name in ("", "stock")]
        await later(DAY_MS - 60_000)
        assert [store.run("r") is None for store in stores] == [False, False]
        await later(60_000 + 3 * SWEEP_MS)
        assert [store.run("r") is None for store in stores] == [True, True]
        assert sum(purged.count for purged in signals.of(RunPurged)) == 2

    apart(test, tmp_path)


def test_a_message_older_than_what_is_kept_is_recorded_and_discarded(tmp_path: Any) -> None:
    async def test(app: App, broker: Recorder, signals: Signals) -> None:
        await app.run_async(sell, Order("a", 1), id="r")
        await later(DAY_MS + 60_000)
        old, confirmed = broker.tokens()[0], list[str]()
        assert host_of(app, "stock").store.run("r") is None
        for _ in range(2):
            InProcessBroker.publish(broker, old, lambda: confirmed.append("told"))
            await later(1_000)
        assert confirmed == ["told", "told"]
        row = host_of(app, "stock").store.run("r")
        assert row is not None
        assert row.status == COMPLETED

    apart(test, tmp_path)
    assert TRACE.count("reserve") == 1


def test_a_message_older_than_what_is_kept_is_executed_while_its_run_is_open(
    tmp_path: Any,
) -> None:
    async def test(app: App, broker: Recorder, signals: Signals) -> None:
        broker.holding = True
        handle = await app.start_async(sell, Order("a", 1), id="r")
        await later(2 * DAY_MS)
        assert TRACE.done == []
        InProcessBroker.publish(broker, broker.tokens()[0], lambda: None)
        broker.holding = False
        assert await asyncio.wait_for(handle.result(), 60) == "r-a"

    apart(test, tmp_path)
    assert TRACE.count("reserve") == 1
