"""One call of a handler's body for an event, as an invoker runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from duetto.authoring.context import TaskContext
from duetto.model.event import Event, Held
from duetto.runtime.lane import Lane
from duetto.runtime.tasks import TaskHandle


class Reaction(Struct, eq=False):
    """An event that a handler is taking. It came by a `lane`, or is the row `held`."""

    handle: TaskHandle
    event: Event
    lane: Lane | None
    held: Held | None
    then: Callable[[Reaction, Any, BaseException | None], None]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    took: int = 0
    asked: TaskContext | None = None

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.held.attempts + 1 if self.held is not None else 1

    @property
    def name(self) -> str:
        """What names the event, and which time it is that it is handled."""
        return self.held.name if self.held is not None else self.event.name

    @property
    def context(self) -> TaskContext:
        """What the body may ask; the key is the same at every attempt."""
        if self.asked is None:
            event = self.event
            self.asked = TaskContext(
                task=self.handle.name,
                key=f"{self.handle.name}:{self.name}",
                run=event.correlation or event.name,
                path="",
                attempt=self.attempt,
                deadline_ms=event.deadline,
                trace=event.trace,
            )
            self.asked.statements = []
        return self.asked
