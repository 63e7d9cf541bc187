"""Start, show, list, cancel, retry, resume, skip, restart: the operations on runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice
from typing import Any

from msgspec.structs import replace

from duetto.errors import (
    DuettoError,
    NotAllowed,
    NotFound,
    RunCancelled,
    RunFailed,
    RunParked,
    StoreDamaged,
)
from duetto.kernel import journal
from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.definition import DYNAMIC
from duetto.model.record import Record
from duetto.model.token import (
    ROOT,
    Completed,
    Error,
    Failed,
    OnChildren,
    Outcome,
    Parked,
    Stopped,
    Token,
    Value,
)
from duetto.model.view import RUNNING, STATUSES, Fact, RunRow, RunView, Waiting
from duetto.operations.counts import Counts, counted
from duetto.operations.events import EventOperations
from duetto.operations.explain import ended, waiting
from duetto.operations.history import facts
from duetto.operations.looking import knowledge
from duetto.operations.packing import unpacked
from duetto.operations.phrases import plural, short, told
from duetto.operations.rows import home_row, records_of
from duetto.operations.unparking import resume, skip, try_at_once
from duetto.runtime import runs
from duetto.runtime.engine import Engine
from duetto.runtime.host import Host
from duetto.store import Damage, Query

CONGESTED_S = 0.01
"""How long a start waits before it looks again whether there is room."""


class Operations:
    """What can be asked of a running app. Reads answer at once; the rest returns once durable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.events = EventOperations(engine)

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

        Raises NotFound, ConflictError, ValueRefused (ArgumentsRefused too) and LimitExceeded where
        nothing was started, and StoreFull where the store has had no room for a while.
        """
        host, run = await self._begin(workflow, tuple(args), dict(kwargs or {}), id, tags)
        await host.durable()
        return run

    async def start_packed(
        self, workflow: str, digest: str, data: bytes, *, id: str, tags: tuple[str, ...] = ()
    ) -> str:
        """Start a run whose arguments another process packed by the definition with this digest.

        Raises what `start` does, and NotAllowed where the workflow has another definition here.
        """
        kwargs = unpacked(self._program(workflow), digest, data)
        return await self.start(workflow, (), kwargs, id=id, tags=tags)

    async def run(
        self,
        workflow: str,
        args: tuple[Any, ...],
        *,
        id: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> Any:
        """Start a run, once per id, and return its result. Raises what `start` and `result` do."""
        host, run = await self._begin(workflow, args, {}, id, tags)
        state = host.runs.get(run)
        if state is not None:
            return await self._result_of(host, state)
        await host.durable()  # it has ended already, perhaps in this very turn
        return await self.result(run)

    async def _begin(
        self,
        workflow: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        id: str | None,
        tags: tuple[str, ...],
    ) -> tuple[Host, str]:
        """Write the start of a run, once there is room for it; return its home and id."""
        program = self._program(workflow)
        # Room is made by whatever ends, thousands a second: looking costs less than telling.
        while self._engine.congested:  # noqa: ASYNC110  # see above
            await asyncio.sleep(CONGESTED_S)
        host = self._engine.host_of(program.definition.home)
        run = id if id is not None else self._engine.clock.draw_id()
        if host.full is not None and run not in host.runs and host.store.run(run) is None:
            raise host.full
        if host.failure is not None:
            raise host.failure
        runs.start(host, program, run, args, kwargs, tags, drawn=id is None)
        return host, run

    def _program(self, workflow: str) -> Program:
        digest = self._engine.programs.by_name.get(workflow)
        if digest is None:
            raise NotFound.named("workflow", workflow, self._engine.programs.by_name)
        return self._engine.programs.program(digest)

    async def result(self, id: str) -> Any:
        """Return the result of a run once it has one.

        Raises RunFailed, RunCancelled, or NotFound.
        """
        host, run = self._open_home(id)
        if host is not None and run is not None:
            return await self._result_of(host, run)
        outcome = await self.outcome(id)
        host, row = self._row(id)
        return self._live(host, row, outcome)

    async def _result_of(self, host: Host, run: RunState) -> Any:
        """Return the result of a run that is open here, once it has one."""
        outcome = await self._end_of(host, run.id)
        if isinstance(outcome, Completed):
            return self._engine.programs.program(run.digest).load(outcome.value)
        return self._live(host, self._row(run.id)[1], outcome)

    async def outcome(self, id: str) -> Outcome:
        """Return how a run ended, once it has. Raises NotFound."""
        host, run = self._open_home(id)
        if host is not None and run is not None:
            return await self._end_of(host, id)
        host, row = self._row(id)
        if row.status != RUNNING:
            return journal.outcome(row.result)
        self._refuse_damaged(host, id)
        await host.durable()
        return await self.outcome(id)

    def _open_home(self, id: str) -> tuple[Host | None, RunState | None]:
        """Return a run that is open and at home here, without asking a store."""
        for host in self._engine.hosts:
            run = host.runs.get(id)
            if run is not None and run.home in host.participants:
                return host, run
        return None, None

    async def _end_of(self, host: Host, id: str) -> Outcome:
        if host.failure is not None:
            raise host.failure
        future: asyncio.Future[Outcome] = host.loop.create_future()
        waiters = host.waiters.setdefault(id, [])
        waiters.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            waiters.remove(future)  # a run may be open for months, and be asked for again and again
            raise

    def _live(self, host: Host, row: RunRow, outcome: Outcome) -> Any:
        match outcome:
            case Completed(value):
                return self._engine.programs.program(row.digest).load(value)
            case Failed(error):
                cause = self._engine.codec.exception(error)
                undone = self.counts(row.id).undone
                tasks = plural(undone, "task")
                compensated = f" and was compensated ({tasks} undone)" if undone else ""
                raise RunFailed(
                    row.id,
                    f"run {row.id} failed{compensated}.",
                    found=_spoken(cause, error) + _where(error.trace),
                    do=f"duetto runs show {row.id}",
                ) from cause
            case Stopped():
                raise RunCancelled(row.id, f"run {row.id} was cancelled.")

    async def settled(self) -> None:
        """Return once every run that is open here has ended or is parked."""
        while waiting := [id for id in self.unfinished() if not self.is_parked(id)]:
            await self._ended_or_one_parked(waiting[0])
        for host in self._engine.hosts:
            await host.durable()

    async def ended_or_parked(self, id: str) -> bool:
        """Return once a run has ended (True), or nothing of it moves before an operator (False)."""
        while not self.is_parked(id):
            if await self._ended_or_one_parked(id):
                return True
        return False

    def unfinished(self) -> tuple[str, ...]:
        """Return the ids of the runs that are open and at home here."""
        return tuple(
            id
            for host in self._engine.hosts
            for id, run in host.runs.items()
            if run.home in host.participants
        )

    async def _ended_or_one_parked(self, id: str) -> bool:
        outcome = asyncio.ensure_future(self.outcome(id))
        parking = [host.loop.create_future() for host in self._engine.hosts]
        for host, future in zip(self._engine.hosts, parking, strict=True):
            host.at_parking.append(future)
        try:
            await asyncio.wait({outcome, *parking}, return_when=asyncio.FIRST_COMPLETED)
            if outcome.done():
                outcome.result()
            return outcome.done()
        finally:
            outcome.cancel()
            for host, future in zip(self._engine.hosts, parking, strict=True):
                if not future.done():
                    host.at_parking.remove(future)

    def parked(self, id: str) -> RunParked:
        """Return the error for a run that is parked."""
        reasons = [one.text for one in self.explain(id) if one.kind == "parked"]
        return RunParked(
            id, f"run {id} is parked.", found="; ".join(reasons), do=f"duetto runs explain {id}"
        )

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

    def list(
        self, query: Query | None = None, *, after: str = "", parked: bool = False
    ) -> list[RunView]:
        """Return runs, newest first, by workflow, status, time and tag.

        `after` is the id of the last run of the page before; `parked` leaves out the open runs
        that wait for no operator. Raises NotFound for an id that is not there.
        """
        query = query or Query()
        last = self._row(after) if after else None
        pages = [self._rows(host, query, last) for host in self._engine.hosts]
        rows = merge(*pages, key=lambda found: -found[1].created)
        if parked:
            waiting = self._with_parked()
            rows = (found for found in rows if found[1].status != RUNNING or found[1].id in waiting)
        return [self._view(host, row) for host, row in islice(rows, query.limit)]

    def _with_parked(self) -> set[str]:
        return {
            id
            for host in self._engine.hosts
            for id, run in host.runs.items()
            if any(isinstance(token.rest, Parked) for token in run.tokens.values())
        }

    def _rows(
        self, host: Host, query: Query, last: tuple[Host, RunRow] | None
    ) -> Iterator[tuple[Host, RunRow]]:
        """Yield the rows of runs that are at home in a store, newest first."""
        if last is not None and last[0] is host:
            query = replace(query, before=last[1].rid)
        elif last is not None:
            until = last[1].created + self._is_behind(host, last[0])
            query = replace(query, until=min(query.until or until, until))
        while page := host.store.runs(query):
            yield from ((host, row) for row in page if row.home in host.participants)
            if len(page) < query.limit:
                return
            query = replace(query, before=page[-1].rid)

    def _is_behind(self, host: Host, other: Host) -> bool:
        return self._engine.hosts.index(host) > self._engine.hosts.index(other)

    def history(self, id: str) -> list[Fact]:
        """Return what happened in a run, over all participants here, in causal order."""
        self._row(id)
        return facts(self.records(id), self._engine.programs.definition, self._shown)

    def explain(self, id: str) -> list[Waiting]:
        """Say why each token of a run is not moving, or how it ended. Raises NotFound."""
        _, row = self._row(id)
        now, definition = self._engine.clock.now_ms(), self._engine.programs.definition
        if row.status != RUNNING:
            outcome = journal.outcome(row.result) if row.result else None
            return [ended(row, STATUSES[row.status], outcome, now)]
        found: list[Waiting] = []
        for at in self._engine.hosts:
            run = at.runs.get(id)
            try:
                if run is not None:
                    known = knowledge(at, run, self._engine.hosts)
                    found += waiting(known, definition, self._shown, now)
            except StoreDamaged:
                pass  # it is listed from now on
            if (damage := damage_of(at, id)) is not None:
                found.append(_damaged(at, id, damage))
        return found

    def _shown(self, value: Value) -> str:
        """Spell a value that says its own type, as far as that is known here."""
        try:
            return short(self._engine.codec.dynamic.decode(value.data))
        except DuettoError as unknown:
            return f"a value that cannot be read here ({unknown.message})"

    def counts(self, id: str) -> Counts:
        """Count steps, retries, messages and store writes of a run, from its journals.

        Raises NotFound.
        """
        self._row(id)
        return counted(self.records(id))

    def records(self, id: str) -> list[tuple[int, Record]]:
        """Return the records of a run, each with the number of its store, in the stores' order."""
        return records_of(self._engine.hosts, id)

    def _view(self, host: Host, row: RunRow) -> RunView:
        parked = self._parked(row.id)
        error, result = parked[0].reason if parked else "", None
        if row.status != RUNNING and row.result:
            match journal.outcome(row.result):
                case Failed(cause):
                    error = told(cause)
                case Completed(value):
                    result = self._result(row, value)
                case Stopped():
                    error = "cancelled"
        undone, damage = self._undone(row.id)
        return RunView(
            row.id,
            row.workflow,
            row.digest,
            STATUSES[row.status],
            row.created,
            row.updated,
            row.tags,
            len(parked),
            undone,
            damage or error,
            result,
        )

    def _undone(self, id: str) -> tuple[int, str]:
        """Return how many tasks of a run were undone, or why that cannot be known."""
        try:
            return self.counts(id).undone, ""
        except StoreDamaged as damage:
            return 0, f"damaged: {damage.message} {damage.found}"

    def _result(self, row: RunRow, value: Value) -> Any:
        """Return a result; where its class is not known here, a text that says so."""
        engine = self._engine
        try:
            return engine.programs.program(row.digest).load(value)
        except NotFound:
            pass  # the definition names more than its result's type, which may be known
        try:
            types = engine.programs.definition(row.digest).types
            plan = (
                engine.codec.dynamic
                if value.type == DYNAMIC
                else engine.codec.plan(types[value.type])
            )
            return plan.decode(value.data)
        except NotFound as unknown:
            return f"a value that cannot be read here ({unknown.message})"

    def _parked(self, id: str) -> list[Parked]:
        return [
            token.rest
            for host in self._engine.hosts
            if (run := host.runs.get(id)) is not None
            for token in run.tokens.values()
            if isinstance(token.rest, Parked)
        ]

    def _row(self, id: str) -> tuple[Host, RunRow]:
        found = home_row(self._engine.hosts, id)
        if found is None:
            raise NotFound.named("run", id, self._near())
        return found

    def _near(self) -> list[str]:
        return [row.id for row in self.home.store.runs(Query(limit=200))]

    # -- acting

    async def cancel(self, id: str) -> None:
        """Cancel a run: what it did is compensated, then it ends as cancelled.

        Raises NotFound, or NotAllowed where it has ended.
        """
        host, row = self._row(id)
        host.cancel(self._open(host, row), ROOT)
        await host.durable()

    async def retry(self, id: str) -> int:
        """Try again at once what waits for a next attempt, and send again what is under way;
        return how many were. Raises NotFound, or NotAllowed where the run has ended."""
        home, row = self._row(id)
        self._open(home, row)
        found = 0
        for host in self._engine.hosts:
            run = host.runs.get(id)
            if run is not None:
                found += sum(try_at_once(host, run, token) for token in [*run.tokens.values()])
                found += host.exchange.send_again(run)
                await host.durable()
        return found

    async def resume(self, id: str, path: str = "") -> int:
        """Let what is parked go on, attempts at zero; return how many tokens. All, or one path.

        Raises NotFound, or NotAllowed where nothing is parked, or would only park again.
        """
        return await self._unpark(id, path, resume)

    async def skip(self, id: str, path: str = "", value: Any = None) -> int:
        """Let what is parked go on as if it had ended with a value; return how many tokens.

        Raises NotFound, NotAllowed, or ValueRefused where the value does not fit.
        """

        def skip_one(host: Host, run: RunState, token: Token, rest: Parked) -> None:
            skip(host, run, token, rest, value)

        return await self._unpark(id, path, skip_one)

    async def _unpark(
        self, id: str, path: str, act: Callable[[Host, RunState, Token, Parked], None]
    ) -> int:
        self._row(id)
        parked = [
            (host, run, token.path)
            for host in self._engine.hosts
            if (run := host.runs.get(id)) is not None
            for token in run.tokens.values()
            if isinstance(token.rest, Parked) and path in ("", token.path)
        ]
        acted = 0
        refused: DuettoError | None = None
        for host, run, at in parked:
            token = run.tokens.get(at)
            # What became of another one may have ended it meanwhile, or let it wait for code.
            if token is None or not isinstance(token.rest, Parked):
                continue
            try:
                act(host, run, token, token.rest)
            except DuettoError as refusal:
                refused = refused or refusal
                continue
            acted += 1
            await host.durable()
        if refused is not None and not acted:
            raise refused
        if not parked:
            raise NotAllowed(
                f"Nothing of run {id} is parked{f' at {path}' if path else ''}.",
                do=f"duetto runs explain {id}",
            )
        return acted

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
        await host.durable()
        return run

    def _open(self, host: Host, row: RunRow) -> RunState:
        run = host.runs.get(row.id)
        if run is None:
            self._refuse_damaged(host, row.id)
            raise NotAllowed(
                f"Run {row.id} has ended.",
                found=STATUSES[row.status] if row.status != RUNNING else "an end being written",
                expected="a run that is open",
                do=f"duetto runs show {row.id}",
            )
        return run

    def _refuse_damaged(self, host: Host, id: str) -> None:
        damage = damage_of(host, id)
        if damage is not None:
            raise StoreDamaged(
                f"Run {id} is kept from executing, as its record is damaged.",
                found=damage.reason,
                expected="records as they were committed",
                do="restore a backup, or start the run under another id",
            )


def _damaged(host: Host, id: str, damage: Damage) -> Waiting:
    """Return the sentence for a run whose record in one store is damaged."""
    at = min(host.participants)
    where = f" at {at}" if at else ""
    text = f"{id} is kept from executing{where}, as its record is damaged: {damage.reason}"
    return Waiting(ROOT, at, "damaged", text)


def damage_of(host: Host, id: str) -> Damage | None:
    """Return why a run is quarantined, None where it is not."""
    return next((each for each in host.store.damaged() if each.run == id), None)


def _spoken(cause: BaseException, error: Error) -> str:
    """Return an error in its own words, if it has any."""
    try:
        return f"{type(cause).__name__}: {cause}"
    except Exception:  # `__str__` is anybody's code, and must not hide the failure of the run
        return told(error)


def _where(trace: str) -> str:
    last = trace.strip().splitlines()
    return f"   {last[-1]}" if last else ""


__all__ = ["Operations"]
