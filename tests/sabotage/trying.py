"""Run one seed of a class of trials: it is clean, breaks a promise, or tells nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from duetto.store import Batch
from duetto.testing.simulation import CLASSES, World, draw, timeline
from duetto.testing.simulation import world as simulated_world
from duetto.testing.simulation.events import EVENT_CLASSES
from duetto.testing.simulation.events import world as event_world
from duetto.testing.simulation.machines import Machine
from duetto.testing.simulation.timeline import Endless
from tests.sabotage import apps, clocks, limits, stores
from tests.sabotage.switching import instead
from tests.simulation.events import trying as events
from tests.simulation.quiet import quietly
from tests.simulation.reference import Wrong
from tests.simulation.trying import hold

COMMITS_MAX = 500
"""A run that takes more has no end; the longest sound one takes a hundred. The simulator itself has
more patience, but looks at the whole journal after each."""

RUN_S_MAX = 4_000.0
"""A run that takes longer hangs; again the simulator has more patience."""

EVENT_TURNS_MAX, EVENT_QUIET_S_MAX = 20_000, 200.0
"""The same for systems of events."""


def simulated(seed: int, *, kind: str) -> None:
    """Draw and hold the scenario of a seed. Raises Wrong."""
    with instead(simulated_world, "RUN_S_MAX", RUN_S_MAX):
        hold(draw(seed, kind), prepare=bounded)


def bounded(world: World) -> None:
    """Let a world end when it has committed too often."""
    committed, count = world.committed, 0

    def counted(machine: Machine, batch: Batch) -> None:
        nonlocal count
        count += 1
        if count > COMMITS_MAX:
            raise Endless(f"it has not ended after {COMMITS_MAX:,} commits")
        committed(machine, batch)

    world.committed = counted


def with_events(seed: int, *, kind: str) -> None:
    """Draw and hold the scenario of events of a seed. Raises Wrong."""
    with (
        instead(timeline, "TURNS_MAX", EVENT_TURNS_MAX),
        instead(event_world, "QUIET_S_MAX", EVENT_QUIET_S_MAX),
    ):
        events.hold(events.draw(seed, kind))


KINDS: Mapping[str, Callable[[int], object]] = {
    **{kind: partial(simulated, kind=kind) for kind in CLASSES},
    **{kind: partial(with_events, kind=kind) for kind in EVENT_CLASSES},
    **apps.TRIALS,
    **clocks.TRIALS,
    **limits.TRIALS,
    **stores.TRIALS,
}
"""The classes of trials, each from a seed alone."""


class Clean(Struct, frozen=True):
    """All promises were kept."""


class Caught(Struct, frozen=True):
    """A promise was broken, and the simulator says which."""

    promise: int
    text: str


class Broke(Struct, frozen=True):
    """Something was raised that names no promise: it tells nothing about a guard."""

    text: str


Verdict = Clean | Caught | Broke


def tried(kind: str, seed: int) -> Verdict:
    """Run one seed."""
    with quietly():
        try:
            KINDS[kind](seed)
        except Wrong as wrong:
            return Caught(wrong.promise, wrong.text)
        except Exception as error:  # whatever else it is, it is told, and names no promise
            return Broke(f"{type(error).__name__}: {error}")
    return Clean()
