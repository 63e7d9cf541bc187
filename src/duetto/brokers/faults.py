"""What goes wrong with what is carried within one process, for tests."""

from __future__ import annotations

from msgspec import Struct


class Faults(Struct, frozen=True):
    """What goes wrong, as shares of the messages; delays are up to `delay_max_ms`."""

    duplicate: float = 0.0
    lose: float = 0.0
    delay: float = 0.0
    delay_max_ms: int = 100
    seed: int = 0


NO_FAULTS = Faults()
"""Everything arrives, once and in order."""
