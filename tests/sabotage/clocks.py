"""Trials of clocks that are set ahead after a run has ended: what is kept of it stays its time."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from duetto.testing.simulation import World, draw
from duetto.testing.simulation.faults import ClockJumps
from duetto.testing.simulation.machines import RETENTION_MS
from tests.simulation.reference import Wrong

DAY_MS = 86_400_000

AFTER_MS = (2_000, 40_000)
"""When a clock jumps: most runs have ended, and some sweeps are still to come."""


def set_ahead(seed: int) -> None:
    """A clock that is set ahead sweeps nothing that was closed a minute ago. Raises Wrong."""
    random = Random(f"clocks {seed}")
    scenario = draw(seed, "simplest")
    jump = ClockJumps(0, random.uniform(*AFTER_MS), random.choice((1, 8, 30)) * DAY_MS)
    with World(replace(scenario, faults=(*scenario.faults, jump))) as world:
        outcome = world.run()
        age_ms = world.timeline.now_s * 1000
        if outcome is not None and age_ms < RETENTION_MS and world.row() is None:
            raise Wrong(8, f"a run that began {age_ms / 1000:.0f} s ago is swept already")


TRIALS = {"clocks": set_ahead}
