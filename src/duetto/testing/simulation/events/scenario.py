"""A scenario of events: who listens to what, what is published when, and what goes wrong.

    EventScenario
      kind, seed, chance      where it was drawn; `chance` times everything that takes time
      handlers                who listens, and what each publishes in answer
      publications            what is published from outside, and when
      walks                   the runs that are started, and what each does step by step
      windows                 what is gathered over which topic
      faults                  as in any scenario; each may be left out

A listener answers an event in a way that follows from both alone, so what is published is known
without running anything. Names of events from outside are `p0`, `p1`, …; an answer is named after
what it answers, who answers, and its number: `p0>a.red.1`.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from duetto.model.placement import Placement
from duetto.testing.simulation.blocks import Sequence
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.scenario import ALONE, Scenario

HOPS_MAX = 2
"""What follows from so many others is answered by nobody: so a cycle of handlers ends."""


WINDOWS = "a"
"""The service of all windows."""


class Say(Struct, frozen=True):
    """What a handler publishes: an event of a topic; with the key of what it answers, or its own
    where one is given."""

    topic: str
    key: str = ""


class Listening(Struct, frozen=True):
    """A handler of a service. `concurrency` is 0 for no limit; `timed` ones have a time limit."""

    service: str
    name: str
    topics: tuple[str, ...]
    says: tuple[Say, ...] = ()
    ordered: bool = True
    concurrency: int = 0
    timed: bool = False

    @property
    def qualified(self) -> str:
        """The name by which Duetto knows it."""
        return f"{self.service}.{self.name}"


class Publication(Struct, frozen=True):
    """An event that comes from outside. `poisons` is a handler that can make nothing of it; `at`,
    `id` and `rank` are for windows, as the fact has them."""

    at_ms: float
    topic: str
    key: str
    poisons: str = ""
    at: int = 0
    id: str = ""
    rank: int = 0


class Windowing(Struct, frozen=True):
    """Windows of a topic, ten seconds long; `lateness_ms` is below zero for those that are due at
    the end of the input only."""

    name: str
    topic: str
    lateness_ms: int = -1

    @property
    def qualified(self) -> str:
        """The name by which Duetto knows it."""
        return f"{WINDOWS}.{self.name}"


class Move(Struct, frozen=True):
    """A step of a run: it emits an event of a topic and key, receives one (of any key where that
    is empty), or sleeps. `seconds` is how long it sleeps or waits at most, 0 for without an end."""

    does: str
    topic: str = ""
    key: str = ""
    seconds: float = 0.0


class Walking(Struct, frozen=True):
    """A run that is started: when, and what it does."""

    at_ms: float
    moves: tuple[Move, ...]


class EventScenario(Struct, frozen=True):
    """Handlers and runs in one system, and what befalls them."""

    handlers: tuple[Listening, ...] = ()
    publications: tuple[Publication, ...] = ()
    walks: tuple[Walking, ...] = ()
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    chance: tuple[int, int] = (0, 0)
    kind: str = ""
    room: int = 0
    """How many events a handler may hold, and have in memory; 0 for as many as ever."""
    windows: tuple[Windowing, ...] = ()
    ends_at_ms: float = 0.0
    """When it is said that no more ticks come, where there are windows."""

    def system(self) -> Scenario:
        """Return what its machines are made from."""
        return Scenario(
            Sequence(), ALONE, (Placement(),), self.faults, self.seed, self.chance, self.kind
        )


def to_json(scenario: EventScenario) -> bytes:
    """Return a scenario as JSON, for people too."""
    return msgspec.json.format(msgspec.json.encode(scenario), indent=1)


def from_json(data: bytes | str) -> EventScenario:
    """Return the scenario that was written. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=EventScenario)
