"""A consumer whose work is one commit of its store: a mailbox, or the start of runs."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from duetto.errors import DuettoError
from duetto.model.event import Event
from duetto.runtime.consumer import Consumer, unknown_version
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kind
from duetto.runtime.publishing import Publisher


class Taker(Protocol):
    """Takes an event within the batch under way."""

    def take(self, event: Event) -> None:
        """Take it, or raise DuettoError and have written nothing."""
        ...


class Intake(Consumer):
    """Hands the events of a topic to a taker, each once, each lane in order."""

    def __init__(
        self, desk: Desk, name: str, kind: Kind, taker: Taker, *, publisher: Publisher
    ) -> None:
        super().__init__(desk, name, (kind.topic,), publisher=publisher)
        self.kind, self.taker = kind, taker

    def offer(self, event: Event) -> None:
        lane = self.lanes.take(event)
        if lane is not None:
            if not event.is_mark:
                self._take(event)
            self.finish(lane, event)

    def recover(self) -> None:
        for row in self.letters:
            if row.state == "delayed" and self.kind.knows(row.event.version):
                self.letters.remove(row)
                self._take(row.event)
        self.read_on()

    def _take(self, event: Event) -> None:
        if not self.kind.knows(event.version):
            self.postpone(event, unknown_version(event.topic, event.version))
            return
        try:
            self.taker.take(event)
        except DuettoError as error:
            self.bury(event, self.reason(error))

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        event, data = row.event, mended or row.mended
        if data:
            event = replace(event, data=data, version=self.kind.declared.version)
        self.taker.take(event)
        self.letters.remove(row)
