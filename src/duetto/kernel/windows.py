"""What windows are by arithmetic: when one is due, what is late, which of two counts.

Instants are ms since the epoch, a watermark is one of them, or END; None stands for a lane of which
nothing is known yet, or for what says nothing of time (PROTOCOL, rules 34 to 36).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from duetto.model.event import END


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
    if watermark == END:
        return END
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


def counts(position: str, kept: str | None) -> bool:
    """Return whether what has a position counts in place of what is kept under the same id."""
    return kept is None or position < kept
