"""Windows: what is made of the events of a stretch of their own time, key by key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import NoneType
from typing import Any, Generic, TypeVar, get_type_hints

from msgspec import Struct

from duetto.authoring.event import declared_event
from duetto.authoring.handler import united
from duetto.authoring.names import checked_name, seconds_of
from duetto.errors import ConfigurationError, ValueRefused
from duetto.kernel.windows import Span

E = TypeVar("E")


class Window(Struct, Generic[E], frozen=True):
    """The events of one key from `start` to before `end`, in the order of their positions.

    `revision` counts from 1: the first time that it is shown, then each correction.
    """

    key: str
    start: datetime
    end: datetime
    events: tuple[E, ...]
    revision: int = 1


class WindowFunction:
    """A function of a service that makes an event of each window, or None."""

    def __init__(
        self,
        body: Callable[[Window[Any]], Any],
        service: str,
        event: type,
        *,
        size: timedelta,
        by: str,
        id: str,
        position: str,
        lateness: timedelta | None,
        late: Callable[[Any], Any] | None,
        name: str,
    ) -> None:
        self.name = checked_name("window", name or body.__name__)
        self.qualified = f"{service}.{self.name}"
        declared = declared_event(event, where=f"the window {self.qualified}")
        if not declared.time:
            raise ConfigurationError(
                f"The events of the window {self.qualified} have no time of their own.",
                found=f"@event(…) of {declared.name} without `time=`",
                expected="the field that says when it happened",
                do='declare it: `@event(key=…, time="at")`',
            )
        self.body, self.service, self.event, self.topic = body, service, event, declared.name
        size_ms = round(seconds_of(size) * 1000)
        if size_ms < 1:
            raise ConfigurationError(
                f"The size of the window {self.qualified} does not fit.",
                found=repr(size),
                expected="a timedelta of 1 ms or more",
            )
        self.by, self.id, self.position = by, id, position
        lateness_ms = None if lateness is None else round(seconds_of(lateness) * 1000)
        if late is not None and lateness_ms is None:
            raise ConfigurationError(
                f"Nothing is ever late for the window {self.qualified}.",
                found="late=… without lateness=…",
                expected="how late an event may be: `lateness=timedelta(…)`",
            )
        self.span, self.late = Span(size_ms, lateness_ms), late
        self.__name__, self.__qualname__ = body.__name__, body.__qualname__
        self.__doc__, self.__module__ = body.__doc__, body.__module__
        self.__wrapped__ = body

    def __repr__(self) -> str:
        return f"<window {self.qualified}>"

    def __call__(self, window: Window[Any]) -> Any:
        """Call the body as it is, as a unit test does."""
        return self.body(window)

    @cached_property
    def publishes(self) -> dict[str, type]:
        """What it makes of a window, by topic. Raises ConfigurationError for what is no event."""
        hint = get_type_hints(self.body).get("return", NoneType)
        where = f"what {self.qualified} makes"
        kinds = [kind for kind in united(hint) if kind is not NoneType]
        return {declared_event(kind, where=where).name: kind for kind in kinds}

    @cached_property
    def made_late(self) -> dict[str, type]:
        """What it makes of an event that is late, by topic. Raises ConfigurationError for what is
        no event."""
        if self.late is None:
            return {}
        hints: dict[str, Any] = {} if isinstance(self.late, type) else get_type_hints(self.late)
        kind: Any = hints.get("return", self.late)
        return {declared_event(kind, where=f"late= of {self.qualified}").name: kind}

    @property
    def makes(self) -> dict[str, type]:
        """All that it publishes, by topic."""
        return {**self.publishes, **self.made_late}

    def made_of_late(self, event: Any) -> Any:
        """Return what it makes of an event that is late. Raises ValueRefused where that fails."""
        assert self.late is not None, "it says what is made of it"
        try:
            made = self.late(event)
        except Exception as error:  # it is anybody's code
            raise ValueRefused(
                f"{self.qualified} cannot make anything of an event that is late.",
                found=f"{type(error).__name__}: {error}",
                expected=" or ".join(self.made_late),
                do="mend what `late=` names; or redrive the letter, and the window is corrected",
            ) from error
        if type(made) not in self.made_late.values():
            raise ValueRefused(
                f"{self.qualified} may not publish what it made of an event that is late.",
                found=type(made).__qualname__,
                expected=" or ".join(self.made_late),
                do="declare it in the return annotation of what `late=` names",
            )
        return made

    def window(
        self, key: str, start_ms: int, events: tuple[Any, ...], revision: int
    ) -> Window[Any]:
        """Return a window as the body takes it."""
        end_ms = start_ms + self.span.size_ms
        return Window(key, instant(start_ms), instant(end_ms), events, revision)


EPOCH = datetime.fromtimestamp(0, UTC)
MILLISECOND = timedelta(milliseconds=1)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
"""The instants that a datetime can be, in ms since the epoch."""


def instant(ms: int) -> datetime:
    """Return an instant of ms since the epoch as UTC; the nearest there is where it is none."""
    return EPOCH + timedelta(milliseconds=min(max(ms, FIRST), LAST))


def ms_of(time: object) -> int:
    """Return a time of an event in ms since the epoch; a datetime without a zone is taken as UTC.

    Raises TypeError for what is no time, OverflowError for one that no datetime can be.
    """
    if isinstance(time, datetime):
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return round((aware - EPOCH) / MILLISECOND)
    if isinstance(time, int) and not isinstance(time, bool):
        if FIRST <= time <= LAST:
            return time
        raise OverflowError(f"{time!r} ms since the epoch are beyond the years 1 to 9999")
    raise TypeError(f"{time!r} is no datetime, and no whole number of ms")
