"""The clock of a test: it stands still until it is advanced, or until all is quiet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from duetto.authoring.names import seconds_of
from duetto.errors import ConfigurationError
from duetto.testing.simulation.clock import EPOCH_MS, ROUNDING_MS
from duetto.testing.stage import Stage


class JumpingClock:
    """The time of all apps of a test; it begins with the year 2026, UTC."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    @property
    def now_ms(self) -> int:
        """The time in ms since the epoch."""
        return EPOCH_MS + int(self._stage.loop.time() * 1000 + ROUNDING_MS)

    def advance(self, duration: float | timedelta) -> None:
        """Let seconds pass, or a timedelta: what is due meanwhile happens at its instant."""
        self._pass(self._stage.loop.time() + seconds_of(duration))

    def advance_to(self, instant: datetime) -> None:
        """Let the time pass until an instant, which has a time zone."""
        if instant.tzinfo is None:
            raise ConfigurationError(
                "The clock cannot be advanced to an instant without a time zone.",
                found=repr(instant),
                expected="a datetime with a time zone",
                do="give it one: `datetime(…, tzinfo=UTC)`",
            )
        self._pass(instant.timestamp() - EPOCH_MS / 1000)

    def _pass(self, until_s: float) -> None:
        if until_s < self._stage.loop.time():
            raise ConfigurationError(
                "The clock cannot go back.", found="an instant before now", expected="a later one"
            )
        self._stage.drive(lambda: False, limit_s=until_s)
        self._stage.loop.sleep_until(until_s)
        self._stage.drive(lambda: True)
