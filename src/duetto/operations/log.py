"""Read the events that a store retains: all, those of a topic, or those since an instant."""

from __future__ import annotations

from collections.abc import Container, Iterator

from duetto.model.event import Event
from duetto.runtime.events import HostEvents

CLOCK_MS = 60_000
"""How far a clock may have been put back, so that a later event has an earlier instant."""


def logged(
    events: HostEvents, *, topics: Container[str] | None = None, since: int = 0
) -> Iterator[Event]:
    """Yield retained events, lane by lane: of these topics only, or published since (in ms);
    marks are none.

    What is older is not read: within a lane instants grow, so where to begin is found by halves.
    """
    publisher = events.publisher
    for (topic, lane), head in sorted(publisher.heads.items()):
        if topics is None or topic in topics:
            after = _behind(events, topic, lane, head, since - CLOCK_MS) if since else 0
            while after < head and (page := publisher.read(topic, lane, after)):
                yield from (each for each in page if each.at >= since and not each.is_mark)
                after = page[-1].seq


def _behind(events: HostEvents, topic: str, lane: int, head: int, since: int) -> int:
    """Return the last seq of a lane that is older; what was purged is."""
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        found = events.publisher.read(topic, lane, middle - 1, 1)
        if found and found[0].at < since:
            low = middle
        else:
            high = middle - 1
    return low
