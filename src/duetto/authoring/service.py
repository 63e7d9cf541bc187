"""A named owner of tasks and of handlers of events."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from duetto.authoring.batch import Batch
from duetto.authoring.handler import Handler
from duetto.authoring.names import checked_count, checked_name
from duetto.authoring.retry import Retry
from duetto.authoring.task import Body, Task
from duetto.authoring.window import Window, WindowFunction
from duetto.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E")


class TaskDecorator(Protocol):
    """What `service.task(retry=…)` returns."""

    @overload
    def __call__(self, body: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, body: Callable[P, R], /) -> Task[P, R]: ...


class Service:
    """A service; `store` gives it a store of its own, `concurrency` bounds its tasks at a time.

    `tables` is SQL that is executed in its store at each start, before anything else: `CREATE TABLE
    IF NOT EXISTS …`. Handlers use them as `Tables`.
    """

    def __init__(
        self,
        name: str,
        *,
        store: str | None = None,
        concurrency: int | None = None,
        tables: str = "",
    ) -> None:
        self.name = checked_name("service", name)
        self.store, self.tables = store, tables
        self.concurrency = checked_count(f"concurrency of {name}", concurrency)
        self.tasks: dict[str, Task[..., Any]] = {}
        self.handlers: dict[str, Handler] = {}
        self.windows: dict[str, WindowFunction] = {}

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

    @overload
    def on(
        self,
        *events: type[E],
        name: str = "",
        retry: Retry | None = None,
        timeout: float | timedelta | None = None,
        concurrency_max: int | None = None,
        ordered: bool = True,
        batch: None = None,
    ) -> Callable[[Callable[Concatenate[E, ...], Any]], Handler]: ...
    @overload
    def on(
        self,
        *events: type[E],
        name: str = "",
        retry: Retry | None = None,
        timeout: float | timedelta | None = None,
        concurrency_max: int | None = None,
        ordered: bool = True,
        batch: Batch,
    ) -> Callable[[Callable[Concatenate[list[E], ...], Any]], Handler]: ...
    def on(
        self,
        *events: type[Any],
        name: str = "",
        retry: Retry | None = None,
        timeout: float | timedelta | None = None,
        concurrency_max: int | None = None,
        ordered: bool = True,
        batch: Batch | None = None,
    ) -> Callable[[Callable[..., Any]], Handler]:
        """Make a function the handler of an event, or of several: `@service.on(Paid, Refused)`.

        Its return annotation declares what it may publish: `A | B`, `None`, or an async iterator.
        Events of one key are handled in their order unless `ordered=False`; one that keeps failing
        becomes a dead letter, and the later ones of its key wait behind it. With
        `batch=Batch(100, wait_ms=50)` the function takes a list: one call and one commit for all of
        it, and where that fails, one for each.
        """

        def declare(body: Callable[..., Any]) -> Handler:
            handler = Handler(
                body,
                self,
                events,
                name=name,
                retry=retry,
                timeout=timeout,
                concurrency_max=concurrency_max,
                ordered=ordered,
                batch=batch,
            )
            taken = self.handlers.get(handler.name) or self.tasks.get(handler.name)
            if taken is not None:
                raise ConfigurationError(
                    f"{self.name} has two handlers or tasks `{handler.name}`.",
                    found=f"{where(taken)}, {where(handler)}",
                    expected="one of a name in a service",
                    do="rename one, or give it a name: `on(…, name=…)`",
                )
            self.handlers[handler.name] = handler
            return handler

        return declare

    def window(
        self,
        event: type[E],
        /,
        *,
        size: timedelta,
        by: str = "",
        id: str = "",
        position: str = "",
        lateness: timedelta | None = None,
        late: Callable[[E], Any] | None = None,
        name: str = "",
    ) -> Callable[[Callable[[Window[E]], Any]], WindowFunction]:
        """Make a function that gets the events of each stretch of time, and makes an event of them.

        The stretches are `size` long and lie end to end; `by` names the field of their key. `id`
        names the field by which an event counts once, and of two the one whose field `position` is
        lower. A window is shown when events have passed it by `lateness`, or, without, when its
        input has ended; what comes for it later corrects it. What is late is a dead letter, unless
        `late` says which event is made of it: a class whose instances are made of one, or a
        function. The function must be pure. Raises ConfigurationError.
        """

        def declare(body: Callable[[Window[E]], Any]) -> WindowFunction:
            function = WindowFunction(
                body,
                self.name,
                event,
                size=size,
                by=by,
                id=id,
                position=position,
                lateness=lateness,
                late=late,
                name=name,
            )
            if function.name in (*self.handlers, *self.windows, *self.tasks):
                raise ConfigurationError(
                    f"{self.name} has two handlers, windows or tasks `{function.name}`.",
                    expected="one of a name in a service",
                    do="rename one, or give it a name: `window(…, name=…)`",
                )
            self.windows[function.name] = function
            return function

        return declare

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


def where(task: Task[..., Any] | Handler) -> str:
    """Return where the body of a task, or of a handler, stands."""
    code = getattr(task.body, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(task.body)
