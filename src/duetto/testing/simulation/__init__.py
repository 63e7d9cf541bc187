"""A whole system in one process, from one seed: virtual time, generated definitions, faults."""

from __future__ import annotations

from duetto.testing.simulation.blocks import Block, Dice, Shape
from duetto.testing.simulation.clock import SimulatedClock
from duetto.testing.simulation.drawing import CLASSES, draw
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.graphs import Compiled, compiled
from duetto.testing.simulation.loop import Stalled, VirtualLoop
from duetto.testing.simulation.scenario import Scenario, from_json, to_json
from duetto.testing.simulation.services import Effects
from duetto.testing.simulation.world import World

__all__ = [
    "CLASSES",
    "Block",
    "Compiled",
    "Dice",
    "Effects",
    "Fault",
    "Scenario",
    "Shape",
    "SimulatedClock",
    "Stalled",
    "VirtualLoop",
    "World",
    "compiled",
    "draw",
    "from_json",
    "to_json",
]
