"""An event loop for tests: it waits for what is really under way, and jumps over mere waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Any, NoReturn, TypeVar

from duetto.runtime.sweeps import Sweeps
from duetto.runtime.timers import Timers
from duetto.testing.simulation.clock import EPOCH_MS
from duetto.testing.simulation.loop import SHUT_S, JumpingSelector, Stalled, VirtualLoop

R = TypeVar("R")

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

JUMPS_MAX = 100_000
"""Jumps of one call: a body that polls for ever, or a message that is always lost, ends here."""

TURNS_MAX = 1_000_000
"""Turns of one call: what goes round without waiting for anything ends here, after a while."""

OWN_SOCKETS = 1
"""Each loop has a socket of its own, by which threads wake it."""


ROUNDING_S = 0.0005
"""Instants are whole milliseconds, and loop time is a sum of floats."""

BEHIND_S = 0.001
"""What is due at an instant is set for up to so much later, where the time is between two."""


class QuietSelector(JumpingSelector):
    """Where nothing is ready: waits for threads and sockets in use, else lets the clock jump."""

    def __init__(self) -> None:
        super().__init__()
        self.turns, self.turns_max = 0, TURNS_MAX
        self.calls_outside = 0
        """Calls that run in threads: time stands still until they end."""
        self.is_over: Callable[[], bool] = lambda: True
        self.is_busy: Callable[[], bool] = lambda: False
        self.jump: Callable[[], bool] = lambda: False
        self.give_up: Callable[[], None] = lambda: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = selectors.SelectSelector.select(self, 0)
        self.turns += 1
        if self.turns > self.turns_max:
            self.give_up()
        if ready or timeout == 0:
            return ready
        if self.calls_outside:
            return selectors.SelectSelector.select(self, None)
        if not self.is_over() and len(self.get_map()) > OWN_SOCKETS and self.is_busy():
            return self._select_really(timeout)
        if not self.jump() and timeout is not None and timeout < BEHIND_S:
            self.now += timeout
        return []

    def _select_really(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """A body may wait for a socket, of which nobody here can know more: time passes."""
        begun = monotonic()
        ready = selectors.SelectSelector.select(self, timeout)
        self.now += monotonic() - begun
        return ready


class QuietLoop(VirtualLoop):
    """Runs until it is quiet: then nothing is ready, and only timers are left, if any."""

    def __init__(self) -> None:
        self._quiet = QuietSelector()
        self._waits: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        self.jumps_max = JUMPS_MAX
        self._completing = False
        self._left: set[asyncio.Task[Any]] = set()
        super().__init__(self._quiet)
        self.has_bodies: Callable[[], bool] = lambda: False
        """Whether a body runs, which may wait for a socket."""
        self.timers: Callable[[], list[Timers]] = list
        """Of all hosts: they look at the clock each second, and sleep for days."""
        self.waiting: Callable[[], list[str]] = list
        """What those wait for that are not at their end, for whoever reads of it."""
        self._quiet.is_busy = lambda: self._completing or self.has_bodies()
        self._quiet.give_up = self.stop

    def _keep(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Let an error end what is driven; what a process leaves behind as it dies is none."""
        if "exception" in context:
            super()._keep(_, context)
        else:
            self.default_exception_handler(context)

    # -- what is under way

    def create_task(
        self,
        coro: Generator[Any, None, R] | Coroutine[Any, Any, R],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[R]:
        """Begin a task, and know of it until it ends: asyncio's own list is of all loops."""
        task = super().create_task(coro, name=name, context=context)
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        return task

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer; what only keeps house is no reason to jump."""
        handle = super().call_at(when, callback, *args, context=context)
        if not isinstance(getattr(callback, "__self__", None), Timers | Sweeps):
            heappush(self._waits, (when, next(self._numbers), handle))
        return handle

    def run_in_executor(
        self, executor: Any, func: Callable[..., R], *args: Any
    ) -> asyncio.Future[R]:
        """Call a function in a thread; the clock stands still meanwhile."""
        future: asyncio.Future[R] = super().run_in_executor(executor, func, *args)
        self._quiet.calls_outside += 1
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _: asyncio.Future[Any]) -> None:
        self._quiet.calls_outside -= 1

    def next_s(self) -> float | None:
        """Return when something happens next by itself, None where nothing ever does."""
        while self._waits and (self._waits[0][2].cancelled() or self._waits[0][0] <= self.time()):
            heappop(self._waits)
        found = [self._waits[0][0]] if self._waits else []
        instants = (timers.next_ms for timers in self.timers())
        found += [(instant - EPOCH_MS) / 1000 for instant in instants if instant is not None]
        return max(min(found), self.time()) if found else None

    # -- running

    def limit(self, *, jumps_max: int, turns_max: int) -> None:
        """Give up earlier, or later."""
        self.jumps_max, self._quiet.turns_max = jumps_max, turns_max

    def drive(self, until: Callable[[], bool], *, limit_s: float = float("inf")) -> None:
        """Run until it is quiet and either `until` holds, or nothing happens before `limit_s`.

        Raises what a callback raised, and Stalled where it never gets quiet.
        """
        jumps = 0

        def jump() -> bool:
            nonlocal jumps
            jumps += 1
            target = None if until() or jumps > self.jumps_max else self.next_s()
            if target is None or target > limit_s + ROUNDING_S:
                self.stop()
                return False
            went = target > self.time()
            self._quiet.now = target
            return went

        self._quiet.is_over, self._quiet.jump, self._quiet.turns = until, jump, 0
        self.run_forever()
        if self.errors:
            raise self.errors.pop(0)
        if jumps > self.jumps_max:
            self._stalled(f"After {self.jumps_max:,} jumps of the clock it is not quiet")
        if self._quiet.turns > self._quiet.turns_max:
            self._stalled(f"After {self._quiet.turns_max:,} turns of the loop it is not quiet")

    def _stalled(self, what: str) -> NoReturn:
        goes_on = "".join(f"\n  {one}" for one in self.waiting())
        raise Stalled(f"{what}.{goes_on}")

    def fail(self, error: BaseException) -> None:
        """Let an error end what is driven."""
        self.errors.append(error)
        self.stop()

    def sleep_until(self, instant_s: float) -> None:
        """Put the clock to an instant at which nothing happens."""
        self._quiet.now = max(self._quiet.now, instant_s)

    def complete(self, work: Coroutine[Any, Any, R]) -> R:
        """Run one coroutine to its end, and return its result."""
        task = self.create_task(work)
        self._completing = True
        try:
            self.drive(task.done)
        finally:
            self._completing = False
        if not task.done():
            task.cancel()
            raise Stalled("Nothing is ready and no timer is set: what is awaited never happens.")
        return task.result()

    def shut(self) -> None:
        """Cancel what is left, and close; what it raises on its way out is of no interest."""
        self.set_exception_handler(lambda _loop, _context: None)
        for task in self._left.copy():
            task.cancel()
        self.drive(lambda: not self._left, limit_s=self.time() + SHUT_S)
        self.close()
