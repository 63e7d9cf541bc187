"""Events in virtual time: handlers, mailboxes and dead letters, and what befalls them."""

from __future__ import annotations

from duetto.testing.simulation.events.drawing import EVENT_CLASSES, draw
from duetto.testing.simulation.events.scenario import EventScenario, from_json, to_json
from duetto.testing.simulation.events.services import Body, Ledger, answers
from duetto.testing.simulation.events.world import CODEC, EventWorld

__all__ = [
    "CODEC",
    "EVENT_CLASSES",
    "Body",
    "EventScenario",
    "EventWorld",
    "Ledger",
    "answers",
    "draw",
    "from_json",
    "to_json",
]
