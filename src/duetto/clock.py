"""The contract of time and chance: everything else that a run depends on is given to it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time in whole ms since the epoch (UTC), and random numbers. Timers are the event loop's."""

    def now_ms(self) -> int:
        """Return the time; it may jump, in either direction."""
        ...

    def random(self) -> float:
        """Return a number in [0, 1), for jitter."""
        ...

    def draw_id(self) -> str:
        """Return a new run id; ids are ordered by time, so that an index appends."""
        ...
