"""Bring runs to their ends, so many at a time, and count what came of them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from math import ceil
from typing import Literal, Protocol

from msgspec import Struct

from duetto.cli.lines import Line
from duetto.errors import ConflictError
from duetto.operations.counts import Counts


class Course(Struct):
    """What came of the runs; steps and times are of those that ended in this process."""

    completed: int = 0
    cancelled: int = 0
    parked: int = 0
    compensated: int = 0
    failed: Counter[str] = Counter()
    steps: int = 0
    retries: int = 0
    messages: int = 0
    store_writes: int = 0
    seconds: float = 0.0
    latencies_ms: list[float] = []
    parked_ids: list[str] = []
    others: list[str] = []
    interrupted: bool = False

    @property
    def ended(self) -> int:
        """How many runs reached an end."""
        return self.completed + self.cancelled + self.failed.total()


class End(Struct, frozen=True):
    """What came of a run: how it ended, or that it is parked, and the class of its error."""

    how: Literal["completed", "failed", "cancelled", "parked"]
    counts: Counts
    failure: str = ""


class Executor(Protocol):
    """Who executes the runs: the app of this process, or the one that owns the store already."""

    def opened(self) -> AbstractAsyncContextManager[None]: ...
    async def start(self, line: Line, since_ms: int) -> bool: ...
    async def end(self, id: str) -> End: ...
    async def open_runs(self, limit: int) -> list[str]: ...


class Runner:
    """Runs the lines of one workflow."""

    def __init__(self, executor: Executor, concurrency: int) -> None:
        self._executor, self._concurrency = executor, concurrency
        self._course = Course(failed=Counter(), latencies_ms=[], parked_ids=[], others=[])
        self._seen: set[str] = set()

    async def run(self, lines: Iterator[Line], ended: Callable[[], None]) -> Course:
        """Start every line; return once each has ended or is parked, or at an interrupt.

        What runs in this moment is drained, and all goes on when it is started again.
        """
        course, begun = self._course, time.perf_counter()
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        self._since_ms = time.time_ns() // 1_000_000
        try:
            async with self._executor.opened():
                with suppress(asyncio.CancelledError):
                    course.interrupted = True
                    await self._workers(lines, ended)
                    course.interrupted = False
                course.seconds = time.perf_counter() - begun
                course.others = await self._others()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return course

    async def _workers(self, lines: Iterator[Line], ended: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._concurrency):
                group.create_task(self._worker(lines, ended))

    async def _worker(self, lines: Iterator[Line], ended: Callable[[], None]) -> None:
        for line in lines:
            await self._one(line)
            ended()

    async def _one(self, line: Line) -> None:
        begun = time.perf_counter()
        is_new = await self._started(line)
        if line.id in self._seen:
            return  # the same line twice is one run
        self._seen.add(line.id)
        end = await self._executor.end(line.id)
        self._count(line.id, end, (time.perf_counter() - begun) * 1000 if is_new else None)

    async def _started(self, line: Line) -> bool:
        try:
            return await self._executor.start(line, self._since_ms)
        except ConflictError as error:
            raise ConflictError(
                f"Line {line.number}: {error.message}",
                found=error.found,
                expected=error.expected,
                do=error.do,
            ) from error

    def _count(self, id: str, end: End, took_ms: float | None) -> None:
        course, counts = self._course, end.counts
        match end.how:
            case "completed":
                course.completed += 1
            case "failed":
                course.failed[end.failure] += 1
            case "cancelled":
                course.cancelled += 1
            case "parked":
                course.parked += 1
                course.parked_ids.append(id)
        course.compensated += counts.undone > 0
        if took_ms is None:
            return
        course.steps += counts.steps
        course.retries += counts.retries
        course.messages += counts.messages
        course.store_writes += counts.writes
        if end.how != "parked":
            course.latencies_ms.append(took_ms)

    async def _others(self) -> list[str]:
        """Return the runs that stay open here and are none of the lines'."""
        return [id for id in await self._executor.open_runs(1000) if id not in self._seen]


def percentile(values: list[float], percent: int) -> float | None:
    """Return the least value that so many per cent do not exceed; None where there are none."""
    if not values:
        return None
    return round(sorted(values)[ceil(len(values) * percent / 100) - 1], 3)
