"""The clock of a simulation: the virtual time of its loop, and chance from a seed."""

from __future__ import annotations

import asyncio
from random import Random

EPOCH_MS = 1_767_225_600_000
"""2026-01-01: an instant like any other, so that instants look like instants."""

ROUNDING_MS = 0.001
"""Loop time is a sum of floats: a timer for 17 ms may come at 16.9999999."""


class SimulatedClock:
    """Time follows a loop, `skew_ms` off; random numbers and ids follow the seed."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, seed: object = 0, skew_ms: int = 0
    ) -> None:
        self._loop, self.skew_ms = loop, skew_ms
        self._random = Random(f"clock {seed}")

    def now_ms(self) -> int:
        return EPOCH_MS + self.skew_ms + int(self._loop.time() * 1000 + ROUNDING_MS)

    def random(self) -> float:
        return self._random.random()

    def draw_id(self) -> str:
        return f"{self.now_ms():011x}{self._random.getrandbits(80):020x}"
