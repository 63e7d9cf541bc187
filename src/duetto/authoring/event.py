"""The classes that are events: their key, owner and version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, overload

from duetto.errors import ConfigurationError

C = TypeVar("C", bound=type)

ATTRIBUTE = "__duetto_event__"
"""Where a class keeps what the decorator was told."""


class Named(Protocol):
    """A service, as the owner of an event."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class EventType:
    """What is known of an event class; `key` is the name of an attribute, "" for none.

    `owner` is the service that keeps its mailbox; "" stands for the home of whoever receives it.
    """

    name: str
    key: str = ""
    owner: str = ""
    version: int = 1


@overload
def event(cls: C, /) -> C: ...
@overload
def event(*, key: str = "", owner: Named | None = None, version: int = 1) -> Callable[[C], C]: ...
def event(
    cls: C | None = None, /, *, key: str = "", owner: Named | None = None, version: int = 1
) -> C | Callable[[C], C]:
    """Declare a class to be an event: `@event(key="order_id")`."""
    if version < 1:
        raise ConfigurationError(
            "The version of an event does not fit.", found=repr(version), expected="at least 1"
        )

    def declare(cls: C) -> C:
        name = f"{cls.__module__}.{cls.__qualname__}"
        setattr(cls, ATTRIBUTE, EventType(name, key, owner.name if owner else "", version))
        return cls

    return declare if cls is None else declare(cls)


def event_type(cls: type) -> EventType | None:
    """Return what the decorator was told of this very class."""
    return vars(cls).get(ATTRIBUTE)


def key_of(event: object) -> object:
    """Return the key of an event; None where its class has none."""
    declared = event_type(type(event))
    return getattr(event, declared.key) if declared and declared.key else None
