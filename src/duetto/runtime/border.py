"""What an app has to do with the topics of a broker, as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from msgspec import Struct

from duetto.broker import Topics, Wire
from duetto.observer import TopicFailed
from duetto.runtime.adoption import Adopter
from duetto.runtime.desk import Desk
from duetto.runtime.relay import Relay

BACKOFF_MS_MIN = 100
"""How soon a broker that failed is tried again at first: most are back at once."""
BACKOFF_MS_MAX = 30_000
"""How long a broker that fails is left alone: longer each time."""


class Abroad(Struct, frozen=True, eq=False):
    """The topics of a broker, how events are records there, and the group that an app is of all who
    read one."""

    topics: Topics | None
    """None where nothing is to be published or taken now."""
    wire: Wire
    group: str
    signed: Wire | None = None
    """The same with signatures, where the app has a secret: what is published, and what comes."""


class Border:
    """The relays and adopters of one host, at work."""

    def __init__(self, desk: Desk, abroad: Abroad) -> None:
        self._desk, self._abroad = desk, abroad
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, crossers: Iterable[Relay | Adopter]) -> None:
        """Let them work."""
        if (topics := self._abroad.topics) is not None:
            self._tasks += [asyncio.create_task(self._work(each, topics)) for each in crossers]

    async def _work(self, crosser: Relay | Adopter, topics: Topics) -> None:
        """Go on where the broker fails: what was not done is done once it is there again."""
        delay_ms, told, carried = BACKOFF_MS_MIN, "", 0
        while self._desk.failure is None:
            try:
                await crosser.run(topics, self._abroad.group)
            except Exception as error:  # brokers raise errors of their own
                if self._desk.failure is not None:
                    return  # that is told already, and nothing is acknowledged any more
                if crosser.carried > carried:  # it was there in between
                    delay_ms, told, carried = BACKOFF_MS_MIN, "", crosser.carried
                reason = str(error) or type(error).__name__
                if reason != told:
                    self._desk.observer.note(TopicFailed(crosser.name, reason))
                    told = reason
            await asyncio.sleep(delay_ms / 1000)
            delay_ms = min(2 * delay_ms, BACKOFF_MS_MAX)

    async def close(self) -> None:
        """Stop them; what is under way is done again by whoever starts next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
