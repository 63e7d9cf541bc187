"""The classes that are events: their name, key, owner, version, and how they are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar, overload

from duetto.authoring.names import checked_count, checked_name, checked_seconds
from duetto.errors import ConfigurationError, ValueRefused
from duetto.model.event import LANES

C = TypeVar("C", bound=type)

ATTRIBUTE = "__duetto_event__"
"""Where a class keeps what the decorator was told."""

KEPT_S = 7 * 24 * 3600.0
"""How long an event waits in its mailbox for who receives it, unless its class says otherwise."""

LANES_MAX = 1024
"""Lanes of one event class: each is a row of every consumer."""


class Named(Protocol):
    """A service, as the owner of an event."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class EventType:
    """What is known of an event class; `key` is the name of an attribute, "" for none.

    `name` is the topic. `owner` is the service that keeps its mailbox; "" stands for the home of
    whoever receives it.
    """

    name: str
    key: str = ""
    owner: str = ""
    version: int = 1
    lanes: int = LANES
    kept_s: float = KEPT_S
    time: str = ""
    """The name of the attribute that says when it happened, "" for none."""
    shared: bool = False
    """Whether it is published to the broker's topic of its name, for other programs."""
    foreign: str = ""
    """The type that other programs give it, and the broker's topic that they publish it to."""
    to_all: bool = False
    """Whether every run that waits for it receives it, in place of the first."""
    unsigned: bool = False
    """Whether a foreign one is taken without a signature, though the app has a key."""


@overload
def event(cls: C, /) -> C: ...
@overload
def event(
    *,
    key: str = "",
    owner: Named | None = None,
    version: int = 1,
    name: str = "",
    lanes: int = LANES,
    kept: float | timedelta = KEPT_S,
    time: str = "",
    to_all: bool = False,
    shared: bool = False,
    foreign: str = "",
    unsigned: bool = False,
) -> Callable[[C], C]: ...
def event(
    cls: C | None = None,
    /,
    *,
    key: str = "",
    owner: Named | None = None,
    version: int = 1,
    name: str = "",
    lanes: int = LANES,
    kept: float | timedelta = KEPT_S,
    time: str = "",
    to_all: bool = False,
    shared: bool = False,
    foreign: str = "",
    unsigned: bool = False,
) -> C | Callable[[C], C]:
    """Declare a class to be an event: `@event(key="order_id")`.

    `key` names the field that orders events: those of one key are handled one after the other.
    `name` is the topic, the name of the class unless given. `lanes` is how many sequences its
    events fall into, a part of the contract. `kept` is how long one waits for a `receive`, in
    seconds or as a timedelta. `time` names the field that says when it happened, a datetime or ms
    since the epoch: windows go by it. One that is `to_all` is received by every run that waits for
    it, once each, else by the first. A `shared` one is published to the broker's topic of its name
    too; a `foreign` one comes from other programs: by the topic, and under the type, that this
    names. Both need `App(topics=…)`. A foreign one that is `unsigned` is taken as it comes, though
    `App(signing=…)` has a key. Raises ConfigurationError.
    """
    if version < 1:
        raise ConfigurationError(
            "The version of an event does not fit.", found=repr(version), expected="at least 1"
        )

    def declare(cls: C) -> C:
        topic = checked_name("event", name or cls.__name__)
        count = checked_count(f"lanes of {topic}", lanes)
        if count is None or count > LANES_MAX:
            raise ConfigurationError(
                f"`{topic}` has too many lanes.", found=repr(lanes), expected=f"1 to {LANES_MAX}"
            )
        kept_s = checked_seconds(f"kept of {topic}", kept)
        owned, kept_for = owner.name if owner else "", kept_s or KEPT_S
        check_crossing(topic, shared=shared, foreign=foreign, unsigned=unsigned)
        declared = EventType(
            topic, key, owned, version, count, kept_for, time, shared, foreign, to_all, unsigned
        )
        setattr(cls, ATTRIBUTE, declared)
        return cls

    return declare if cls is None else declare(cls)


def check_crossing(topic: str, *, shared: bool, foreign: str, unsigned: bool) -> None:
    """Raise ConfigurationError where it is not clear who publishes an event, or who signs it."""
    if shared and foreign:
        raise ConfigurationError(
            f"`{topic}` is shared and foreign.",
            found=f"shared=True, foreign={foreign!r}",
            expected="one of them: else each event of its topic would come back",
            do="give what goes out a name of its own",
        )
    if unsigned and not foreign:
        raise ConfigurationError(
            f"`{topic}` is unsigned, and not foreign.",
            found="unsigned=True",
            expected="an event that comes from other programs",
            do="leave it out: what is published here is signed where the app has a key",
        )


def event_type(cls: type) -> EventType | None:
    """Return what the decorator was told of this very class."""
    return vars(cls).get(ATTRIBUTE)


def declared_event(cls: object, *, where: str) -> EventType:
    """Return what is known of an event class. Raises ConfigurationError for another one."""
    declared = event_type(cls) if isinstance(cls, type) else None
    if declared is None:
        name = getattr(cls, "__qualname__", repr(cls))
        raise ConfigurationError(
            f"`{name}` is no event.",
            found=f"{name} in {where}",
            expected="a class decorated with `@event`",
            do="decorate it: `@event(key=…)`",
        )
    return declared


def key_of(event: object) -> object:
    """Return the key of an event; None where its class has none."""
    declared = event_type(type(event))
    return getattr(event, declared.key) if declared and declared.key else None


KEY_BYTES_MAX = 500
"""Of a key as text: it is a part of names, and of the keys of indexes."""


def key_text(key: object) -> str:
    """Return a key as the text that orders and finds events; "" for None.

    Raises ValueRefused for what is no text, number, UUID or enum, and for text that is too long.
    """
    if key is None:
        return ""
    value = getattr(key, "value", key) if type(key).__module__ != "builtins" else key
    text = value if isinstance(value, str) else str(value)
    plain = isinstance(value, str | int) or type(value).__name__ == "UUID"
    if plain and len(text) <= KEY_BYTES_MAX and _is_storable(text):
        return text
    raise ValueRefused(
        "An event has a key that cannot be kept.",
        found=f"{text[:40]!a} ({type(key).__name__})",
        expected=f"text, a whole number or a UUID, at most {KEY_BYTES_MAX} bytes, without NUL",
        do="key the event by another field",
    )


def _is_storable(text: str) -> bool:
    try:
        return len(text.encode()) <= KEY_BYTES_MAX and "\0" not in text
    except UnicodeEncodeError:
        return False
