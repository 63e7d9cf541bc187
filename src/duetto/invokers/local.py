"""Run tasks as local calls: async bodies in a few workers of the loop, others in threads.

A worker awaits one body after the other, with no future and no asyncio task per call; another
worker is started only where a body suspended while others wait. Time limits are armed then too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from time import perf_counter_ns
from typing import Generic

from duetto.authoring.context import Slot, current_slot
from duetto.errors import LimitExceeded
from duetto.invoker import Call, Ended

THREADS_MAX = 32
"""Threads for synchronous bodies; what comes above waits its turn."""

WORKERS_IDLE_MAX = 64
"""Idle workers that are kept: making one costs some 10 µs."""

BLOCKED_US = 100_000
"""A body that holds the loop longer than this without a pause is reported."""


class LocalInvoker(Generic[Call]):
    """Runs invocations on the running loop; `ended` is called for each, in the loop."""

    def __init__(
        self, ended: Ended[Call], *, blocked: Callable[[Call, int], None] | None = None
    ) -> None:
        self._ended, self._blocked = ended, blocked
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Call] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._busy: dict[asyncio.Task[None], Call] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._pumping = False
        self._turn = 0
        self._closing = False
        self._quiet: asyncio.Future[None] | None = None

    @property
    def backlog(self) -> int:
        return len(self._queue)

    @property
    def running(self) -> int:
        return len(self._busy)

    def submit(self, invocation: Call) -> None:
        self._queue.append(invocation)
        if not self._pumping and not self._closing:
            self._pumping = True
            self._wake_worker()
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Runs after a worker had its turn: what is still queued needs another worker."""
        self._turn += 1
        self._arm_limits()
        if self._queue and not self._closing:
            self._wake_worker()
            self._loop.call_soon(self._pump)
        else:
            self._pumping = False

    def _wake_worker(self) -> None:
        while self._idle:
            future = self._idle.pop()
            if not future.done():
                future.set_result(None)
                return
        worker = self._loop.create_task(self._work(), context=Context())
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        slot = Slot()
        current_slot.set(slot)
        clean = copy_context()
        worker = asyncio.current_task()
        assert worker is not None, "a worker is a task of the loop"
        queue, busy, ended = self._queue, self._busy, self._ended
        while True:
            while queue and not self._closing:
                invocation = queue.popleft()
                slot.call = invocation
                busy[worker] = invocation
                result, error, turn = None, None, self._turn
                handle = invocation.handle
                started = perf_counter_ns()
                try:
                    if handle.is_async:
                        result = await handle.body(*invocation.args, **invocation.kwargs)
                    else:
                        result = await self._in_thread(invocation)
                except asyncio.CancelledError as cancelled:
                    error = self._why_cancelled(invocation, cancelled, worker)
                # Whatever a body raises is the outcome of its attempt; no body ends the process.
                except (Exception, SystemExit) as raised:
                    error = raised
                took = invocation.took = (perf_counter_ns() - started) // 1000
                busy.pop(worker, None)
                if took > BLOCKED_US and turn == self._turn and self._blocked:
                    self._blocked(invocation, took // 1000)
                ended(invocation, result, error)
                if self._quiet is not None:
                    self._note_quiet()
                if copy_context() != clean:
                    return  # the body set a context variable, which the next must not see
            if self._closing or len(self._idle) >= WORKERS_IDLE_MAX:
                return
            future = self._loop.create_future()
            self._idle.append(future)
            await future

    def _note_quiet(self) -> None:
        if self._quiet is not None and not self._busy and not self._quiet.done():
            self._quiet.set_result(None)

    def _why_cancelled(
        self, invocation: Call, cancelled: asyncio.CancelledError, worker: asyncio.Task[None]
    ) -> BaseException:
        if invocation.handle.timeout_s is not None and cancelled.args == (invocation,):
            worker.uncancel()
            return TimeoutError(f"took longer than {invocation.handle.timeout_s:g} s")
        return cancelled

    async def _in_thread(self, invocation: Call) -> object:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="duetto-task")
        context, given_up = copy_context(), False

        def call() -> object:
            if given_up:  # it was queued all the same, and would run for nobody
                return None
            return context.run(invocation.handle.body, *invocation.args, **invocation.kwargs)

        try:
            run = self._loop.run_in_executor(self._threads, call)
        except RuntimeError as error:
            given_up = True
            raise no_thread(error) from error
        return await run

    def _arm_limits(self) -> None:
        """Arm the time limit of each body that has suspended since the last look."""
        for worker, invocation in self._busy.items():
            if invocation.handle.timeout_s is not None and invocation.took == 0:
                invocation.took = -1
                self._loop.call_later(invocation.handle.timeout_s, self._expire, worker, invocation)

    def _expire(self, worker: asyncio.Task[None], invocation: Call) -> None:
        if self._busy.get(worker) is invocation:
            worker.cancel(msg=invocation)

    async def drain(self, timeout_s: float) -> int:
        """Wait until what runs has ended, start nothing new; return how many are still running."""
        self._closing = True
        if self._busy and timeout_s > 0:
            self._quiet = self._loop.create_future()
            await asyncio.wait([self._quiet], timeout=timeout_s)
        left = len(self._busy)
        await self.close()
        return left

    async def close(self) -> None:
        """Stop at once: what is running is cancelled, and counts as unknown."""
        self._closing = True
        self._busy.clear()
        for future in self._idle:
            future.cancel()
        for worker in list(self._workers):
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def no_thread(error: RuntimeError) -> LimitExceeded:
    """Return the error for a body that no thread can be started for."""
    return LimitExceeded(
        "A task cannot be run, as no thread can be started for it.",
        found=str(error),
        expected=f"room for up to {THREADS_MAX} threads",
        do="raise the limit of threads of this process, or write the task as `async def`",
    )


__all__ = ["LocalInvoker"]
