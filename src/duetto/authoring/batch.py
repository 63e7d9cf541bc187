"""How many events a handler takes in one call, and how long the first of them waits for others."""

from __future__ import annotations

from dataclasses import dataclass

from duetto.errors import ConfigurationError

SIZE_MAX = 1000
"""Events of one batch: as many as one handler has in memory."""

WAIT_MS_MAX = 60_000
"""How long a batch waits for more events: what waits holds up the later ones of its key."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Up to `size_max` events in one call; the first of them waits `wait_ms` for the others.

    Without a wait a batch is what is there at once.
    """

    size_max: int
    wait_ms: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.size_max <= SIZE_MAX:
            raise ConfigurationError(
                "The size of a batch does not fit.",
                found=f"size_max={self.size_max!r}",
                expected=f"1 to {SIZE_MAX:,} (SIZE_MAX)",
            )
        if not 0 <= self.wait_ms <= WAIT_MS_MAX:
            raise ConfigurationError(
                "The wait of a batch does not fit.",
                found=f"wait_ms={self.wait_ms!r}",
                expected=f"0 to {WAIT_MS_MAX:,} (WAIT_MS_MAX)",
            )
