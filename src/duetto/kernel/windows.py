"""What windows are by arithmetic: when one is due, what is late, which of two counts.

Instants are ms since the epoch, a watermark is one of them, or END; None stands for a lane of which
nothing is known yet, or for what says nothing of time (PROTOCOL, rules 34 to 36).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from msgspec import Struct

from duetto.model.event import BEGINNING, END

T = TypeVar("T")


class Span(Struct, frozen=True):
    """How long windows are, and by how much what they are of may be late; both in ms.

    Without a lateness they are due at the end of their input only.
    """

    size_ms: int
    lateness_ms: int | None = None

    def start_of(self, time: int) -> int:
        """Return the start of the window of an instant."""
        return time - time % self.size_ms

    def is_due(self, start: int, watermark: int | None) -> bool:
        """Return whether a window is to be shown: all that is not late has come."""
        if watermark is None or watermark == END:
            return watermark == END
        return self.lateness_ms is not None and start + self.size_ms + self.lateness_ms <= watermark

    def is_late(self, time: int, stamp: int | None) -> bool:
        """Return whether what happened at a time is late, by what its source had seen before."""
        return (
            self.lateness_ms is not None and stamp is not None and time < stamp - self.lateness_ms
        )

    def passed(self, watermark: int) -> int | None:
        """Return the watermark of what is made of the windows: all that begin before it are due."""
        if watermark == END:
            return END
        if self.lateness_ms is None:
            return None
        return self.start_of(watermark - self.lateness_ms)


def useful(watermark: int, spans: Iterable[Span]) -> int | None:
    """Return the last instant up to a watermark at which a window becomes due, None where none
    does: to tell who waits of others would be of no use."""
    if watermark in (BEGINNING, END):
        return END if watermark == END else None
    found = [
        span.start_of(watermark - span.lateness_ms) + span.lateness_ms
        for span in spans
        if span.lateness_ms is not None
    ]
    return max(found, default=None)


def least(watermarks: Iterable[int | None]) -> int | None:
    """Return what all of several have reached: None where one is not known, or there are none."""
    found = END
    is_any = False
    for watermark in watermarks:
        if watermark is None:
            return None
        found, is_any = min(found, watermark), True
    return found if is_any else None


class Said(Struct, frozen=True):
    """Where an event of a key and a business id falls: the start of its window, its position."""

    start: int
    position: str


def changed(said: Said, kept: Said | None, *, again: bool = False) -> tuple[int, ...]:
    """Return the starts of the windows that an event changes, beside what is kept of its id; none
    where that counts in its place.

    The lower position counts, wherever both fall (PROTOCOL, rule 35); the same one counts `again`
    where what it says was mended.
    """
    if kept is None:
        return (said.start,)
    if said.position > kept.position or (said.position == kept.position and not again):
        return ()
    return (said.start,) if said.start == kept.start else (kept.start, said.start)


def folded(contributions: Iterable[tuple[str, T]]) -> list[T]:
    """Return what contributes to a window in the order of the positions."""
    return [given for _, given in sorted(contributions, key=lambda each: each[0])]
