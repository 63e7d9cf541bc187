"""Runs of `duetto run` in the app of this process, which owns its store meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from duetto.app import App
from duetto.cli.course import End
from duetto.cli.lines import Line
from duetto.model.token import Completed, Failed, Outcome, Stopped
from duetto.model.view import RUNNING
from duetto.observer import Observer, Recovered, Signal, TokenParked
from duetto.operations import Operations
from duetto.store import Query


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


class Here:
    """The app of this process."""

    def __init__(self, app: App, workflow: str, watcher: Watcher) -> None:
        self._app, self._workflow, self._watcher = app, workflow, watcher

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Run the app. What runs at the end is drained, and goes on when it is started again."""
        async with self._app:
            yield

    async def start(self, line: Line, since_ms: int) -> bool:
        """Start the run of a line; return whether it was open, or was started since then."""
        operations = self._app.operations
        id = await operations.start(
            self._workflow, line.args, line.kwargs, id=line.id, tags=line.tags
        )
        before = operations.show(id)
        return before.status == "running" or before.created >= since_ms

    async def end(self, id: str) -> End:
        """Return what came of a run, once it has ended or is parked."""
        operations = self._app.operations
        outcome = await self._watcher.ended_or_parked(operations, id)
        counts = operations.counts(id)
        match outcome:
            case Completed():
                return End("completed", counts)
            case Failed(error):
                kind = error.type.rpartition(":")[2].rpartition(".")[2]
                return End("failed", counts, kind)
            case Stopped():
                return End("cancelled", counts)
            case None:
                return End("parked", counts)

    async def open_runs(self, limit: int) -> list[str]:
        """Return the ids of the runs that are open, so many at most."""
        rows = self._app.operations.list(Query(statuses=(RUNNING,), limit=limit))
        return [row.id for row in rows]
