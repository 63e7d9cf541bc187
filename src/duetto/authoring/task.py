"""An operation of a service: its body, its options, and what undoes it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import cached_property
from itertools import count
from typing import (
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    TypeVarTuple,
    get_origin,
    get_type_hints,
    overload,
)

from duetto.authoring.context import Slot, TaskContext, current_slot
from duetto.authoring.direct import outside_sagas, undoable
from duetto.authoring.names import checked_count, checked_name, checked_seconds
from duetto.authoring.resources import MARKER, direct_resource
from duetto.authoring.retry import Retry
from duetto.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
Ts = TypeVarTuple("Ts")

Body = Callable[..., Any]
Limit = float | timedelta | None

direct_calls = count(1)
"""Numbers the direct calls of this process, so that each has a key of its own."""


class Owner(Protocol):
    """The service of a task, as the task needs it."""

    name: str
    store: str | None
    concurrency: int | None
    tasks: dict[str, Task[..., Any]]

    def add(self, task: Task[..., Any]) -> None:
        """Register a task under its name; raises where the name is taken."""
        ...


class UndoDecorator(Protocol[S, *Ts]):
    """What `compensate(retry=…)` returns: takes the result, or the result and the arguments."""

    @overload
    def __call__(self, undo: Callable[[S], Coroutine[Any, Any, None]], /) -> Task[[S], None]: ...
    @overload
    def __call__(
        self, undo: Callable[[S, *Ts], Coroutine[Any, Any, None]], /
    ) -> Task[..., None]: ...


class Task(Generic[P, R]):
    """A task; called outside Duetto it is the plain function, in memory, with one attempt."""

    def __init__(
        self,
        body: Body,
        service: Owner,
        *,
        name: str = "",
        retry: Retry | None = None,
        timeout: Limit = None,
        concurrency_max: int | None = None,
        undoes: Task[..., Any] | None = None,
    ) -> None:
        self.name = checked_name("task", name or body.__name__)
        self.service = service
        self.qualified = f"{service.name}.{self.name}"
        self.body = body
        self.is_async = inspect.iscoroutinefunction(body)
        self.signature = inspect.signature(body)
        self.retry = retry or Retry()
        self.timeout_s = checked_seconds(self.qualified, timeout)
        self.concurrency_max = checked_count(
            f"concurrency_max of {self.qualified}", concurrency_max
        )
        self.undoes = undoes
        self.undo: Task[..., Any] | None = None
        self.look_up: Task[[str], R | None] | None = None
        self.injected = injected_names(self.qualified, self.signature)
        self.parameters: tuple[inspect.Parameter, ...] = tuple(
            parameter
            for name, parameter in self.signature.parameters.items()
            if name not in self.injected
        )
        # What `inspect`, documentation and tracebacks read of a decorated function.
        self.__name__, self.__qualname__ = body.__name__, body.__qualname__
        self.__doc__, self.__module__ = body.__doc__, body.__module__
        self.__wrapped__ = body

    def __repr__(self) -> str:
        return f"<task {self.qualified}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return self._called(args, kwargs)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The annotations, resolved at first use: a class may stand below the task that uses it."""
        try:
            return get_type_hints(self.body, include_extras=True)
        except NameError as error:
            raise ConfigurationError(
                f"An annotation of {self.qualified} cannot be resolved.",
                found=f"`{error.name}`",
                expected="names of the task's module",
                do=f"import or define `{error.name}` at the top of the module, at run time too",
            ) from error

    @cached_property
    def resources(self) -> dict[str, type]:
        """The parameters that are injected, and the classes by which."""
        return {name: injected_class(self, name) for name in self.injected}

    @cached_property
    def arguments(self) -> inspect.Signature:
        """The signature as workflows see it, without what is injected."""
        return inspect.Signature(self.parameters)

    @overload
    def compensate(self, undo: Callable[[R], Coroutine[Any, Any, None]], /) -> Task[[R], None]: ...
    @overload
    def compensate(
        self, undo: Callable[Concatenate[R, P], Coroutine[Any, Any, None]], /
    ) -> Task[Concatenate[R, P], None]: ...
    @overload
    def compensate(
        self: Callable[[*Ts], Coroutine[Any, Any, S]],
        undo: Callable[[S, *Ts], Coroutine[Any, Any, None]],
        /,
    ) -> Task[..., None]: ...
    @overload
    def compensate(
        self: Callable[[*Ts], Coroutine[Any, Any, S]],
        /,
        *,
        retry: Retry | None = None,
        timeout: Limit = None,
        name: str = "",
    ) -> UndoDecorator[S, *Ts]: ...
    def compensate(
        self,
        undo: Any = None,
        /,
        *,
        retry: Retry | None = None,
        timeout: Limit = None,
        name: str = "",
    ) -> Any:
        """Declare what undoes this task: it gets the result, or the result and the arguments.

        It retries like the task unless told otherwise.
        """

        def declare(undo: Body) -> Task[..., None]:
            task = Task[..., None](
                undo,
                self.service,
                name=name,
                retry=retry or self.retry,
                timeout=timeout,
                undoes=self,
            )
            self._undone_by(task)
            return task

        return declare if undo is None else declare(undo)

    def lookup(
        self, find: Callable[..., Coroutine[Any, Any, R | None]], /
    ) -> Task[[str], R | None]:
        """Declare how to find out what a task that was interrupted did.

        The function gets the idempotency key, and returns the result, or None where the task
        never took effect. It is asked instead of running the task again.
        """
        if self.look_up is not None:
            raise declared_twice(self, "look-up", self.look_up.name, find.__name__)
        task = Task[[str], R | None](find, self.service, retry=self.retry)
        if len(task.parameters) != 1 or not task.is_async:
            raise ConfigurationError(
                f"The look-up of {self.qualified} does not fit.",
                found=f"{find.__name__}{task.signature}",
                expected=f"async def {find.__name__}(key: str) -> its result or None",
            )
        self.look_up = task
        return task

    def undo_arguments(
        self, result: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the compensation is called with, as its signature wants it."""
        assert self.undo is not None, f"{self.qualified} has no compensation"
        if takes_result_only(self.undo):
            return (result,), {}
        bound = self.arguments.bind(*args, **kwargs)
        bound.apply_defaults()
        return (result, *bound.args), bound.kwargs

    def _undone_by(self, task: Task[..., None]) -> None:
        if self.undoes is not None:
            raise ConfigurationError(
                f"{self.qualified} undoes {self.undoes.qualified}, and is not undone itself.",
                found=f"@{self.name}.compensate",
                expected="the compensation of a task",
            )
        if self.undo is not None:
            raise declared_twice(self, "compensation", self.undo.name, task.name)
        if not takes_result_only(task) and len(task.parameters) != 1 + len(self.parameters):
            wanted = ", ".join(["result", *(parameter.name for parameter in self.parameters)])
            raise ConfigurationError(
                f"The compensation of {self.qualified} does not fit.",
                found=f"{task.name}{task.arguments}",
                expected=f"{task.name}(result) or {task.name}({wanted})",
            )
        self.service.add(task)
        self.undo = task

    async def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        given = {
            name: direct_resource(self.resources[name], for_=self.qualified, name=name)
            for name in self.injected
            if name not in kwargs
        }
        context = TaskContext(task=self.qualified, key=f"direct:{next(direct_calls)}")
        work = self._run(context, args, {**kwargs, **given})
        if self.undo is None:
            return await outside_sagas(work)
        undo = self.undo
        own = {name: value for name, value in kwargs.items() if name not in self.injected}

        async def undone(result: R) -> None:
            undo_args, undo_kwargs = self.undo_arguments(result, args, own)
            await undo(*undo_args, **undo_kwargs)

        return await undoable(self.qualified, work, undone, context.cancel)

    async def _run(self, context: TaskContext, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        token = current_slot.set(Slot(context))
        try:
            if self.is_async:
                return await self.body(*args, **kwargs)
            return await asyncio.to_thread(self.body, *args, **kwargs)
        finally:
            current_slot.reset(token)


def takes_result_only(undo: Task[..., Any]) -> bool:
    """Does a compensation take the result alone?"""
    return len(undo.parameters) == 1


def injected_names(task: str, signature: inspect.Signature) -> tuple[str, ...]:
    """Return the parameters that are marked by `resource()`; they are keyword-only."""
    found = [each for each in signature.parameters.values() if each.default is MARKER]
    for parameter in found:
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise ConfigurationError(
                f"The resource `{parameter.name}` of {task} can be mistaken for an argument.",
                found=f"{parameter}",
                expected="a keyword-only parameter",
                do=f"write `*, {parameter.name}: … = resource()`",
            )
    return tuple(parameter.name for parameter in found)


def injected_class(task: Task[..., Any], name: str) -> type:
    """Return the class by which a parameter is injected."""
    hint = task.hints.get(name)
    wanted = get_origin(hint) or hint
    if isinstance(wanted, type):
        return wanted
    raise ConfigurationError(
        f"The resource `{name}` of {task.qualified} has no class.",
        found=f"{task.signature.parameters[name]}",
        expected="a class as its annotation",
        do=f"write `{name}: Pool = resource()`",
    )


def declared_twice(task: Task[..., Any], what: str, first: str, second: str) -> ConfigurationError:
    """Return the error for a second compensation or look-up of one task."""
    return ConfigurationError(
        f"{task.qualified} has two of what it can have once, a {what}.",
        found=f"{first}, {second}",
        expected=f"one {what}",
        do="remove one",
    )
