"""What users and adapters test with: apps in virtual time, and suites that hold a contract.

Importing it needs no pytest; its plugin gives the fixtures.
"""

from __future__ import annotations

from duetto.testing.app import AppFactory, AppUnderTest, PlacementName
from duetto.testing.checking import (
    PromiseBroken,
    Tried,
    check_placements,
    check_trial,
    simulate,
)
from duetto.testing.clock import JumpingClock
from duetto.testing.crash import Crashes
from duetto.testing.ledger import Ledger
from duetto.testing.simulation.loop import Stalled
from duetto.testing.stage import Stage
from duetto.testing.tasks import Call, Mock, TaskMocks
from duetto.testing.trials import Trial

__all__ = [
    "AppFactory",
    "AppUnderTest",
    "Call",
    "Crashes",
    "JumpingClock",
    "Ledger",
    "Mock",
    "PlacementName",
    "PromiseBroken",
    "Stage",
    "Stalled",
    "TaskMocks",
    "Trial",
    "Tried",
    "check_placements",
    "check_trial",
    "simulate",
]
