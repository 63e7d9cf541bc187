"""Upcasters: what makes an event of today of one that was published in an earlier version."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

from msgspec import Struct

from duetto.authoring.event import event_type
from duetto.errors import ConfigurationError

Old = TypeVar("Old")
New = TypeVar("New")

ATTRIBUTE = "__duetto_upcasters__"
"""Where a class keeps its upcasters, by the version that each reads."""


class Upcaster(Struct, frozen=True):
    """What makes an event of today of one that has the shape of `old`."""

    old: type
    make: Callable[[Any], Any]


def upcast(version: int) -> Callable[[Callable[[Old], New]], Callable[[Old], New]]:
    """Declare how an event of an earlier version is read: `@upcast(1)` above `def
    placed_before(old: PlacedBefore) -> Placed`.

    `old` is a class with the fields of that version, no event itself. It is asked at each attempt
    to handle such an event, so it should do nothing but make one. Raises ConfigurationError.
    """

    def declare(make: Callable[[Old], New]) -> Callable[[Old], New]:
        old, new = _classes(make)
        declared = event_type(new) if isinstance(new, type) else None
        if declared is None or not 1 <= version < declared.version:
            raise ConfigurationError(
                f"`{make.__qualname__}` does not upcast.",
                found=f"version {version}, and `-> {getattr(new, '__qualname__', new)}`"
                + (f" of version {declared.version}" if declared else ", which is no event"),
                expected="an event, and a version before its own",
                do="raise the version of its class: `@event(version=…)`",
            )
        known: dict[int, Upcaster] = vars(new).get(ATTRIBUTE, {})
        if version in known:
            raise ConfigurationError(
                f"Version {version} of `{declared.name}` has two upcasters.",
                found=f"{make.__qualname__} and {known[version].make.__qualname__}",
                expected="one for each earlier version",
            )
        setattr(new, ATTRIBUTE, {**known, version: Upcaster(old, make)})
        return make

    return declare


def upcasters(cls: type) -> Mapping[int, Upcaster]:
    """Return the upcasters of an event class, by the version that each reads."""
    return vars(cls).get(ATTRIBUTE, {})


def _classes(make: Callable[..., Any]) -> tuple[Any, Any]:
    """Return what an upcaster takes and makes, by its annotations."""
    parameters = list(inspect.signature(make).parameters)
    try:
        hints = get_type_hints(make)
    except NameError as error:
        hints = {"": str(error)}
    if len(parameters) != 1 or not {*parameters, "return"} <= hints.keys():
        raise ConfigurationError(
            f"`{make.__qualname__}` does not upcast.",
            found=hints.get("", f"{make.__qualname__}{inspect.signature(make)}"),
            expected="def name(old: Before) -> Event, both classes of a module",
        )
    return hints[parameters[0]], hints["return"]
