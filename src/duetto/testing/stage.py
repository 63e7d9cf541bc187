"""What the apps of one test share: the loop and its virtual time, the seed, mocks and crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

from duetto.invokers import LocalInvoker
from duetto.runtime.host import Host
from duetto.testing.crash import Crashes
from duetto.testing.loop import QuietLoop
from duetto.testing.tasks import TaskMocks

R = TypeVar("R")


class Actor(Protocol):
    """An app on the stage."""

    @property
    def hosts(self) -> list[Host]:
        """The hosts that are alive."""
        ...

    def describe(self) -> list[str]:
        """Return a line for each run: how it ended, or what it waits for."""
        ...

    def close(self) -> None:
        """Stop, and close what is open."""
        ...


class Stage:
    """One for each test. All that runs on it runs in one loop, one call at a time."""

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self.loop = QuietLoop()
        self.tasks, self.crashes = TaskMocks(), Crashes()
        self.actors: list[Actor] = []
        self.loop.timers = lambda: [host.timers for host in self._hosts()]
        self.loop.has_bodies = lambda: any(bodies(host) for host in self._hosts())

    def _hosts(self) -> list[Host]:
        return [host for actor in self.actors for host in actor.hosts]

    def drive(self, until: Callable[[], bool], *, limit_s: float = float("inf")) -> None:
        """Run until all is quiet and `until` holds, or nothing more happens before `limit_s`."""
        _outside_loops(lambda: self.loop.drive(until, limit_s=limit_s))

    def complete(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine to its end, and return its result."""
        return _outside_loops(lambda: self.loop.complete(work))

    def describe(self) -> list[str]:
        """Return a line for each run of each app, for whoever reads of a failure."""
        return [line for actor in self.actors for line in actor.describe()]

    def close(self) -> None:
        """Stop all apps, and end what is left."""
        try:
            for actor in reversed(self.actors):
                actor.close()
        finally:
            self.actors.clear()
            _outside_loops(self.loop.shut)


def bodies(host: Host) -> int:
    """Return how many bodies run, those of compensations too."""
    return host.invoker.running if isinstance(host.invoker, LocalInvoker) else 0


def _outside_loops(act: Callable[[], R]) -> R:
    """Act in this thread, or in another where this one has a loop that runs: an async test."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return act()
    with ThreadPoolExecutor(1, thread_name_prefix="duetto-test") as threads:
        return threads.submit(copy_context().run, act).result()
