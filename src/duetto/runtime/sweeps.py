"""What is done from time to time: purge closed runs, and let go of guests whose run is closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from duetto.errors import StoreError
from duetto.observer import RunPurged, StorePaused

if TYPE_CHECKING:
    from duetto.runtime.host import Host

SWEEP_MS = 10_000
"""How often it is done: what waits for it waits for days, and each costs a few reads."""

PURGE_ROWS_MAX = 200
"""Runs deleted in one commit: a long delete would stop the loop."""


class Sweeps:
    """The sweeps of one host."""

    def __init__(self, host: Host, retention_ms: int) -> None:
        self._host, self._retention_ms = host, retention_ms
        self._begun_ms, self._begun_s = host.clock.now_ms(), host.loop.time()
        self._handle: asyncio.TimerHandle | None = None
        self._later(SWEEP_MS)

    def _later(self, delay_ms: int) -> None:
        self._handle = self._host.loop.call_later(delay_ms / 1000, self.sweep)

    def sweep(self) -> None:
        """Purge one small batch; go on soon where there is more."""
        before = self._steady_ms() - self._retention_ms
        count = self._purge(before)
        self._host.exchange.ask_homes()
        self._host.events.sweep(before)
        self._later(0 if count == PURGE_ROWS_MAX else SWEEP_MS)

    def _purge(self, before: int) -> int:
        try:
            count = self._host.store.purge(before, PURGE_ROWS_MAX)
            self._host.store.log.purge(before, PURGE_ROWS_MAX)
        except StoreError as error:
            self._host.observer.note(StorePaused(str(error)))
            return 0
        if count:
            self._host.observer.note(RunPurged(count))
        return count

    def _steady_ms(self) -> int:
        """Return the time by the slower of two clocks: one that jumps ahead must delete nothing."""
        passed_ms = int((self._host.loop.time() - self._begun_s) * 1000)
        return min(self._host.clock.now_ms(), self._begun_ms + passed_ms)

    def close(self) -> None:
        """Sweep no more."""
        if self._handle is not None:
            self._handle.cancel()
