"""What users and adapters test with: apps in virtual time, and suites that hold a contract.

Importing it needs no pytest; its plugin gives the fixtures.
"""

from __future__ import annotations

from duetto.testing.app import AppFactory, AppUnderTest, PlacementName
from duetto.testing.clock import JumpingClock
from duetto.testing.crash import Crashes
from duetto.testing.ledger import Ledger
from duetto.testing.simulation.loop import Stalled
from duetto.testing.stage import Stage
from duetto.testing.tasks import Call, Mock, TaskMocks

__all__ = [
    "AppFactory",
    "AppUnderTest",
    "Call",
    "Crashes",
    "JumpingClock",
    "Ledger",
    "Mock",
    "PlacementName",
    "Stage",
    "Stalled",
    "TaskMocks",
]
