"""Start, show, list, cancel, retry, resume, skip, restart: the operations on runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from duetto.errors import NotAllowed, NotFound, RunCancelled, RunFailed
from duetto.kernel import journal
from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.effect import Resume, Skip
from duetto.model.record import Record
from duetto.model.token import (
    ROOT,
    Completed,
    Failed,
    OnChildren,
    OnTask,
    OnUndo,
    Outcome,
    Parked,
    Stopped,
    Token,
    Value,
)
from duetto.model.view import RUNNING, STATUSES, Fact, RunRow, RunView, Waiting
from duetto.operations.counts import Counts, counted
from duetto.operations.explain import waiting
from duetto.operations.history import facts
from duetto.runtime import runs
from duetto.runtime.cause import Cause
from duetto.runtime.engine import Engine
from duetto.runtime.host import Host
from duetto.store import Query

CONGESTED_S = 0.01
"""How long a start waits before it looks again whether there is room."""


class Operations:
    """What can be asked of a running app. Reads answer at once; the rest returns once durable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def home(self) -> Host:
        """The host that keeps the app's own runs."""
        return self._engine.host_of("")

    # -- starting and ending

    async def start(
        self,
        workflow: str,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> str:
        """Start a run, once per id; return its id when it is durable.

        Raises NotFound, ConflictError, ValueRefused, or TypeError for arguments that do not fit.
        """
        program = self._program(workflow)
        while self._engine.congested:
            await asyncio.sleep(CONGESTED_S)
        host = self._engine.host_of(program.definition.home)
        run = id if id is not None else self._engine.clock.draw_id()
        runs.start(host, program, run, tuple(args), dict(kwargs or {}), tags)
        await durable(host)
        return run

    def _program(self, workflow: str) -> Program:
        digest = self._engine.programs.by_name.get(workflow)
        if digest is None:
            raise NotFound.named("workflow", workflow, self._engine.programs.by_name)
        return self._engine.programs.program(digest)

    async def result(self, id: str) -> Any:
        """Return the result of a run once there is one. Raises RunFailed, RunCancelled, NotFound."""
        outcome = await self.outcome(id)
        host, row = self._row(id)
        return self._live(host, row, outcome)

    async def outcome(self, id: str) -> Outcome:
        """Return how a run ended, once it has. Raises NotFound."""
        host, row = self._row(id)
        if row.status != RUNNING:
            return journal.outcome(row.result)
        if id not in host.runs:
            await durable(host)
            return await self.outcome(id)
        future: asyncio.Future[Outcome] = host.loop.create_future()
        host.waiters.setdefault(id, []).append(future)
        return await future

    def _live(self, host: Host, row: RunRow, outcome: Outcome) -> Any:
        match outcome:
            case Completed(value):
                return self._engine.programs.program(row.digest).load(value)
            case Failed(error):
                cause = self._engine.codec.exception(error)
                undone = self.counts(row.id).undone
                compensated = f" and was compensated ({undone} tasks undone)" if undone else ""
                raise RunFailed(
                    row.id,
                    f"run {row.id} failed{compensated}.",
                    found=f"{type(cause).__name__}: {cause}" + _where(error.trace),
                    do=f"duetto runs show {row.id}",
                ) from cause
            case Stopped():
                raise RunCancelled(row.id, f"run {row.id} was cancelled.")

    async def settled(self) -> None:
        """Return once every run that is open here has ended."""
        while True:
            waiting = [
                id
                for host in self._engine.hosts
                for id, run in host.runs.items()
                if run.home in host.participants and not self.is_parked(id)
            ]
            if not waiting:
                return
            await self.outcome(waiting[0])

    def is_parked(self, id: str) -> bool:
        """Return whether nothing of an open run moves here before an operator decides."""
        rests = [
            token.rest
            for host in self._engine.hosts
            if (run := host.runs.get(id)) is not None
            for token in run.tokens.values()
            if not isinstance(token.rest, OnChildren)
        ]
        return bool(rests) and all(isinstance(rest, Parked) for rest in rests)

    # -- reading

    def show(self, id: str) -> RunView:
        """Return a run. Raises NotFound."""
        host, row = self._row(id)
        return self._view(host, row)

    def list(self, query: Query | None = None) -> list[RunView]:
        """Return runs, newest first, by workflow, status, time and tag."""
        host = self.home
        return [self._view(host, row) for row in host.store.runs(query or Query())]

    def history(self, id: str) -> list[Fact]:
        """Return what happened in a run, over all participants here, in causal order."""
        self._row(id)
        records = [record for _, record in self.records(id)]
        return facts(records, self._engine.programs.definition)

    def explain(self, id: str) -> list[Waiting]:
        """Say why each token of a run is not moving. Raises NotFound."""
        self._row(id)
        now = self._engine.clock.now_ms()
        return [
            one
            for host in self._engine.hosts
            if (state := host.runs.get(id)) is not None
            for one in waiting(state, self._engine.programs.definition, now)
        ]

    def counts(self, id: str) -> Counts:
        """Count steps, retries, messages and store writes of a run, from its journals."""
        return counted(self.records(id))

    def records(self, id: str) -> list[tuple[int, Record]]:
        """Return the records of a run, each with the number of its store, in the stores' order."""
        found: list[tuple[int, Record]] = []
        for number, host in enumerate(self._engine.hosts):
            row = host.store.run(id)
            if row is not None:
                found += [(number, journal.record(data)) for data in host.store.journal(row.rid)]
        return found

    def _view(self, host: Host, row: RunRow) -> RunView:
        run = host.runs.get(row.id)
        parked = [
            token.rest
            for each in self._engine.hosts
            if (state := each.runs.get(row.id)) is not None
            for token in state.tokens.values()
            if isinstance(token.rest, Parked)
        ]
        error, result = "", None
        if row.status != RUNNING and row.result:
            outcome = journal.outcome(row.result)
            if isinstance(outcome, Failed):
                error = f"{outcome.error.type.rpartition(':')[2]}: {outcome.error.message}"
            elif isinstance(outcome, Completed):
                result = self._engine.programs.program(row.digest).load(outcome.value)
        elif parked:
            error = parked[0].reason
        del run
        return RunView(
            row.id,
            row.workflow,
            row.digest,
            STATUSES[row.status],
            row.created,
            row.updated,
            row.tags,
            len(parked),
            0,
            error,
            result,
        )

    def _row(self, id: str) -> tuple[Host, RunRow]:
        for host in self._engine.hosts:
            row = host.new_rows.get(id) or host.store.run(id)
            if row is None and id in host.runs:
                row = next((one for one in host.batch.runs if one.id == id), None)
            if row is not None and row.home in host.participants:
                return host, row
        raise NotFound.named("run", id, self._near())

    def _near(self) -> list[str]:
        return [row.id for row in self.home.store.runs(Query(limit=200))]

    # -- acting

    async def cancel(self, id: str) -> None:
        """Cancel a run: what it did is compensated, then it ends as cancelled.

        Raises NotFound, or NotAllowed where it has ended.
        """
        host, row = self._row(id)
        run = self._open(host, row)
        host.cancel(run, ROOT)
        await durable(host)

    async def retry(self, id: str) -> int:
        """Try again at once what waits for a next attempt, and send again what is under way;
        return how many were."""
        _, row = self._row(id)
        found = 0
        for host in self._engine.hosts:
            run = host.runs.get(row.id)
            if run is not None:
                found += self._retry_here(host, run)
                await durable(host)
        return found

    def _retry_here(self, host: Host, run: RunState) -> int:
        found = 0
        for token in list(run.tokens.values()):
            if isinstance(token.rest, OnTask | OnUndo) and token.rest.due:
                self._move(host, run, token, Resume(), Cause("retried"))
                found += 1
        for trail in run.away.values():
            if trail.message is not None:
                host.exchange.publish(trail.message)
                found += 1
        return found

    async def resume(self, id: str, path: str = "") -> int:
        """Let what is parked go on, attempts at zero; return how many tokens. All, or one path.

        Raises NotFound, or NotAllowed where nothing is parked.
        """
        return await self._unpark(id, path, Resume(), "resumed")

    async def skip(self, id: str, path: str = "", value: Any = None) -> int:
        """Let what is parked go on as if it had ended with a value; return how many tokens."""
        result = Value(-1, self._engine.codec.dynamic.encode(value))
        return await self._unpark(id, path, Skip(result), "skipped")

    async def _unpark(self, id: str, path: str, input: Resume | Skip, name: str) -> int:
        self._row(id)
        found = 0
        for host in self._engine.hosts:
            run = host.runs.get(id)
            for token in list(run.tokens.values()) if run is not None else ():
                if isinstance(token.rest, Parked) and path in ("", token.path):
                    assert run is not None
                    self._move(host, run, token, input, Cause(name))
                    found += 1
            await durable(host)
        if not found:
            raise NotAllowed(
                f"Nothing of run {id} is parked{f' at {path}' if path else ''}.",
                do=f"duetto runs explain {id}",
            )
        return found

    def _move(
        self, host: Host, run: RunState, token: Token, input: Resume | Skip, cause: Cause
    ) -> None:
        host.advance(run, token.path, input, cause)

    async def restart(self, id: str, new_id: str | None = None) -> str:
        """Start an ended run once more, from its start, on today's definition, under a new id.

        Raises NotFound, or NotAllowed where it is still open.
        """
        host, row = self._row(id)
        if row.status == RUNNING:
            raise NotAllowed(f"Run {id} is still open.", do=f"duetto runs cancel {id}")
        old = self._engine.programs.program(row.digest)
        inputs = runs.unpack_input(old, row.input)
        run = new_id or self._engine.clock.draw_id()
        runs.start(host, self._program(row.workflow), run, (), inputs, row.tags)
        await durable(host)
        return run

    def _open(self, host: Host, row: RunRow) -> RunState:
        run = host.runs.get(row.id)
        if run is None:
            raise NotAllowed(
                f"Run {row.id} has ended.",
                found=STATUSES[row.status],
                expected="a run that is open",
                do=f"duetto runs show {row.id}",
            )
        return run


async def durable(host: Host) -> None:
    """Return once all that was written until now is durable. Raises the store's failure."""
    if host.failure is not None:
        raise host.failure
    future: asyncio.Future[None] = host.loop.create_future()
    host.after_commit(lambda: None if future.done() else future.set_result(None))
    await future


def _where(trace: str) -> str:
    last = trace.strip().splitlines()
    return f"   {last[-1]}" if last else ""


__all__ = ["Operations"]
