"""Pools, clients and other things that live as long as the app, given to tasks by type."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from duetto.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Marker:
    """The default of a parameter that is injected; only its presence counts."""

    def __repr__(self) -> str:
        return "resource()"


MARKER = Marker()


def resource() -> Any:
    """Mark a keyword-only parameter of a task as injected: `*, shop: Workshop = resource()`.

    Typed Any, so that callers need not pass it; a parameter specification cannot lose a parameter.
    """
    return MARKER


@dataclass(frozen=True, slots=True)
class Provider:
    """One thing given to `App(resources=[...])`: the type it gives, and how it is opened."""

    gives: type
    open: Callable[[], AbstractAsyncContextManager[object]] | None = None
    instance: object = None

    @classmethod
    def of(cls, given: object) -> Provider:
        """Read what was given: an instance, a context manager class, or what makes one."""
        if isinstance(given, Provider):
            return given
        if isinstance(given, type):
            return cls(entered_type(given), opener(given))
        if inspect.isroutine(given):
            return cls(yielded_type(given), opener(given))
        return cls(type(given), instance=given)

    def manager(self) -> AbstractAsyncContextManager[object]:
        """Return what holds the thing open; an instance is its giver's to close."""
        return self.open() if self.open else unopened(self.instance)


@asynccontextmanager
async def unopened(instance: object) -> AsyncGenerator[object]:
    """Hold an instance, and leave it as it is."""
    yield instance


def opener(given: Callable[..., Any]) -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return the call that makes the context manager, which must need no arguments."""
    needed = [
        name
        for name, parameter in inspect.signature(given).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise unusable(given, f"arguments: {', '.join(needed)}", "a function without arguments")
    return given


def entered_type(given: type) -> type:
    """Return the type that a context manager class gives when it is entered."""
    enter = getattr(given, "__aenter__", None)
    if enter is None:
        raise unusable(given, "a class", "an instance, or an async context manager")
    gives = hints_of(enter).get("return")
    return gives if isinstance(gives, type) and gives is not object else given


def yielded_type(given: Callable[..., Any]) -> type:
    """Return the type that an `@asynccontextmanager` function yields, by its annotation."""
    made = getattr(given, "__wrapped__", None)
    if made is None or not inspect.isasyncgenfunction(made):
        raise unusable(given, "a function", "one decorated with `@asynccontextmanager`")
    arguments = get_args(hints_of(made).get("return"))
    gives = arguments[0] if arguments else None
    gives = getattr(gives, "__origin__", gives)
    if not isinstance(gives, type):
        raise unusable(given, "no type that it yields", "`-> AsyncIterator[Pool]`")
    return gives


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations, or none where a name in them is only known to type checkers."""
    try:
        return get_type_hints(function)
    except NameError:
        return {}


def unusable(given: object, found: str, expected: str) -> ConfigurationError:
    """Return the error for what cannot be a resource."""
    name = getattr(given, "__qualname__", repr(given))
    return ConfigurationError(
        f"`{name}` cannot be used as a resource.",
        found=found,
        expected=expected,
        do="see `App(resources=[...])`",
    )


def providers(given: Iterable[object]) -> dict[type, Provider]:
    """Return the providers by type; two of one type are refused."""
    found: dict[type, Provider] = {}
    for one in given:
        provider = Provider.of(one)
        if provider.gives in found:
            raise ConfigurationError(
                f"Two resources are a `{provider.gives.__qualname__}`.",
                found=f"{provider.gives.__qualname__} twice in resources=[...]",
                expected="one resource for each type",
                do="give one, or make a subclass to tell them apart",
            )
        found[provider.gives] = provider
    return found


@asynccontextmanager
async def open_resources(given: Iterable[object]) -> AsyncGenerator[dict[type, object]]:
    """Open all, in order, and close them in the reverse order; the value is keyed by type."""
    async with AsyncExitStack() as stack:
        opened: dict[type, object] = {}
        for gives, provider in providers(given).items():
            opened[gives] = await stack.enter_async_context(provider.manager())
        yield opened


def find_type(wanted: type, offered: Iterable[type], *, for_: str) -> type:
    """Return the type that is `wanted`, or the only one below it."""
    types = list(offered)
    if wanted in types:
        return wanted
    below = [one for one in types if issubclass(one, wanted)]
    if len(below) == 1:
        return below[0]
    names = ", ".join(sorted(one.__qualname__ for one in below or types)) or "no resource"
    raise ConfigurationError(
        f"{for_} needs a `{wanted.__qualname__}`, "
        + ("and several resources are one." if below else "and no resource is one."),
        found=names,
        expected=f"one resource that is a `{wanted.__qualname__}`",
        do="annotate the parameter with one of them"
        if below
        else "add it to `App(resources=[...])`",
    )


def find_resource(resources: Mapping[type, object], wanted: type, *, for_: str) -> object:
    """Return the resource of a type; `for_` names who asks, for the error."""
    return resources[find_type(wanted, resources, for_=for_)]


direct: ContextVar[Mapping[type, object]] = ContextVar("duetto_direct_resources")


@contextmanager
def provided(*instances: object) -> Generator[None]:
    """Give resources to tasks that are called directly: `with provided(shop): await reserve(o)`."""
    before = direct.get({})
    token = direct.set({**before, **{type(one): one for one in instances}})
    try:
        yield
    finally:
        direct.reset(token)


def direct_resource(wanted: type, *, for_: str, name: str) -> object:
    """Return what a direct call gets for a parameter that it was not passed."""
    offered = direct.get({})
    if not offered:
        raise ConfigurationError(
            f"{for_} needs a `{wanted.__qualname__}` as `{name}`.",
            found="a direct call without it",
            expected=f"{name}=…, or resources for direct calls",
            do=f"pass `{name}=…`, or call it in `with provided(…):`",
        )
    return find_resource(offered, wanted, for_=for_)
