"""One attempt at a task or a compensation: what its body is given, and who takes its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from duetto.authoring.context import TaskContext
from duetto.kernel.fold import RunState
from duetto.model.token import Value, task_key
from duetto.runtime.tasks import TaskHandle

UNDO_SUFFIX = "!undo"
"""Marks the idempotency key of a compensation, which is otherwise that of its task."""

Place = tuple[str, str, int]
"""Run, path and step: what names a task."""


class Attempt(Struct, eq=False):
    """One attempt at the task or, with `undo`, at the compensation of a place.

    `token` is the path of the token that waits for it here, None where it rests elsewhere or
    nobody waits. `arguments` are as they are stored, made from the variables `stored` at the first
    question. `then` takes the end; `took` is microseconds.
    """

    run: RunState
    path: str
    step: int
    handle: TaskHandle
    then: Then
    token: str | None = None
    number: int = 1
    arguments: bytes = b""
    stored: tuple[Value, ...] = ()
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    deadline_ms: int = 0
    undo: bool = False
    took: int = 0
    report: Callable[[Attempt, object], None] | None = None
    asked: TaskContext | None = None

    @property
    def place(self) -> Place:
        """What names the task."""
        return self.run.id, self.path, self.step

    @property
    def packed(self) -> bytes:
        """The arguments as they are stored."""
        if not self.arguments and self.stored:
            self.arguments = self.handle.codec.tuple_of([value.data for value in self.stored])
        return self.arguments

    @property
    def context(self) -> TaskContext:
        """What the body may ask; most never do, so it is made at the first question."""
        if self.asked is None:
            key = task_key(*self.place)
            self.asked = TaskContext(
                task=self.handle.name,
                key=key + UNDO_SUFFIX if self.undo else key,
                run=self.run.id,
                path=self.path,
                attempt=self.number,
                deadline_ms=self.deadline_ms,
                report=self._report,
            )
        return self.asked

    def next(self) -> Attempt:
        """Return the next attempt at the same."""
        return Attempt(
            self.run,
            self.path,
            self.step,
            self.handle,
            self.then,
            self.token,
            self.number + 1,
            self.packed,
            (),
            self.args,
            self.kwargs,
            self.deadline_ms,
            self.undo,
        )

    def _report(self, value: object) -> None:
        if self.report is not None:
            self.report(self, value)


Then = Callable[[Attempt, Any, BaseException | None], None]
"""Takes the end of an attempt: its result, or its error."""
