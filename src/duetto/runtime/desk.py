"""What a host has at hand: its store, the runs that are open, and the batch to be committed next.

The first write of a turn of the loop schedules one commit for all; only then is released what
waited for it: calls of tasks, messages, answers, acknowledgements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from duetto.broker import Acknowledge
from duetto.clock import Clock
from duetto.codec import Codec
from duetto.errors import DuettoError, StoreError, StoreFailed, StoreFull
from duetto.kernel import journal
from duetto.kernel.fold import RunState
from duetto.model.message import Body, Message
from duetto.model.placement import Placement
from duetto.model.record import Noted, Record
from duetto.model.token import Outcome
from duetto.model.view import RunRow
from duetto.observer import Observer, StorePaused
from duetto.runtime.attempt import Attempt
from duetto.runtime.programs import Programs
from duetto.runtime.reaction import Reaction
from duetto.runtime.tasks import TaskHandle
from duetto.store import Batch, Statement, StateRow, Store, seal, unseal

HOLD_MS = 500
"""A task that takes longer has its arrival committed, well before a broker would redeliver it."""

FULL_RETRY_MS = 1000
"""How long a full disk is left alone before the same batch is tried again."""


class Held:
    """A message that is being worked on, not committed: its record, and who is to be told."""

    __slots__ = ("acknowledge", "record")

    def __init__(self, record: Record, acknowledge: Acknowledge) -> None:
        self.record = record
        self.acknowledge = [acknowledge]


class Desk:
    """The state of one host. All of it is used in one event loop, and nothing awaits a commit."""

    def __init__(
        self,
        store: Store,
        participants: frozenset[str],
        *,
        programs: Programs,
        tasks: Mapping[str, TaskHandle],
        placement: Placement,
        clock: Clock,
        codec: Codec,
        observer: Observer,
        alone: bool = True,
    ) -> None:
        self.store, self.participants = store, participants
        self.programs, self.tasks, self.placement = programs, tasks, placement
        self.clock, self.codec, self.observer = clock, codec, observer
        self.local_tasks = {
            name: handle for name, handle in tasks.items() if handle.service in participants
        }
        self.local_services = frozenset(handle.service for handle in self.local_tasks.values())
        self.alone = alone
        """Whether every participant lives here: then no token is ever under way elsewhere."""
        self.runs: dict[str, RunState] = {}
        self.new_rows: dict[str, RunRow] = {}
        self.waiters: dict[str, list[asyncio.Future[Outcome]]] = {}
        self.at_parking: list[asyncio.Future[None]] = []
        """Done at the next token that is parked: its run may not end before an operator acts."""
        self.next_rid = store.next_rid()
        self.loop = asyncio.get_running_loop()
        self.batch = Batch()
        self.released: list[Callable[[], None]] = []
        self.invocations: list[Attempt | Reaction] = []
        self.scheduled = False
        self.full: StoreFull | None = None
        self.failure: StoreError | None = None
        self.durables: list[asyncio.Future[None]] = []
        self.stopping = False
        self.held: dict[tuple[str, str], Held] = {}
        """Arrivals by run and path, written with the first record that follows from them."""
        self.known_definitions: set[str] = set()
        self.died = store.died
        """Whether the process before this one did: then what comes is written before it is worked
        on, as it may be what kills (PROTOCOL, rule 22)."""

    # -- committing

    def write(self, run: RunState, record: Record) -> None:
        """Add a record to the batch; what it follows from, held until now, goes first."""
        row = self.new_rows.pop(run.id, None) if self.new_rows else None
        if row is not None:
            self.keep_row(row)
        if self.held and (held := self.held.pop((run.id, record.path), None)) is not None:
            self.write_held(run, held)
        self.batch.journal.append((run.rid, seal(journal.encode(record))))
        if not self.scheduled:
            self.schedule()

    def hold(self, write: Callable[[], None]) -> None:
        """Let an arrival be written with the end of its task, one write for both; before that where
        it takes long, or where it may be what kills."""
        if self.died:
            write()
        else:
            self.loop.call_later(HOLD_MS / 1000, write)

    def keep_held(self, run: RunState, held: Held) -> None:
        """Write an arrival alone."""
        row = self.new_rows.pop(run.id, None)
        if row is not None:
            self.keep_row(row)
        self.write_held(run, held)
        self.schedule()

    def write_held(self, run: RunState, held: Held) -> None:
        """Write an arrival, and tell the broker once it is durable."""
        self.batch.journal.append((run.rid, seal(journal.encode(held.record))))
        for acknowledge in held.acknowledge:
            self.after_commit(acknowledge)

    def row(self, name: str) -> bytes | None:
        """Return a small row, as the batch under way will have it."""
        if name in self.batch.state:
            sealed = self.batch.state[name]
            return None if sealed is None else unseal(sealed)
        found = self.store.log.state(name, limit=1)
        return found[0][1] if found and found[0][0] == name else None

    def rows(self, prefix: str) -> list[StateRow]:
        """Return small rows whose name begins so, in order, as the batch will have them."""
        found: dict[str, bytes] = dict(self.store.log.state(prefix))
        for name, sealed in self.batch.state.items():
            if name.startswith(prefix):
                found.pop(name, None)
                if sealed is not None:
                    found[name] = unseal(sealed)
        return sorted(found.items())

    def put(self, name: str, data: bytes | None) -> None:
        """Write a small row, or that it is gone, with what else is committed."""
        self.batch.state[name] = None if data is None else seal(data)
        self.schedule()

    def submit(self, attempts: Iterable[Attempt | Reaction]) -> None:
        """Hand attempts to whoever runs them."""
        raise NotImplementedError

    def records(self, run: RunState) -> list[Record]:
        """Return the records of a run, those that wait for their commit included.

        Raises StoreDamaged.
        """
        stored = [journal.record(data) for data in self.store.journal(run.rid)]
        waiting = [
            journal.record(unseal(data)) for rid, data in self.batch.journal if rid == run.rid
        ]
        return [*stored, *waiting]

    def message(self, run: RunState, to: str, body: Body) -> Message:
        """Return the envelope of a message about a run."""
        return Message(run.id, run.home, min(self.participants), to, self.clock.now_ms(), body)

    def keep_row(self, row: RunRow) -> None:
        """Write the row of a run that is new here, and its definition if that is new as well."""
        self.batch.runs.append(row)
        if row.digest:
            self.keep_definition(row.digest)

    def keep_definition(self, digest: str) -> None:
        """Write a definition that is new here, with all that it calls; where this version does not
        know it, that is done once one does and what needs it is resumed."""
        if digest in self.known_definitions:
            return
        try:
            found = self.programs.closure(digest)
        except DuettoError:
            return
        self.known_definitions.add(digest)
        self.batch.definitions.extend(found)

    def open_run(self, id: str, digest: str, home: str) -> RunState:
        """Return the state of a run that is new here."""
        run = RunState(self.next_rid, id, digest, home)
        self.next_rid += 1
        self.runs[id] = run
        return run

    def note(self, run: RunState, path: str, what: str, text: str = "") -> None:
        """Write something that changes no token into the history."""
        self.write(run, Noted(path, self.clock.now_ms(), what, text))

    def schedule(self) -> None:
        """Commit what is ready at the end of this turn of the loop."""
        if not self.scheduled and self.failure is None:
            self.scheduled = True
            self.loop.call_soon(self.flush)

    def apply(self, statements: Sequence[Statement]) -> None:
        """Change tables of services with what else is committed. Raises ValueRefused."""
        self.store.apply(self.batch, statements)
        self.schedule()

    def after_commit(self, act: Callable[[], None]) -> None:
        """Act once all that was written until now is durable."""
        self.released.append(act)
        if not self.scheduled:
            self.schedule()

    def durable(self) -> asyncio.Future[None]:
        """Return what is done once all that was written until now is durable; it fails as the
        store does."""
        future: asyncio.Future[None] = self.loop.create_future()
        if self.failure is not None:
            future.set_exception(self.failure)
            return future
        self.durables.append(future)
        self.schedule()
        return future

    def flush(self) -> None:
        """Commit the batch, then release what waited for it."""
        self.scheduled = False
        try:
            if self.batch:
                self.store.commit(self.batch)
        except StoreFull as full:
            self._pause(full)
            return
        except StoreError as error:
            self._fail(error)
            return
        except DuettoError as refused:
            self._fail(_unusable(refused))
            return
        self.full = None
        self.batch = Batch()
        durables, self.durables = self.durables, []
        invocations, self.invocations = self.invocations, []
        released, self.released = self.released, []
        if invocations and not self.stopping:
            self.submit(invocations)
        for act in released:
            act()
        for future in durables:
            if not future.done():
                future.set_result(None)

    def _pause(self, full: StoreFull) -> None:
        """Nothing of the batch was committed and nothing acted: try the same again later."""
        if self.full is None:
            self.observer.note(StorePaused(str(full)))
        self.full, self.scheduled = full, True
        self.loop.call_later(FULL_RETRY_MS / 1000, self.flush)

    def _fail(self, error: StoreError) -> None:
        """Nothing is acknowledged after a failed write: whoever waits is told."""
        self.failure = error
        self.observer.note(StorePaused(str(error)))
        self.turn_away(error)
        for future in self.durables:
            if not future.done():
                future.set_exception(error)

    def turn_away(self, error: DuettoError) -> None:
        """Tell whoever waits for the end of a run that it will not be told here."""
        for futures in self.waiters.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self.waiters.clear()


def _unusable(refused: DuettoError) -> StoreFailed:
    """Return the failure of a store that refuses what was checked before: it would for ever."""
    return StoreFailed(
        f"The store refuses a commit: {refused.message}",
        found=refused.found,
        expected="what was checked before it was written",
        do="open the store again, and report this: it is a mistake of Duetto",
    )
