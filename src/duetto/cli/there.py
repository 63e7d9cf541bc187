"""Runs of `duetto run` in the app that owns the store already, asked through its socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from duetto.cli.course import End
from duetto.cli.lines import Line
from duetto.kernel.program import Program
from duetto.model.view import RUNNING, RunView
from duetto.operations.caller import Caller
from duetto.operations.packing import packed
from duetto.operations.requests import AnyRequest, Await, List, Standing, Start

A = TypeVar("A")

CONNECTIONS_MAX = 100
"""Each takes a file of the app that is asked, which needs some for its own work."""


class There:
    """The app that owns a store; what was started there goes on without this process."""

    def __init__(self, store: Path, program: Program) -> None:
        self._store, self._program = store, program
        self._idle: list[Caller] = []

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Keep connections between requests, and close them at the end."""
        try:
            yield
        finally:
            while self._idle:
                await self._idle.pop().close()

    async def start(self, line: Line, since_ms: int) -> bool:
        """Start the run of a line; return whether it was open, or was started since then."""
        program = self._program
        data = packed(program, line.args, line.kwargs)
        request = Start(line.id, program.definition.name, program.digest, data, line.tags)
        before = await self._ask(request, Standing)
        return before.status == "running" or before.created >= since_ms

    async def end(self, id: str) -> End:
        """Return what came of a run, once it has ended or is parked."""
        while True:
            found = await self._ask(Await(id), Standing)
            match found.status:
                case "completed" | "cancelled":
                    return End(found.status, found.counts)
                case "failed":
                    return End("failed", found.counts, found.error.partition(":")[0])
                case "running" | "guest":
                    if found.settled:
                        return End("parked", found.counts)

    async def open_runs(self, limit: int) -> list[str]:
        """Return the ids of the runs that are open, so many at most."""
        rows = await self._ask(List(statuses=(RUNNING,), limit=limit), list[RunView])
        return [row.id for row in rows]

    async def _ask(self, request: AnyRequest, kind: type[A]) -> A:
        caller = self._idle.pop() if self._idle else await Caller.to(self._store)
        try:
            found = await caller.ask(request, kind)
        except BaseException:  # a reply may still come, and would be taken for another's
            await caller.close()
            raise
        self._idle.append(caller)
        return found
