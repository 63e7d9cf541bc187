"""How the suites of brokers get at one: connections, and what it claims."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import SkipTest

from duetto.broker import Broker, Capabilities, Topics

WAIT_S = 20.0
"""How long a test waits for what must come: a broker that takes longer is broken."""
QUIET_S = 0.15
"""How long a test looks for what must not come."""
ACK_WAIT_MS = 120
"""The wait of the consumers that a test lets die."""
MANY = 60
"""Records of a test in which order, or who gets what, is looked at."""


class Connection(NamedTuple):
    """A broker as one process has it."""

    broker: Broker
    topics: Topics


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test in a loop of its own."""
    asyncio.run(test)


class Suite:
    """How the suite gets at a broker."""

    def connected(self, place: Path) -> AbstractAsyncContextManager[Connection]:
        """Connect to the broker at a place, and disconnect; again is after a restart."""
        raise NotImplementedError

    async def claimed(self, place: Path) -> Capabilities:
        """Return what the broker claims."""
        async with self.connected(place) as connection:
            return connection.topics.capabilities

    async def needs(self, place: Path, *claims: str) -> None:
        """Skip the test where the broker does not claim all of it."""
        claimed = await self.claimed(place)
        for claim in claims:
            if not getattr(claimed, claim):
                raise SkipTest(f"this broker does not claim `{claim}`")
