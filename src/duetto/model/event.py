"""Events as they are kept and carried, and the rows of those that a handler could not take yet.

An event is named (source, topic, lane, seq): the source is a store with one writer, the lane is
drawn from the key, and seq is dense (PROTOCOL, rule 24).
"""

from __future__ import annotations

from typing import Literal
from zlib import crc32

from msgspec import Struct

LANES = 16
"""Lanes of a topic unless its class says otherwise: a consumer keeps one watermark for each."""

HOPS_MAX = 64
"""Events that may follow one from another: a cycle without an end is found by it."""

END = 2**63 - 1
"""The watermark of a lane that has ended: nothing happens later, in ms since the epoch."""

BEGINNING = -END
"""The stamp of what is never late: nothing was before it."""


class Event(Struct, frozen=True, array_like=True):
    """A published event. `data` is packed by the class of the topic, in its `version`.

    `at` is when it was published and `time` when it happened, both in ms since the epoch; `stamp`
    is the latest `time` of its lane before it, as its source says (PROTOCOL, rule 34). `causation`
    names what it follows from: an event, or a run; `by` the handler or workflow that published it,
    "" for outside. `foreign` is the id under which another system published it. `mark` is the
    watermark of its lane from here on, where the entry moves it: what comes then happened no
    earlier, or is a correction (rule 36). An entry that does nothing else is a mark, without data;
    its `time` is the latest of its lane.
    """

    source: str
    topic: str
    lane: int
    seq: int
    key: str
    version: int
    at: int
    data: bytes
    correlation: str = ""
    causation: str = ""
    hops: int = 0
    deadline: int = 0
    trace: str = ""
    foreign: str = ""
    time: int | None = None
    stamp: int | None = None
    mark: int | None = None
    by: str = ""

    @property
    def is_mark(self) -> bool:
        """Whether it is no event, and only moves the watermark of its lane."""
        return self.mark is not None and not self.data

    @property
    def stream(self) -> str:
        """What names the events of its source, topic and key, among which `seq` is its place."""
        return f"{self.source}/{self.topic}/{self.key}"

    @property
    def name(self) -> str:
        """What names the event: equal for duplicates, different for everything else."""
        return f"{self.source}/{self.topic}/{self.lane}:{self.seq}"


class Origin(Struct, frozen=True, array_like=True):
    """What an event, or a run, follows from; `causation` names the event or the run."""

    correlation: str = ""
    causation: str = ""
    hops: int = 0
    deadline: int = 0
    trace: str = ""
    stamp: int | None = None
    """Of the event that it follows from, where that happened at a time: it is passed on."""
    is_again: bool = False
    """Whether that failed before: then what follows is never late, and moves no watermark."""


def origin_of(event: Event) -> Origin:
    """Return the origin of what is published in answer to an event."""
    return Origin(
        event.correlation or event.name,
        event.name,
        event.hops + 1,
        event.deadline,
        event.trace,
        event.stamp,
    )


class Place(Struct, frozen=True):
    """The parts of an event's name."""

    source: str
    topic: str
    lane: int
    seq: int


def place_of(name: str) -> Place | None:
    """Return the parts of an event's name, None for a text that is no name."""
    head, _, last = name.rpartition("/")
    source, _, topic = head.rpartition("/")
    lane, colon, seq = last.partition(":")
    if not (topic and colon and lane.isdecimal() and seq.isdecimal()):
        return None
    return Place(source, topic, int(lane), int(seq))


def lane_of(key: str, lanes: int) -> int:
    """Return the lane of a key: always the same, so that the order of its events is kept."""
    return crc32(key.encode()) % lanes


State = Literal["ready", "delayed", "dead", "behind"]


class Held(Struct, frozen=True, array_like=True):
    """An event that a handler has yet to take, beyond its watermark (PROTOCOL, rule 30).

    `ready` to be handled; `delayed` until `due` (ms since the epoch); `dead` until an operator
    mends it; `behind` an earlier one of its key. `mended` is the data as an operator changed it,
    beside the original. `position` orders what one handler holds; `replay` names the replay that
    put it there, and what a `silent` one publishes is left out.
    """

    position: int
    event: Event
    state: State
    due: int = 0
    attempts: int = 0
    reason: str = ""
    trace: str = ""
    mended: bytes = b""
    replay: str = ""
    since: int = 0
    silent: bool = False

    @property
    def name(self) -> str:
        """What names the event, and which time it is that it is handled."""
        return f"{self.event.name}!{self.replay}" if self.replay else self.event.name
