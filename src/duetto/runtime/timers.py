"""Exact timers for many sleepers: one heap, one timer of the loop for its earliest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

from duetto.clock import Clock

LATE_MS = 1000
"""The wall clock may jump while the loop sleeps: look at it at least this often."""


class Timers:
    """Calls `fire(run, path, step)` once an instant is reached. Entries are never cancelled: the
    receiver finds that the token has moved on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, fire: Callable[[str, str, int], None]
    ) -> None:
        self._loop, self._clock, self._fire = loop, clock, fire
        self._heap: list[tuple[int, str, str, int]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._armed_ms = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_ms(self) -> int | None:
        """The earliest instant that is armed, None where there is none."""
        return self._heap[0][0] if self._heap else None

    def arm(self, due_ms: int, run: str, path: str, step: int) -> None:
        """Fire at an instant (ms since the epoch)."""
        heappush(self._heap, (due_ms, run, path, step))
        if self._handle is None or due_ms < self._armed_ms:
            self._rearm()

    def _rearm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap:
            self._armed_ms = self._heap[0][0]
            delay_ms = min(max(0, self._armed_ms - self._clock.now_ms()), LATE_MS)
            self._handle = self._loop.call_later(delay_ms / 1000, self._due)

    def _due(self) -> None:
        self._handle = None
        now = self._clock.now_ms()
        while self._heap and self._heap[0][0] <= now:
            _, run, path, step = heappop(self._heap)
            self._fire(run, path, step)
        self._rearm()

    def close(self) -> None:
        """Fire nothing more."""
        self._heap.clear()
        self._rearm()
