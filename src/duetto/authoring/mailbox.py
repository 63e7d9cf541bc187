"""Events of direct calls: kept in memory until they are received."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from duetto.authoring.event import key_of

E = TypeVar("E")


class Mailbox:
    """The events that were emitted and not yet received; the oldest that fits is taken first."""

    def __init__(self) -> None:
        self.kept: list[object] = []
        self.emitted: list[object] = []
        self._waiting: list[asyncio.Future[None]] = []

    def put(self, event: object) -> None:
        """Keep an event, and wake whoever waits for one."""
        self.emitted.append(event)
        self.kept.append(event)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def take(self, kind: type[E], key: object = None) -> E:
        """Wait for an event of a type, with a key unless it is None, and take it."""
        while True:
            for position, event in enumerate(self.kept):
                if isinstance(event, kind) and (key is None or key_of(event) == key):
                    del self.kept[position]
                    return event
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
