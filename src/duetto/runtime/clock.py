"""The clock of a real machine."""

from __future__ import annotations

import random
import secrets
import time

RANDOM_BYTES = 10
"""80 random bits behind the milliseconds: ids of one instant do not meet."""


class SystemClock:
    """Wall time, and random numbers of the operating system."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def random(self) -> float:
        return self._random.random()

    def draw_id(self) -> str:
        return f"{self.now_ms():011x}{secrets.token_hex(RANDOM_BYTES)}"
