"""What the apps of one test share: the loop and its virtual time, the seed, mocks and crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

from duetto.drawing.sequence import Chart
from duetto.invokers import LocalInvoker
from duetto.runtime.host import Host
from duetto.testing.crash import Crashes
from duetto.testing.loop import QuietLoop
from duetto.testing.tasks import TaskMocks
from duetto.testing.threads import Worker

R = TypeVar("R")

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own


class Actor(Protocol):
    """An app on the stage."""

    @property
    def hosts(self) -> list[Host]:
        """The hosts that are alive."""
        ...

    @property
    def task_names(self) -> Iterable[str]:
        """The qualified names of its tasks."""
        ...

    def waiting(self) -> list[str]:
        """Return what each run waits for that neither has ended nor is parked."""
        ...

    def describe(self) -> list[str]:
        """Return how each run ended, or what it waits for, and what happened in it."""
        ...

    def charts(self) -> list[Chart]:
        """Return the charts of its newest runs."""
        ...

    def close(self) -> None:
        """Stop, and close what is open."""
        ...


class Stage:
    """One for each test. All that runs on it runs in one loop, one call at a time.

    The fixtures share one; where there are none, `with Stage(seed=7) as stage:` makes one, and
    `AppFactory(stage)` its apps.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self.loop = QuietLoop()
        self.tasks, self.crashes = TaskMocks(), Crashes(self.task_names)
        self.threads = Worker()
        self.actors: list[Actor] = []
        self.loop.timers = lambda: [
            each for host in self._hosts() for each in (host.timers, *host.events.timers)
        ]
        self.loop.has_bodies = lambda: any(bodies(host) for host in self._hosts())
        self.loop.waiting = lambda: [line for actor in self.actors for line in actor.waiting()]

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def task_names(self) -> set[str]:
        """Return the qualified names of the tasks of all apps."""
        return {name for actor in self.actors for name in actor.task_names}

    def _hosts(self) -> list[Host]:
        return [host for actor in self.actors for host in actor.hosts]

    def drive(self, until: Callable[[], bool], *, limit_s: float = float("inf")) -> None:
        """Run until all is quiet and `until` holds, or nothing more happens before `limit_s`."""
        outside_loops(lambda: self.loop.drive(until, limit_s=limit_s))

    def complete(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine to its end, and return its result."""
        return outside_loops(lambda: self.loop.complete(work))

    def describe(self) -> list[str]:
        """Return what happened in the runs of each app, for whoever reads of a failure."""
        return [line for actor in self.actors for line in actor.describe()]

    def charts(self) -> list[Chart]:
        """Return the charts of the newest runs of each app."""
        return [chart for actor in self.actors for chart in actor.charts()]

    def close(self) -> None:
        """Stop all apps, and end what is left."""
        try:
            for actor in reversed(self.actors):
                actor.close()
        finally:
            self.actors.clear()
            outside_loops(self.loop.shut)
            self.threads.close()


def bodies(host: Host) -> int:
    """Return how many bodies run, those of compensations too."""
    return host.invoker.running if isinstance(host.invoker, LocalInvoker) else 0


def outside_loops(act: Callable[[], R]) -> R:
    """Act in this thread, or in another where this one has a loop that runs: an async test."""
    if not in_a_loop():
        return act()
    with ThreadPoolExecutor(1, thread_name_prefix="duetto-test") as threads:
        return threads.submit(copy_context().run, act).result()


def in_a_loop() -> bool:
    """Return whether this thread has a loop that runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
