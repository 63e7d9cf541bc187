"""What a task's body can ask about the call that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol

from duetto.errors import ConfigurationError

Report = Callable[[object], None]


def keep_nothing(value: object) -> None:
    """Drop a progress report: a direct call has no history to keep it in."""


class TaskContext:
    """The run, path and idempotency key of a call, its attempt, deadline and cancel notice.

    `trace` is the W3C `traceparent` that a handler's event carries, "" for none; `run` is then
    what the event belongs to.

    A cancel is a notice, never a kill: what a body did and did not do must be known (it is then
    undone). A long body looks at `cancelled`, or awaits `wait_cancelled()`, and ends early.
    """

    __slots__ = (
        "_cancelled",
        "_notice",
        "_report",
        "attempt",
        "deadline_ms",
        "key",
        "path",
        "run",
        "statements",
        "task",
        "trace",
    )

    def __init__(
        self,
        *,
        task: str,
        key: str,
        run: str = "",
        path: str = "/",
        attempt: int = 1,
        deadline_ms: int = 0,
        trace: str = "",
        report: Report = keep_nothing,
    ) -> None:
        self.task, self.key, self.run, self.path = task, key, run, path
        self.trace = trace
        self.statements: list[tuple[str, tuple[object, ...]]] | None = None
        """What a handler executes on its service's tables at its end; None for what is none."""
        self.attempt, self.deadline_ms = attempt, deadline_ms
        self._report = report
        self._cancelled = False
        # Most bodies never wait for the notice, so the event is made for those who do.
        self._notice: asyncio.Event | None = None

    @property
    def deadline(self) -> datetime | None:
        """When the result comes too late; None where there is no limit."""
        if not self.deadline_ms:
            return None
        return datetime.fromtimestamp(self.deadline_ms / 1000, UTC)

    @property
    def cancelled(self) -> bool:
        """Has the caller lost interest? A body in a thread may ask as well."""
        return self._cancelled

    async def wait_cancelled(self) -> None:
        """Return when the caller has lost interest."""
        if self._cancelled:
            return
        if self._notice is None:
            self._notice = asyncio.Event()
        await self._notice.wait()

    def progress(self, value: object) -> None:
        """Say how far the work is: kept with the run, and shown."""
        self._report(value)

    def cancel(self) -> None:
        """Give the notice; the runtime calls it, in the loop of the body."""
        self._cancelled = True
        if self._notice is not None:
            self._notice.set()


class Call(Protocol):
    """A call under way: it has a context."""

    @property
    def context(self) -> TaskContext: ...


class Slot:
    """Holds the call under way, or its context.

    The runtime changes the slot for each call: setting the ContextVar anew costs it more, and so
    does making a context for which nobody asks.
    """

    __slots__ = ("_context", "call")

    def __init__(self, context: TaskContext | None = None) -> None:
        self._context = context
        self.call: Call | None = None

    @property
    def context(self) -> TaskContext | None:
        """The context of the call under way."""
        return self.call.context if self.call is not None else self._context


current_slot: ContextVar[Slot | None] = ContextVar("duetto_task_slot", default=None)


def context() -> TaskContext:
    """Return the context of the task whose body is running."""
    slot = current_slot.get()
    if slot is None or slot.context is None:
        raise ConfigurationError(
            "There is no task here.",
            found="context() outside the body of a task",
            expected="a call from a task, or from what it calls",
            do="ask in the task, and pass what is needed as an argument",
        )
    return slot.context
