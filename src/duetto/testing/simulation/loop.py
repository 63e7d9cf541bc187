"""An event loop whose time jumps to the next timer: deterministic, and nothing ever sleeps."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

SHUT_S = 1.0
"""What has not ended by then swallows its cancel; its loop is closed under it."""


RESOLUTION_S = 1e-6
"""Timers so close are due together. A year of seconds is a float to 4e-9 only: with the loop's own
1e-9 a timer that is due now would be due at once, and never run."""


class Stalled(RuntimeError):
    """Nothing is ready and no timer is set: what is awaited can never happen."""


class JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: to wait for a time is to be there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stalled("nothing is ready, and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in the order of their times, those of one time in the order they were set.

    What a callback raises ends the run: a simulation has no error that may be logged and forgotten.
    """

    def __init__(self, selector: JumpingSelector | None = None) -> None:
        self._jumping = selector or JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = RESOLUTION_S
        self.errors: list[BaseException] = []
        self.set_exception_handler(self._keep)

    def time(self) -> float:
        return self._jumping.now

    def _keep(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.errors.append(error if error is not None else RuntimeError(context["message"]))
        self.stop()

    def shut(self) -> None:
        """Cancel what is left, and close; what it raises on its way out is of no interest."""
        self.set_exception_handler(lambda _loop, _context: None)
        left = asyncio.all_tasks(self)
        for task in left:
            task.cancel()
        if left:
            self.run_until_complete(asyncio.wait(left, timeout=SHUT_S))
        self.close()
