"""A handler: a function of a service that is called for each event of the types it listens to."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import timedelta
from functools import cached_property, wraps
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from duetto.authoring.batch import Batch
from duetto.authoring.event import declared_event
from duetto.authoring.retry import Retry
from duetto.authoring.task import Owner, Task
from duetto.errors import ConfigurationError, ValueRefused

MANY = (AsyncIterator, AsyncIterable)

PUBLISHED_MAX = 10_000
"""Events that one call of a handler may publish: they are one commit."""

RETRY = Retry(attempts_max=5, delay_ms=100, factor=4.0, delay_max_ms=60_000)
"""The first again soon, the last within half a minute; then the event is a dead letter."""


class Handler:
    """A handler of a service. Its return annotation declares what it may publish.

    `ordered` says whether events of one key are handled one after the other, in their order. With a
    `batch` the body takes a list of events.
    """

    def __init__(
        self,
        body: Callable[..., Any],
        service: Owner,
        events: tuple[type, ...],
        *,
        name: str = "",
        retry: Retry | None = None,
        timeout: float | timedelta | None = None,
        concurrency_max: int | None = None,
        ordered: bool = True,
        batch: Batch | None = None,
    ) -> None:
        where = f"the handler {service.name}.{name or body.__name__}"
        if not events:
            raise ConfigurationError(
                f"{where[4:].capitalize()} listens to nothing.",
                found="on()",
                expected="one event or several: `on(OrderPlaced)`",
            )
        self.events = {declared_event(each, where=where).name: each for each in events}
        self.many = inspect.isasyncgenfunction(body)
        self.task = Task[..., Any](
            _collecting(body) if self.many else body,
            service,
            name=name,
            retry=retry or RETRY,
            timeout=timeout,
            concurrency_max=concurrency_max,
        )
        self.body, self.service, self.ordered, self.batch = body, service, ordered, batch
        self.name, self.qualified = self.task.name, self.task.qualified
        self.__name__, self.__qualname__ = body.__name__, body.__qualname__
        self.__doc__, self.__module__ = body.__doc__, body.__module__
        self.__wrapped__ = body
        if len(self.task.parameters) != 1:
            raise ConfigurationError(
                f"The handler {self.qualified} does not fit.",
                found=f"{body.__name__}{inspect.signature(body)}",
                expected=f"async def {body.__name__}({self._parameter})",
                do="take the event; resources are keyword-only: `*, pool: Pool = resource()`",
            )

    def __repr__(self) -> str:
        return f"<handler {self.qualified}>"

    def __call__(self, event: Any, **resources: Any) -> Any:
        """Call the body as it is, as a unit test does."""
        return self.body(event, **resources)

    @property
    def _parameter(self) -> str:
        """What the body takes, as its source spells it."""
        kinds = " | ".join(sorted(kind.__qualname__ for kind in self.events.values()))
        return f"events: list[{kinds}]" if self.batch else f"event: {kinds}"

    @cached_property
    def publishes(self) -> dict[str, type]:
        """What it may publish, by topic. Raises ConfigurationError for what is no event."""
        hints = self.task.hints
        if "return" not in hints:
            raise ConfigurationError(
                f"The handler {self.qualified} does not say what it publishes.",
                found="no return annotation",
                expected="`-> A`, `-> A | B`, `-> None`, or `-> AsyncIterator[A]`",
                do="annotate it: what it publishes is known before anything runs",
            )
        where = f"what {self.qualified} publishes"
        kinds = [kind for kind in united(_item(hints["return"])) if kind is not NoneType]
        return {declared_event(kind, where=where).name: kind for kind in kinds}

    @property
    def may_end(self) -> bool:
        """Whether a call may publish nothing: it may return None, or what may be empty."""
        hint = self.task.hints.get("return")
        return _item(hint) is not hint or hint is NoneType or NoneType in united(hint)

    def published(self, result: object) -> list[object]:
        """Return the events in what a call returned. Raises ValueRefused for others."""
        found: list[Any] = [result]
        if result is None:
            found = []
        elif isinstance(result, list | tuple):
            found = [*result]
        for each in found:
            if type(each) not in self.publishes.values():
                raise ValueRefused(
                    f"{self.qualified} may not publish what it returned.",
                    found=type(each).__qualname__,
                    expected=" or ".join(kind.__qualname__ for kind in self.publishes.values())
                    or "None",
                    do="declare it in the return annotation of the handler",
                )
        return found

    def check(self) -> None:
        """Raise ConfigurationError where the annotations do not fit; an app does so when made."""
        assert self.publishes is not None
        hint = self.task.hints.get(self.task.parameters[0].name)
        if hint is None or hint is Any:
            return
        taken: Any = hint
        if self.batch is not None:
            taken = get_args(hint)[0] if get_origin(hint) is list and get_args(hint) else None
        if set(united(taken)) != set(self.events.values()):
            raise ConfigurationError(
                f"The handler {self.qualified} takes other events than it listens to.",
                found=f"{self.task.parameters[0]}",
                expected=self._parameter,
                do="write the same in `on(…)` and in the annotation",
            )


def united(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or what is none as the only one."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _item(hint: Any) -> Any:
    """Return what an iterator, or a list, is of; any other annotation as it is."""
    if get_origin(hint) in (*MANY, list):
        return get_args(hint)[0]
    return hint


def _collecting(body: Callable[..., AsyncIterator[Any]]) -> Callable[..., Any]:
    """Return a coroutine function that collects what an iterator publishes."""

    @wraps(body)
    async def collected(*args: Any, **kwargs: Any) -> list[Any]:
        found: list[Any] = []
        async for each in body(*args, **kwargs):
            found.append(each)
            if len(found) > PUBLISHED_MAX:
                raise ValueRefused(
                    f"{body.__qualname__} publishes too many events at once.",
                    found=f"more than {PUBLISHED_MAX:,}",
                    expected=f"at most {PUBLISHED_MAX:,} (PUBLISHED_MAX) a call: one commit",
                    do="publish an event that tells of the rest, and go on in its handler",
                )
        return found

    return collected
