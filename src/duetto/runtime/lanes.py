"""What one consumer knows of the lanes that it reads: a watermark each, and what ended above it.

A watermark never expires, so there is no window of duplicates, and nothing to forget
(PROTOCOL, rule 24).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from duetto.model.event import Event
from duetto.runtime.desk import Desk
from duetto.runtime.lane import Lane, LaneKey

Mark = tuple[int, list[int], int | None]
"""All up to a seq is done with, and what is listed above it; and the lane's `mark`."""
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Mark).decode


class Lanes:
    """The lanes of one consumer. What changes is written with whatever else is."""

    def __init__(self, desk: Desk, consumer: str) -> None:
        self._desk, self._prefix = desk, f"next/{consumer}/"
        self._lanes: dict[LaneKey, Lane] = {}
        self.caught_up: Callable[[], None] = _tell_nobody
        """Told when all that the last process had in hand of a lane is taken up again."""
        for name, data in desk.store.log.state(self._prefix):
            source, topic, number = name[len(self._prefix) :].split("/")
            watermark, done, mark = decode(data)
            key = (source, topic, int(number))
            self._lanes[key] = Lane(
                key, watermark, set(done), watermark, mark, max(done, default=0)
            )

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def of(self, key: LaneKey) -> Lane:
        """Return a lane, new where nothing of it was seen yet."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def known(self, key: LaneKey) -> Lane | None:
        """Return a lane of which something was seen."""
        return self._lanes.get(key)

    def take(self, event: Event) -> Lane | None:
        """Take an event up, if it is the next of its lane; None where it is not, or is done."""
        lane = self.of((event.source, event.topic, event.lane))
        if event.seq != lane.taken + 1:
            return None
        lane.taken = event.seq
        # What was done ahead of others is below the watermark once they are done as well.
        is_done = event.seq <= lane.watermark or event.seq in lane.done
        if lane.resumed and lane.taken >= lane.resumed:
            lane.resumed = 0
            self.caught_up()
        return None if is_done else lane

    def finish(self, lane: Lane, seq: int, mark: int | None = None) -> None:
        """Write that an event of a lane is done with, handled or kept as a row of its own, and the
        `mark` that it has."""
        if mark is not None and (lane.mark is None or mark > lane.mark):
            lane.mark = mark
        if seq != lane.watermark + 1:
            lane.done.add(seq)
        else:
            lane.watermark = seq
            while lane.done and lane.watermark + 1 in lane.done:
                lane.watermark += 1
                lane.done.discard(lane.watermark)
        source, topic, number = lane.key
        name = f"{self._prefix}{source}/{topic}/{number}"
        self._desk.put(name, encode((lane.watermark, sorted(lane.done), lane.mark)))

    def skip_to(self, lane: Lane, seq: int) -> None:
        """Go on behind events that nobody has any more."""
        lane.taken = seq - 1
        for lost in range(lane.watermark + 1, seq):
            self.finish(lane, lost)


def _tell_nobody() -> None: ...
