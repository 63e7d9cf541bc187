"""One system in virtual time: hosts, stores, a broker with faults, crashes, changing placements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, cast

from msgspec import Struct

from duetto.authoring.symbols import Symbols
from duetto.brokers import InProcessBroker
from duetto.brokers.in_process import Faults
from duetto.codecs import MsgpackCodec
from duetto.errors import StoreFailed
from duetto.invokers import LocalInvoker
from duetto.kernel import journal
from duetto.model.definition import encode
from duetto.model.effect import Resume
from duetto.model.placement import Placement
from duetto.model.record import Record
from duetto.model.token import ROOT, Outcome, Parked
from duetto.model.view import RUNNING, RunRow
from duetto.observer import Signal, TokenParked
from duetto.runtime.cause import Cause
from duetto.runtime.host import Host
from duetto.runtime.programs import Programs
from duetto.runtime.runs import recover, start
from duetto.runtime.sweeps import Sweeps
from duetto.runtime.tasks import TaskHandle, handles
from duetto.store import Batch, Store, unseal
from duetto.stores.memory import MemoryStore
from duetto.testing.simulation.blocks import SERVICES
from duetto.testing.simulation.clock import SimulatedClock
from duetto.testing.simulation.graphs import Compiled
from duetto.testing.simulation.loop import VirtualLoop
from duetto.testing.simulation.services import EFFECTS, SERVICES_MADE, Effects

ALONE: tuple[frozenset[str], ...] = (frozenset(("", *SERVICES)),)
APART: tuple[frozenset[str], ...] = tuple(frozenset((name,)) for name in ("", *SERVICES))

RETENTION_MS = 7 * 24 * 3600 * 1000

SYMBOLS = Symbols(())
CODEC = MsgpackCodec(SYMBOLS)
TASKS = [task for each in SERVICES_MADE for task in each.tasks.values()]
HANDLES: dict[str, TaskHandle] = handles(TASKS, CODEC)

RUN_S_MAX = 40_000.0
"""No generated workflow takes longer: what has not ended by then never will."""

QUIET_S = 65.0
"""Some sweeps after the end: guests learn that their run is closed, late duplicates have come."""


UNKNOWN = "took effect is unknown"
"""Why a token parks whose interrupted task does not end in time again (PROTOCOL, rule 6)."""

RESUME_S = 0.3
RESUMES_MAX = 20
"""An operator who resumes the same more often would do so for ever."""


class Layout(Struct, frozen=True):
    """How a system is laid out: which participants share stores, and who decides what.

    `placements` has one entry for all hosts, or one for each; `moves` are (seconds, host,
    placement) to change to. `crashes` are (commit of that host, host, kept, seconds away):
    `kept` says whether that commit is durable. `cancel_s` is when an operator cancels the run.
    """

    name: str
    stores: tuple[frozenset[str], ...] = ALONE
    placements: tuple[Placement, ...] = (Placement(),)
    moves: tuple[tuple[float, int, Placement], ...] = ()
    faults: Faults | None = None
    crashes: tuple[tuple[int, int, bool, float], ...] = ()
    skews_ms: tuple[int, ...] = ()
    cancel_s: float = 0.0


class Committed(Struct, frozen=True):
    """A record, in the order in which a whole system committed: `store` is the host's number."""

    order: int
    store: int
    record: Record


