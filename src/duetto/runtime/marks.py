"""The marks that one store writes into the lanes of what it publishes.

A watermark is in the lanes themselves, so that nobody reads it before what it is about (PROTOCOL,
rule 36). Events that say when they happened move their lane; what is made of other events moves by
the word of who makes it, and all of a topic by the least of these words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from duetto.kernel.windows import least, useful
from duetto.model.event import END, Event
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kinds
from duetto.runtime.watermarks import Makers

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(int).decode
event_of = msgspec.msgpack.Decoder(Event).decode


class Marks:
    """How far the lanes of one store have come."""

    def __init__(
        self, desk: Desk, kinds: Kinds, makers: Makers, heads: Mapping[tuple[str, int], int]
    ) -> None:
        self._desk, self._kinds, self._makers, self._heads = desk, kinds, makers, heads
        self._latest: dict[str, list[int | None]] = {}
        """By topic: of each lane the latest time of an event, None where there was none."""
        self._moves: dict[str, bool] = {}
        self._words: dict[str, dict[str, int]] = {}
        """By topic and maker, how far a maker has come, as it said since the process began."""
        self._told: dict[str, int] = {}
        """By topic, the last watermark that was written into lanes which no event moves."""
        self._counts: dict[tuple[str, int], int] = {}
        for name, data in desk.store.log.state("told/"):
            self._told[name.removeprefix("told/")] = decode(data)
        for name, data in desk.store.log.state("marks/"):
            _, topic, lane = name.split("/")
            self._counts[topic, int(lane)] = decode(data)

    def count(self, topic: str, lane: int) -> int:
        """Return how many entries of a lane are marks."""
        return self._counts.get((topic, lane), 0)

    def moves(self, topic: str) -> bool:
        """Return whether the events of a topic move their lanes here."""
        if topic not in self._moves:
            services = self._desk.participants
            self._moves[topic] = self._makers.moves(topic, services, self._kinds)
        return self._moves[topic]

    def is_made(self, topic: str) -> bool:
        """Return whether a topic is made of other events, anywhere."""
        return bool(self._makers.of(topic))

    # -- of events

    def latest(self, topic: str, lane: int) -> int | None:
        """Return the latest time of a lane, None where nothing happened in it yet."""
        return self._of(topic)[lane]

    def happened(self, topic: str, lane: int, time: int) -> int:
        """Note that something happened at a time; return the latest of its lane."""
        found = self._of(topic)
        before = found[lane]
        latest = found[lane] = time if before is None else max(before, time)
        return latest

    def _of(self, topic: str) -> list[int | None]:
        found = self._latest.get(topic)
        if found is None:
            lanes = self._kinds.topic(topic).declared.lanes
            found = self._latest[topic] = [self._found(topic, lane) for lane in range(lanes)]
        return found

    def _found(self, topic: str, lane: int) -> int | None:
        head = self._heads.get((topic, lane), 0)
        for data in self._desk.store.log.events(topic, lane, head - 1, 1) if head else ():
            last = event_of(data)
            if last.is_mark or last.time is None:
                return last.time
            return last.mark if last.mark is not None else max(last.time, last.stamp or last.time)
        return None

    # -- of who makes events

    def said(self, topic: str, maker: str, watermark: int) -> int | None:
        """Hear how far one of the makers of a topic has come; return what is to be written into all
        of its lanes, None where that is nothing new, or of no use to anybody."""
        makers = self._makers.here(topic, self._desk.participants)
        words = self._words.setdefault(topic, {})
        words[maker] = watermark
        low = least(words.get(each) for each in makers)
        return None if low is None else self._news(topic, low)

    def idle(self, topic: str) -> tuple[int, list[int]]:
        """Return what is to be written into the lanes in which nothing ever happened, as the others
        have gone on: which watermark, into which lanes."""
        if not self._makers.spans.get(topic):
            return 0, []
        latest = self._of(topic)
        lanes = [lane for lane, time in enumerate(latest) if time is None]
        low = least(time for time in latest if time is not None) if lanes else None
        news = None if low is None else self._news(topic, low)
        return (0, []) if news is None else (news, lanes)

    def has_ended(self, topic: str) -> bool:
        """Return whether the end of a topic is in its lanes."""
        return self._told.get(topic) == END

    def _news(self, topic: str, watermark: int) -> int | None:
        found = useful(watermark, self._makers.spans.get(topic, ()))
        told = self._told.get(topic)
        return found if found is not None and (told is None or found > told) else None

    # -- writing

    def wrote(self, topic: str, lanes: Iterable[int], watermark: int) -> None:
        """Write down that a watermark is in lanes, in the commit that has it there."""
        for lane in lanes:
            count = self._counts[topic, lane] = self.count(topic, lane) + 1
            self._desk.put(f"marks/{topic}/{lane}", encode(count))
        self._told[topic] = watermark
        self._desk.put(f"told/{topic}", encode(watermark))
