"""A named owner of tasks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from duetto.authoring.names import checked_count, checked_name
from duetto.authoring.retry import Retry
from duetto.authoring.task import Body, Task
from duetto.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")


class TaskDecorator(Protocol):
    """What `service.task(retry=…)` returns."""

    @overload
    def __call__(self, body: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, body: Callable[P, R], /) -> Task[P, R]: ...


class Service:
    """A service; `store` gives it a store of its own, `concurrency` bounds its tasks at a time."""

    def __init__(
        self, name: str, *, store: str | None = None, concurrency: int | None = None
    ) -> None:
        self.name = checked_name("service", name)
        self.store = store
        self.concurrency = checked_count(f"concurrency of {name}", concurrency)
        self.tasks: dict[str, Task[..., Any]] = {}

    def __repr__(self) -> str:
        return f"<service {self.name}>"

    @overload
    def task(self, body: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, body: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        /,
        *,
        name: str = "",
        retry: Retry | None = None,
        timeout: float | timedelta | None = None,
        concurrency_max: int | None = None,
    ) -> TaskDecorator: ...
    def task(
        self,
        body: Any = None,
        /,
        *,
        name: str = "",
        retry: Retry | None = None,
        timeout: float | timedelta | None = None,
        concurrency_max: int | None = None,
    ) -> Any:
        """Make a function a task of this service; a synchronous one runs in a thread."""

        def declare(body: Body) -> Task[..., Any]:
            task = Task[..., Any](
                body,
                self,
                name=name,
                retry=retry,
                timeout=timeout,
                concurrency_max=concurrency_max,
            )
            self.add(task)
            return task

        return declare if body is None else declare(body)

    def add(self, task: Task[..., Any]) -> None:
        """Register a task under its name; raises where the name is taken."""
        if taken := self.tasks.get(task.name):
            raise ConfigurationError(
                f"{self.name} has two tasks `{task.name}`.",
                found=f"{where(taken)}, {where(task)}",
                expected="one task of a name in a service",
                do="rename one, or give it a name: `task(name=…)`",
            )
        self.tasks[task.name] = task


def where(task: Task[..., Any]) -> str:
    """Return where the body of a task stands."""
    code = getattr(task.body, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(task.body)
