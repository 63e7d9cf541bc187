"""A whole system in one process, from one seed: virtual time, generated definitions, faults."""

from __future__ import annotations

from duetto.testing.simulation.blocks import Block, Dice, Shape, draw
from duetto.testing.simulation.clock import SimulatedClock
from duetto.testing.simulation.graphs import Compiled, compiled
from duetto.testing.simulation.loop import Stalled, VirtualLoop
from duetto.testing.simulation.services import Effects
from duetto.testing.simulation.world import Layout, World

__all__ = [
    "Block",
    "Compiled",
    "Dice",
    "Effects",
    "Layout",
    "Shape",
    "SimulatedClock",
    "Stalled",
    "VirtualLoop",
    "World",
    "compiled",
    "draw",
]
