"""A broker within one process; it can be told to duplicate, delay, reorder and lose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from duetto.broker import Acknowledge, Receive
from duetto.brokers.faults import NO_FAULTS, Faults
from duetto.brokers.topics import InProcessTopics
from duetto.model.message import Message


class InProcessBroker:
    """Hands messages over in the running loop. Without faults it keeps their order."""

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults
        self._random = Random(faults.seed if faults else 0)
        self._receivers: dict[str, Receive] = {}
        self._kept: dict[str, list[tuple[Message, Acknowledge]]] = {}
        self.published = 0
        """Messages that were given to the broker, those sent again included."""
        self.topics = InProcessTopics(faults or NO_FAULTS)

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        self.published += 1
        loop = asyncio.get_running_loop()
        faults = self._faults
        if faults is None:
            loop.call_soon(self._deliver, message, confirmed)
            return
        copies = 2 if self._random.random() < faults.duplicate else 1
        for _ in range(copies):
            if self._random.random() < faults.lose:
                continue
            late = self._random.random() < faults.delay
            delay_s = self._random.random() * faults.delay_max_ms / 1000 if late else 0.0
            loop.call_later(delay_s, self._deliver, message, confirmed)

    def _deliver(self, message: Message, confirmed: Acknowledge) -> None:
        receive = self._receivers.get(message.to)
        if receive is None:
            self._kept.setdefault(message.to, []).append((message, confirmed))
        else:
            receive(message, confirmed)

    def subscribe(self, participant: str, receive: Callable[[Message, Acknowledge], None]) -> None:
        self._receivers[participant] = receive
        for message, confirmed in self._kept.pop(participant, ()):
            asyncio.get_running_loop().call_soon(self._deliver, message, confirmed)

    def unsubscribe(self, participant: str) -> None:
        self._receivers.pop(participant, None)
