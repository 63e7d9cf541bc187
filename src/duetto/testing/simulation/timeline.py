"""Virtual time, and the processes that share it: each is an event loop that can die or pause.

asyncio's own tasks, futures and sleeps run on a `Process`, which hands everything that is to run to
one queue for all. So a process that dies takes nothing more along, whatever its tasks would have
done on their way out: that is `kill -9`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from types import CoroutineType
from typing import Any, Protocol, cast

TURNS_MAX = 300_000
"""Callbacks of one world before it is said to go round for ever; the longest take some 60,000."""


class Endless(Exception):
    """A world that goes round and round."""


class Died(BaseException):
    """The process dies here and now; nothing may catch it, as nothing catches `kill -9`."""


class Call:
    """A callback that is to run in its process."""

    __slots__ = ("_when", "args", "callback", "context", "process")

    def __init__(
        self,
        process: Process,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
        when: float = 0.0,
    ) -> None:
        self.process, self.args, self.context = process, args, context
        self.callback: Callable[..., object] | None = callback
        self._when = when

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self._when


class Timeline:
    """Runs callbacks in the order of their times, those of one time in the order they were set."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.turns = 0
        self.errors: list[BaseException] = []
        self._ready: deque[Call] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._numbers = count()
        self._stopped = False
        self.watched: Callable[[], None] = lambda: None
        """Called every so many turns, between two callbacks."""
        self.watched_every = 0
        self.outside = Process(self, "outside")
        """What is no process of the system: the world around it, which never dies."""

    def soon(self, call: Call) -> None:
        """Run a call in its turn, at this instant."""
        self._ready.append(call)

    def at(self, when: float, call: Call) -> None:
        """Run a call at an instant."""
        heappush(self._timers, (when, next(self._numbers), call))

    def stop(self) -> None:
        """Let `run_until` return after the call under way."""
        self._stopped = True

    def close(self) -> None:
        """Forget what was still to run."""
        self._ready.clear()
        self._timers.clear()

    def run_until(self, end_s: float) -> None:
        """Run to an instant, or until it is stopped. Raises what a callback raised, and Endless."""
        self._stopped = False
        ready, timers = self._ready, self._timers
        try:
            while not self._stopped:
                if ready:
                    self._turn(ready.popleft())
                elif timers and timers[0][0] <= end_s:
                    when, _, call = heappop(timers)
                    self.now_s = max(self.now_s, when)
                    if call.callback is not None:
                        ready.append(call)
                else:
                    self.now_s = max(self.now_s, end_s)
                    return
        finally:
            asyncio._set_running_loop(None)
        if self.errors:
            raise self.errors[0]

    def _turn(self, call: Call) -> None:
        process, callback = call.process, call.callback
        if callback is None or not process.takes(call):
            return
        self.turns += 1
        if self.turns > TURNS_MAX:
            raise Endless(f"it has not ended after {TURNS_MAX:,} turns")
        if self.watched_every and self.turns % self.watched_every == 0:
            self.watched()
        asyncio._set_running_loop(process)
        try:
            if call.context is None:
                callback(*call.args)
            else:
                call.context.run(callback, *call.args)
        except Died:
            pass
        # Whatever it is, it is raised by `run_until`: here is no error that may be logged.
        except Exception as error:
            self.errors.append(error)
            self.stop()


class Steps(Protocol):
    """Told of each callback that a process is about to run; may let it die."""

    def __call__(self, process: Process, /) -> None: ...


class Process(asyncio.AbstractEventLoop):
    """The event loop of one process. What it was to run is lost when it dies."""

    def __init__(self, timeline: Timeline, name: str, stepped: Steps | None = None) -> None:
        self.timeline, self.name = timeline, name
        self.dead = self.fenced = False
        self._stepped = stepped
        self._paused_until = 0.0
        self._backlog: deque[Call] = deque()
        self._tasks: list[asyncio.Task[Any]] = []

    def __repr__(self) -> str:
        return f"<process {self.name}{' (dead)' if self.dead else ''}>"

    # -- living and dying

    def takes(self, call: Call) -> bool:
        """Return whether a call may run now; a paused process keeps it for later."""
        if self.dead:
            return False
        if self._paused_until > self.timeline.now_s:
            self._backlog.append(call)
            return False
        if self._stepped is not None:
            self._stepped(self)
            return not self.dead
        return True

    def die(self) -> None:
        """End at once. Whoever calls it from within goes on with `raise Died`."""
        self.dead = True
        self._backlog.clear()
        for task in self._tasks:
            coroutine = task.get_coro()
            # The one that is running ends by what is raised in it.
            if isinstance(coroutine, CoroutineType) and not coroutine.cr_running:
                coroutine.close()
        self._tasks.clear()

    def pause(self, for_s: float) -> None:
        """Run nothing for a time. From within a callback, its rest takes that time."""
        until = max(self._paused_until, self.timeline.now_s) + for_s
        self._paused_until = until
        self.timeline.at(until, Call(self.timeline.outside, self._go_on, (), None))

    def _go_on(self) -> None:
        if self._paused_until > self.timeline.now_s:
            return
        backlog, self._backlog = self._backlog, deque()
        for call in backlog:
            self.timeline.soon(call)

    @property
    def behind_s(self) -> float:
        """How long the rest of a callback that paused its own process has yet to wait."""
        return max(0.0, self._paused_until - self.timeline.now_s)

    @property
    def paused(self) -> bool:
        return self._paused_until > self.timeline.now_s

    # -- the event loop

    def time(self) -> float:
        return max(self.timeline.now_s, self._paused_until)

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        call = Call(self, callback, args, context)
        if not self.dead:
            self.timeline.soon(call)
        return cast("asyncio.Handle", call)

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        call = Call(self, callback, args, context, when)
        if not self.dead:
            self.timeline.at(when, call)
        return cast("asyncio.TimerHandle", call)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return self.dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error that nobody awaits ends the run; what a dead process leaves behind is none."""
        error = context.get("exception")
        if self.dead or isinstance(error, Died):
            return
        self.timeline.errors.append(error or RuntimeError(context["message"]))
        self.timeline.stop()
