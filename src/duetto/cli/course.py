"""Bring runs to their ends, so many at a time, and count what came of them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import ceil

from msgspec import Struct

from duetto.app import App
from duetto.cli.lines import Line
from duetto.errors import ConflictError
from duetto.model.token import Completed, Failed, Outcome, Stopped
from duetto.model.view import RUNNING
from duetto.observer import Observer, Recovered, Signal, TokenParked
from duetto.operations import Operations
from duetto.store import Query


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


class Watcher:
    """Passes signals on, and tells who waits for a run that it is parked."""

    def __init__(self, to: Observer, recovered: Callable[[tuple[str, ...]], None]) -> None:
        self._to, self._recovered = to, recovered
        self._waiting: dict[str, asyncio.Event] = {}

    def note(self, signal: Signal, /) -> None:
        match signal:
            case TokenParked(run) if run in self._waiting:
                self._waiting[run].set()
            case Recovered(runs):
                self._recovered(runs)
                return
            case _:
                pass
        self._to.note(signal)

    async def ended_or_parked(self, operations: Operations, id: str) -> Outcome | None:
        """Return the outcome of a run, or None once nothing of it moves before an operator."""
        parked = self._waiting[id] = asyncio.Event()
        outcome = asyncio.ensure_future(operations.outcome(id))
        try:
            while not outcome.done() and not operations.is_parked(id):
                told = asyncio.ensure_future(parked.wait())
                await asyncio.wait({outcome, told}, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
                parked.clear()
            return await outcome if outcome.done() else None
        finally:
            outcome.cancel()
            del self._waiting[id]


class Runner:
    """Runs the lines of one workflow."""

    def __init__(self, app: App, workflow: str, concurrency: int, watcher: Watcher) -> None:
        self._app, self._workflow = app, workflow
        self._concurrency, self._watcher = concurrency, watcher
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
            async with self._app:
                with suppress(asyncio.CancelledError):
                    course.interrupted = True
                    await self._workers(lines, ended)
                    course.interrupted = False
                course.seconds = time.perf_counter() - begun
                course.others = self._others()
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
        operations, begun = self._app.operations, time.perf_counter()
        id = await self._started(operations, line)
        if id in self._seen:
            return  # the same line twice is one run
        self._seen.add(id)
        before = operations.show(id)
        outcome = await self._watcher.ended_or_parked(operations, id)
        is_new = before.status == "running" or before.created >= self._since_ms
        self._count(id, outcome, (time.perf_counter() - begun) * 1000 if is_new else None)

    async def _started(self, operations: Operations, line: Line) -> str:
        try:
            return await operations.start(
                self._workflow, line.args, line.kwargs, id=line.id, tags=line.tags
            )
        except ConflictError as error:
            raise ConflictError(
                f"Line {line.number}: {error.message}",
                found=error.found,
                expected=error.expected,
                do=error.do,
            ) from error

    def _count(self, id: str, outcome: Outcome | None, took_ms: float | None) -> None:
        course = self._course
        match outcome:
            case Completed():
                course.completed += 1
            case Failed(error):
                course.failed[error.type.rpartition(":")[2].rpartition(".")[2]] += 1
            case Stopped():
                course.cancelled += 1
            case None:
                course.parked += 1
                course.parked_ids.append(id)
        counts = self._app.operations.counts(id)
        course.compensated += counts.undone > 0
        if took_ms is None:
            return
        course.steps += counts.steps
        course.retries += counts.retries
        course.messages += counts.messages
        course.store_writes += counts.writes
        if outcome is not None:
            course.latencies_ms.append(took_ms)

    def _others(self) -> list[str]:
        """Return the runs that stay open here and are none of the lines'."""
        rows = self._app.operations.list(Query(statuses=(RUNNING,), limit=1000))
        return [row.id for row in rows if row.id not in self._seen]


def percentile(values: list[float], percent: int) -> float | None:
    """Return the least value that so many per cent do not exceed; None where there are none."""
    if not values:
        return None
    return round(sorted(values)[ceil(len(values) * percent / 100) - 1], 3)
