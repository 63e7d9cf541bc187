"""A consumer whose work is one commit of its store: a mailbox, or the start of runs."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from duetto.errors import DuettoError
from duetto.model.event import Event, Held
from duetto.runtime.consumer import Consumer, reason_of
from duetto.runtime.desk import Desk
from duetto.runtime.publishing import Publisher


class Taker(Protocol):
    """Takes an event within the batch under way."""

    def take(self, event: Event) -> None:
        """Take it, or raise DuettoError and have written nothing."""
        ...


class Intake(Consumer):
    """Hands the events of a topic to a taker, each once, each lane in order."""

    def __init__(
        self, desk: Desk, name: str, topic: str, taker: Taker, *, publisher: Publisher
    ) -> None:
        super().__init__(desk, name, (topic,), publisher=publisher)
        self.taker = taker

    def offer(self, event: Event) -> None:
        lane = self.lanes.take(event)
        if lane is not None:
            if not event.is_mark:
                self._take(event)
            self.finish(lane, event)

    def _take(self, event: Event) -> None:
        try:
            self.taker.take(event)
        except DuettoError as error:
            reason, now = reason_of(error, self.desk.codec.error(error)), self.desk.clock.now_ms()
            position = self.letters.next_position()
            self.letters.put(Held(position, event, "dead", 0, 1, reason, since=now))
            self.note_letter(event, reason)

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        data = mended or row.mended or row.event.data
        self.taker.take(replace(row.event, data=data))
        self.letters.remove(row)
