"""Who says how far topics have come in the time of their events, and to whom that matters.

Both are known before anything runs: whoever makes a topic declares it (PROTOCOL, rule 36).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from duetto.kernel.windows import Span, least
from duetto.runtime.kinds import Kinds
from duetto.runtime.lane import LaneKey
from duetto.runtime.lanes import Lanes


class Maker(Struct, frozen=True):
    """Who makes events of events: a handler, or the windows of a function."""

    name: str
    service: str
    takes: frozenset[str]
    makes: frozenset[str]
    spans: tuple[Span, ...] = ()
    """Of a function of windows."""


class Makers:
    """All who make events of events in an app, wherever they are."""

    def __init__(self, makers: Iterable[Maker]) -> None:
        self._makers = tuple(makers)
        self.spans: dict[str, frozenset[Span]] = {}
        """By topic, the windows that become due by its watermark, here or further down. Those
        behind other windows become due with them."""
        changed = True
        while changed:
            changed = False
            for maker in self._makers:
                found = self._spans_of(maker)
                for topic in maker.takes:
                    known = self.spans.get(topic, frozenset[Span]())
                    if not found <= known:
                        self.spans[topic], changed = known | found, True

    def _spans_of(self, maker: Maker) -> frozenset[Span]:
        if maker.spans:
            return frozenset(span for span in maker.spans if span.lateness_ms is not None)
        return frozenset[Span]().union(*(self.spans.get(topic, ()) for topic in maker.makes))

    def spans_of(self, name: str) -> frozenset[Span]:
        """Return the windows that become due by what a maker takes."""
        found = (self._spans_of(maker) for maker in self._makers if maker.name == name)
        return frozenset[Span]().union(*found)

    def declared(self) -> dict[str, frozenset[str]]:
        """Return the topics that each makes, by its name."""
        return {maker.name: maker.makes for maker in self._makers}

    def of(self, topic: str) -> list[Maker]:
        """Return who makes a topic."""
        return [maker for maker in self._makers if topic in maker.makes]

    def here(self, topic: str, services: frozenset[str]) -> frozenset[str]:
        """Return the names of those who make a topic, of some services."""
        return frozenset(each.name for each in self.of(topic) if each.service in services)

    def moves(self, topic: str, services: frozenset[str], kinds: Kinds) -> bool:
        """Return whether events of a topic move their lanes, at a store of these services: where
        they are the first to say when something happened, and of one maker at most."""
        here = [maker for maker in self.of(topic) if maker.service in services]
        takes = frozenset[str]().union(*(maker.takes for maker in here))
        return len(here) < 2 and not any(kinds.topic(each).declared.time for each in takes)

    def expected(self, topic: str, lanes: int, sources: Mapping[str, str]) -> Expected:
        """Return whose lanes say how far a topic has come; `sources` are those of this process, by
        participant."""
        services = {maker.service for maker in self.of(topic)}
        if not services:
            return Expected(topic, lanes, frozenset({HOME}))
        here = frozenset(sources[each] for each in services if each in sources)
        return Expected(
            topic,
            lanes,
            here,
            others=not services <= sources.keys(),
            not_these=frozenset(sources.values()) - here,
            is_made=True,
        )


HOME = "app"
"""The source of what comes from outside, and of what workflows of no service emit."""


class Expected(Struct, frozen=True):
    """Which lanes say how far a topic has come: all of each of its sources.

    `sources` are known beforehand. What comes from outside has others, where they are seen; of what
    is made there are `others` in other processes, at least one, and none of those that are
    `not_these`.
    """

    topic: str
    lanes: int
    sources: frozenset[str]
    others: bool = True
    not_these: frozenset[str] = frozenset()
    is_made: bool = False

    def of(self, lanes: Lanes) -> int | None:
        """Return how far the topic has come by what a consumer knows, None for not at all."""
        sources = set(self.sources)
        if self.others:
            seen = {lane.key[0] for lane in lanes if lane.key[1] == self.topic}
            more = seen - self.not_these - sources
            if self.is_made and not more:
                return None
            sources |= more
        return least(
            _reached(lanes, (source, self.topic, number))
            for source in sources
            for number in range(self.lanes)
        )


def _reached(lanes: Lanes, key: LaneKey) -> int | None:
    lane = lanes.known(key)
    # What the last process had in hand may be of before a mark behind it.
    return None if lane is None or lane.taken < lane.resumed else lane.mark
