"""The clock of a real machine."""

from __future__ import annotations

import random
import time

RANDOM_BITS = 80
"""Behind the milliseconds: ids of one instant do not meet."""


class SystemClock:
    """Wall time, and random numbers of the operating system."""

    def __init__(self) -> None:
        # Seeded by the operating system once: asking it for each id costs a system call.
        self._random = random.Random(random.SystemRandom().getrandbits(256))

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def random(self) -> float:
        return self._random.random()

    def draw_id(self) -> str:
        return f"{self.now_ms() << RANDOM_BITS | self._random.getrandbits(RANDOM_BITS):031x}"