class WatchedStore:
    """A store of one incarnation of a host: it tells of each commit, and may die of one."""

    def __init__(self, store: MemoryStore, committed: Callable[[Batch], bool]) -> None:
        self._store, self._committed = store, committed
        self.dead = False

    def commit(self, batch: Batch) -> None:
        if self.dead or not self._committed(batch):
            raise StoreFailed("the process has died")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class World:
    """One run of one workflow in one system."""

    def __init__(
        self, compiled: Compiled, layout: Layout, effects: Effects, *, seed: object, run: str = "r"
    ) -> None:
        self.layout, self.effects, self.run_id, self.seed = layout, effects, run, seed
        self.compiled = compiled
        self.loop = VirtualLoop()
        self.broker = InProcessBroker(layout.faults)
        self.stores = [MemoryStore() for _ in layout.stores]
        self.hosts: list[Host | None] = [None for _ in layout.stores]
        self.placements = [
            layout.placements[number % len(layout.placements)] for number in range(len(self.stores))
        ]
        self.commits = [0 for _ in self.stores]
        self.crashes = {(host, commit): (kept, s) for commit, host, kept, s in layout.crashes}
        self.crashed = 0
        self.history: list[Committed] = []
        self.happened = 0
        self.parked: list[str] = []
        self.ended = False
        self.resumed = 0
        self.random = Random(f"world {seed}")
        self.on_commit: Callable[[int, Host], None] | None = None
        """Called after each commit that a host survives."""
        self._closing: list[asyncio.Task[None]] = []
        self._sweeps: dict[int, Sweeps] = {}
        self._views: dict[int, WatchedStore] = {}
        encoded = {name: encode(each) for name, each in compiled.definitions.items()}
        self.programs = Programs((), CODEC, SYMBOLS)
        self.programs.fetch_from(encoded.get)

    # -- observing

    def note(self, signal: Signal) -> None:
        """Be the observer, and the operator: what stays unknown is resumed, some time later."""
        if isinstance(signal, TokenParked):
            if UNKNOWN in signal.reason and self.resumed < RESUMES_MAX:
                self.resumed += 1
                self.loop.call_later(RESUME_S, self._resume, signal.path)
            else:
                self.parked.append(f"{signal.path}: {signal.reason}")
                self.loop.stop()

    def _resume(self, path: str) -> None:
        for host in self.hosts:
            run = host.runs.get(self.run_id) if host is not None else None
            token = run.tokens.get(path) if run is not None else None
            if host is None or run is None or token is None:
                continue
            if isinstance(token.rest, Parked):
                host.advance(run, path, Resume(), Cause("resumed"))

    def order(self) -> int:
        self.happened += 1
        return self.happened

    # -- life of hosts

    def boot(self, number: int) -> None:
        """Start a host on its store, and take up what it left."""

        def committed(batch: Batch) -> bool:
            return self._committed(number, batch)

        view = WatchedStore(self.stores[number], committed)
        self._views[number] = view
        skews = self.layout.skews_ms
        skew_ms = skews[number % len(skews)] if skews else 0
        host = Host(
            cast("Store", view),  # all but `commit` is the store's own
            self.layout.stores[number],
            programs=self.programs,
            tasks=HANDLES,
            placement=self.placements[number],
            clock=SimulatedClock(self.loop, seed=(self.seed, number), skew_ms=skew_ms),
            codec=CODEC,
            observer=self,
            alone=len(self.stores) == 1,
        )
        host.invoker = LocalInvoker(host.attempts.ended)
        self.hosts[number] = host
        if len(self.stores) > 1:
            host.exchange.connect(self.broker)
        recover(host)
        if self.hosts[number] is host:
            self._sweeps[number] = Sweeps(host, RETENTION_MS)
            if number == self.home() and self.row() is None:
                # Whoever asked for the run was not answered, and asks again.
                program = self.programs.program(self.compiled.root)
                start(host, program, self.run_id, self._arguments, {})

    def _committed(self, number: int, batch: Batch) -> bool:
        """Keep a batch, unless the process dies before; return whether it lives on."""
        self.commits[number] += 1
        kept, away_s = self.crashes.get((number, self.commits[number]), (True, 0.0))
        if kept:
            self.stores[number].commit(batch)
            if batch.ended and not self.ended and self.closed():
                self.ended = True
                self.loop.stop()
            for _, sealed in batch.journal:
                record = journal.record(unseal(sealed))
                self.history.append(Committed(self.order(), number, record))
        host = self.hosts[number]
        if (number, self.commits[number]) in self.crashes:
            self.crash(number, away_s)
            return False
        if self.on_commit is not None and host is not None:
            self.on_commit(number, host)
        return True

    def crash(self, number: int, away_s: float) -> None:
        """Drop a host at once, and start another on its store after a time."""
        host = self.hosts[number]
        if host is None:
            return
        self.crashed += 1
        self.hosts[number] = None
        self._views[number].dead = True
        host.stopping = True
        host.failure = StoreFailed("the process has died")
        host.timers.close()
        sweeps = self._sweeps.pop(number, None)
        if sweeps is not None:
            sweeps.close()
        for participant in host.participants:
            self.broker.unsubscribe(participant)
        invoker = host.invoker
        assert isinstance(invoker, LocalInvoker)
        self._closing.append(self.loop.create_task(invoker.close()))
        self.loop.call_later(away_s, self.boot, number)

    # -- running

    def run(self, arguments: tuple[int, ...]) -> Outcome:
        """Run the workflow to its end, and on until all is quiet; return its outcome."""
        EFFECTS[self.run_id] = self.effects
        self.effects.order = self.order
        try:
            self.loop.run_until_complete(self._start(arguments))
            self.loop.run_for(RUN_S_MAX)
            self.loop.run_for(QUIET_S)
            row = self.row()
            assert row is not None, "the run has not begun"
            assert row.status != RUNNING, "the run has not ended"
            return journal.outcome(row.result)
        finally:
            self._drop_all()
            self.loop.shut()
            del EFFECTS[self.run_id]

    def _drop_all(self) -> None:
        """Let every process die, so that nothing runs on behind a run that has failed."""
        for number, host in enumerate(self.hosts):
            if host is not None:
                host.stopping = self._views[number].dead = True
                if isinstance(host.invoker, LocalInvoker):
                    self._closing.append(self.loop.create_task(host.invoker.close()))

    async def _start(self, arguments: tuple[int, ...]) -> None:
        self._arguments = arguments
        for number in range(len(self.stores)):
            self.boot(number)
        for at_s, number, placement in self.layout.moves:
            self.loop.call_later(at_s, self._move, number % len(self.stores), placement)
        if self.layout.cancel_s:
            self.loop.call_later(self.layout.cancel_s, self._cancel)

    def _move(self, number: int, placement: Placement) -> None:
        self.placements[number] = placement
        host = self.hosts[number]
        if host is not None:
            host.placement = placement

    def _cancel(self) -> None:
        host = self.hosts[self.home()]
        run = host.runs.get(self.run_id) if host is not None else None
        if host is not None and run is not None:
            host.cancel(run, ROOT)

    def home(self) -> int:
        """Return the number of the host that keeps the run."""
        home = self.compiled.definitions[self.compiled.root].home
        return next(n for n, names in enumerate(self.layout.stores) if home in names)

    def row(self) -> RunRow | None:
        """Return the run's row at its home."""
        return self.stores[self.home()].run(self.run_id)

    def closed(self) -> bool:
        """Has the run ended?"""
        row = self.row()
        return row is not None and row.status != RUNNING
