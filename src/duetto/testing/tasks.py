"""Mocks of tasks, and the calls that were made: of which task, with what, under which key."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar, TypeVarTuple, cast, overload

from duetto.authoring.context import context
from duetto.authoring.names import seconds_of
from duetto.authoring.task import Task
from duetto.errors import ConfigurationError

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

Body = Callable[..., Awaitable[Any]]

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a task: `args` are all its arguments, in the order of the parameters.

    The attempts at one task of a run share its idempotency key, `key`.
    """

    task: str
    key: str
    args: tuple[Any, ...]
    attempt: int
    run: str


class Mock(Generic[R, *Ts]):
    """What stands in for a task; a result is stored as the task's own would be.

    The word that was said last counts. Without one it behaves as the task itself.
    """

    def __init__(self, task: Task[..., R]) -> None:
        self.task = task
        self.body: Body | None = None
        self.takes_s = 0.0

    def takes(self, duration: float | timedelta) -> Mock[R, *Ts]:
        """Let each attempt last seconds, or a timedelta, before it does what else is said.

        Nobody interrupts it but its time limit: who waits no more may find its effect there.
        """
        self.takes_s = seconds_of(duration)
        return self

    def returns(self, result: R) -> Mock[R, *Ts]:
        """Let each call return a result."""
        return self.sequence(result)

    def raises(self, error: BaseException) -> Mock[R, *Ts]:
        """Let each attempt raise an error; it is retried as the task says."""
        return self.sequence(error)

    def sequence(self, *outcomes: R | BaseException) -> Mock[R, *Ts]:
        """Return the results and raise the errors, one for each attempt; the last one stays.

        A key that has its result gets it again, as from a service that is idempotent.
        """
        if not outcomes:
            raise ConfigurationError(
                f"The sequence of {self.task.qualified} is empty.",
                expected="a result or an error for each attempt",
            )
        left, given = list(outcomes), dict[str, R]()

        async def body(*_: Any, **__: Any) -> R:
            key = context().key
            if key in given:
                return given[key]
            outcome = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(outcome, BaseException):
                raise outcome
            return given.setdefault(key, outcome)

        self.body = body
        return self

    def hangs(self) -> Mock[R, *Ts]:
        """Let each attempt go on until its time limit, or for ever."""

        async def body(*_: Any, **__: Any) -> R:
            return await asyncio.get_running_loop().create_future()

        self.body = body
        return self

    def calls(self, body: Callable[[*Ts], Awaitable[R]] | Callable[[*Ts], R]) -> Mock[R, *Ts]:
        """Let a function do the work; it takes what the task takes, without its resources."""

        async def called(*args: Any, **kwargs: Any) -> Any:
            result = cast("Body", body)(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        self.body = called
        return self


AnyMock = Mock[Any, *tuple[Any, ...]]


class TaskMocks:
    """The tasks that are mocked, and all calls, mocked or not. Direct calls are neither."""

    def __init__(self) -> None:
        self._mocks: dict[Task[..., Any], AnyMock] = {}
        self.made: list[Call] = []
        """All calls, in order."""

    @overload
    def mock(self, task: Callable[[*Ts], Coroutine[Any, Any, R]]) -> Mock[R, *Ts]: ...
    @overload
    def mock(self, task: Task[..., R]) -> Mock[R, *tuple[Any, ...]]: ...
    def mock(self, task: Any) -> Any:
        """Let something else be called for a task, in every app of this test."""
        if not isinstance(task, Task):
            raise ConfigurationError(
                "Only a task can be mocked.",
                found=getattr(task, "__qualname__", repr(task)),
                expected="a function decorated with `@service.task`",
            )
        mocked = cast("Task[..., Any]", task)
        return self._mocks.setdefault(mocked, Mock(mocked))

    def calls(self, task: Task[..., Any]) -> list[Call]:
        """Return the attempts at a task, in order."""
        return [call for call in self.made if call.task == task.qualified]

    def is_mocked(self, task: Task[..., Any]) -> bool:
        """Return whether something else is called for a task."""
        return self.body(task) is not None

    def body(self, task: Task[..., Any]) -> Body | None:
        """Return what is called for a task, None where it is the task itself."""
        mock = self._mocks.get(task)
        return mock.body if mock is not None else None

    def takes_s(self, task: Task[..., Any]) -> float:
        """Return how long each attempt at a task is to last."""
        mock = self._mocks.get(task)
        return mock.takes_s if mock is not None else 0.0
