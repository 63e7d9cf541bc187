"""Bring a batch of generated workflows to its end: `… DIRECTORY STORES PORTS [POINT COUNT]`.

A process opens some or all stores of a directory, takes up what an earlier one left, and starts
what is at home there and was never started, several at once. When all that has ended it says so,
and serves others; asked by SIGUSR1 it says whether anything is left; by SIGTERM it stops. Given the
name of a point, it dies there when it is reached for the count-th time. It dies with its parent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections import deque
from functools import partial
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from duetto.authoring.symbols import Symbols
from duetto.brokers import InProcessBroker
from duetto.codecs import MsgpackCodec
from duetto.invokers import LocalInvoker
from duetto.model.definition import encode
from duetto.model.effect import Resume
from duetto.model.placement import Placement
from duetto.model.token import Parked
from duetto.model.view import RUNNING
from duetto.observer import RunEnded, Signal, TokenParked
from duetto.operations import Listener, Operations
from duetto.runtime import runs, sweeps
from duetto.runtime.cause import Cause
from duetto.runtime.engine import Engine
from duetto.runtime.host import Host
from duetto.runtime.programs import Programs
from duetto.runtime.tasks import handles
from duetto.store import Batch as Commit
from duetto.stores.sqlite import SqliteStore
from duetto.testing.simulation.graphs import compiled
from duetto.testing.simulation.scenario import ARGUMENTS
from duetto.testing.simulation.services import EFFECTS, TASKS
from duetto.testing.simulation.world import UNKNOWN
from tests.crashes.generated import BLAMED, Batch, read, store_files
from tests.crashes.generated_ledger import (
    Begun,
    Born,
    Calm,
    Done,
    Entry,
    Finished,
    Kept,
    Ledger,
    Recorded,
    Stuck,
    Undone,
    Unquiet,
    entries,
)
from tests.crashes.generated_points import arm
from tests.crashes.generated_post import Post
from tests.simulation.checks import emptied
from tests.simulation.reference import Wrong

SYMBOLS = Symbols(())
CODEC = MsgpackCodec(SYMBOLS)
HANDLES = handles(list(TASKS), CODEC)

RESUME_S = 0.3
RESUMES_MAX = 20
"""What an operator does about a parked token, so often for each run; more would be for ever."""

OPERATORS = (UNKNOWN, BLAMED)
"""An operator decides about these; whatever else is parked should not be."""

SWEEP_MS = 200
"""Guests ask whether their runs are closed: often, so that a batch need not wait for it."""

QUIET_LOOK_S = 0.05
QUIET_LOOKS_MAX = 400
"""Some twenty seconds, a hundred sweeps: what is left then stays."""

MEMORY_BYTES_MAX = 2 << 30
"""A process that runs away hurts itself only."""

RETENTION_MS = 7 * 24 * 3600 * 1000


class TurnSelector(selectors.DefaultSelector):
    """Reads the wall clock once in a turn of the loop.

    The reference counts a deadline from the instant in the journal, so all that follows from one
    input must happen at one instant, as it does in virtual time.
    """

    now_ms = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout)
        self.now_ms = max(self.now_ms, time.time_ns() // 1_000_000)
        return found


class TurnClock:
    """Wall time, the same throughout a turn of the loop."""

    def __init__(self, selector: TurnSelector, random: Random) -> None:
        self._selector, self._random = selector, random

    def now_ms(self) -> int:
        return self._selector.now_ms

    def random(self) -> float:
        return self._random.random()

    def draw_id(self) -> str:
        return f"{self.now_ms():011x}{self._random.getrandbits(80):020x}"


class ToldStore(SqliteStore):
    """A store that tells the ledger of each commit, once it is durable."""

    ledger: Ledger
    number: int

    def commit(self, batch: Commit) -> None:
        super().commit(batch)
        if batch.journal:
            self.ledger.write(Kept(self.number, [rid for rid, _ in batch.journal]))


class Ports(Struct, frozen=True):
    """The socket of this process, by its descriptor, and the port of each store."""

    own: int
    places: tuple[int, ...]


class OneOfMany(Engine):
    """An engine whose store is not the only one: the others are in other processes."""

    def _make_hosts(self) -> None:
        super()._make_hosts()
        for host in self.hosts:
            host.alone = False
            host.exchange.connect(self.broker)


class Life:
    """One process: from opening its stores to the end, or to its death."""

    def __init__(
        self,
        batch: Batch,
        directory: Path,
        numbers: tuple[int, ...],
        ports: Ports | None,
        clock: TurnClock,
    ) -> None:
        self.batch, self.numbers = batch, numbers
        past = entries(directory)
        self.number = sum(isinstance(entry, Born) and entry.stores == numbers for entry in past)
        self.ledger = Ledger(directory)
        self.ledger.write(Born(numbers))
        self._take_up(past)
        self.definitions: dict[str, bytes] = {}
        files = store_files(batch, directory)
        self.stores = [self._store(number, files[number]) for number in numbers]
        self.participants = frozenset(name for n in numbers for name in batch.stores[n])
        self.open: set[str] = set()
        self.waiting: deque[int] = deque()
        self.resumed = 0
        self.done, self.asked, self.told = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.post = self._post(ports) if ports is not None else None
        self.engine = self._engine(clock)

    def _take_up(self, past: list[Entry]) -> None:
        for number in range(self.batch.count):
            EFFECTS[self.batch.run(number)] = Recorded(self.batch, number)
        for entry in past:
            if isinstance(entry, Begun | Done | Undone):
                effects = EFFECTS[entry.run]
                assert isinstance(effects, Recorded)
                effects.replay(entry)
        for effects in EFFECTS.values():
            assert isinstance(effects, Recorded)
            effects.ledger = self.ledger

    def _store(self, number: int, path: Path) -> ToldStore:
        store = ToldStore.open(path)
        assert isinstance(store, ToldStore)
        store.ledger, store.number = self.ledger, number
        return store

    def _post(self, ports: Ports) -> Post:
        stores = enumerate(self.batch.stores)
        places = {name: ports.places[number] for number, names in stores for name in names}
        return Post(socket.socket(fileno=ports.own), places)

    def _engine(self, clock: TurnClock) -> Engine:
        programs = Programs((), CODEC, SYMBOLS)
        programs.fetch_from(self._definition)
        stores = [
            (store, frozenset(self.batch.stores[number]))
            for number, store in zip(self.numbers, self.stores, strict=True)
        ]
        return (Engine if self.post is None else OneOfMany)(
            stores,
            programs=programs,
            tasks=HANDLES,
            placement=self._placement(self.numbers[0]),
            clock=clock,
            codec=CODEC,
            observer=self,
            broker=self.post or InProcessBroker(),
            retention_ms=RETENTION_MS,
        )

    def _placement(self, store: int) -> Placement:
        return self.batch.placements(self.number)[store]

    def _definition(self, digest: str) -> bytes | None:
        """Return a definition that this process was deployed with: where there are several, each
        has all; otherwise it has those that it started, and its stores the others."""
        if digest not in self.definitions and self.batch.separate:
            for number in range(self.batch.count):
                self._compile(number)
        return self.definitions.get(digest)

    def _compile(self, number: int) -> str:
        scenario = self.batch.scenario(number)
        made = compiled(scenario.block, home=scenario.home, typed=scenario.typed)
        self.definitions.update({name: encode(each) for name, each in made.definitions.items()})
        return made.root

    # -- observing

    def note(self, signal: Signal) -> None:
        """Be the observer, and the operator: what is parked by design is resumed a little later."""
        match signal:
            case RunEnded(run=run):
                self.open.discard(run)
                self._fill()
            case TokenParked(run=run, path=path, reason=reason):
                self._parked(run, path, reason)
            case _:
                pass

    def _parked(self, run: str, path: str, reason: str) -> None:
        known = any(each in reason for each in OPERATORS)
        if known and self.resumed < RESUMES_MAX * self.batch.count:
            self.resumed += 1
            asyncio.get_running_loop().call_later(RESUME_S, self._resume, run, path)
            return
        self.ledger.write(Stuck(run, f"{path}: {reason}"))

    def _resume(self, run_id: str, path: str) -> None:
        for host in self.engine.hosts:
            run = host.runs.get(run_id)
            token = run.tokens.get(path) if run is not None else None
            if run is not None and token is not None and isinstance(token.rest, Parked):
                host.advance(run, path, Resume(), Cause("resumed"))

    # -- running

    async def live(self) -> None:
        """Bring all runs to their end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self.asked.set)
        loop.add_signal_handler(signal.SIGTERM, self.told.set)
        if self.post is not None:
            self.post.open()
        self.engine.start(LocalInvoker)
        for host, number in zip(self.engine.hosts, self.numbers, strict=True):
            host.placement = self._placement(number)
        self._look_around()
        self._fill()
        listener = Listener(Operations(self.engine), self.stores[0].path)
        await listener.open()
        await self.done.wait()
        self.ledger.write(Finished(self.numbers))
        await self.asked.wait()
        await self._quiet()
        self.ledger.write(Calm(self.numbers))
        await self.told.wait()
        await listener.close()
        await self.engine.stop(0)
        if self.post is not None:
            self.post.close()
        for store in self.stores:
            store.close()

    def _look_around(self) -> None:
        """See which runs are open, and which have never begun."""
        for number in range(self.batch.count):
            if self.batch.home(number) not in self.numbers:
                continue
            row = self._home(number).store.run(self.batch.run(number))
            if row is None:
                self.waiting.append(number)
            elif row.status == RUNNING:
                self.open.add(row.id)
        for host in self.engine.hosts:
            for run in list(host.runs.values()):
                for token in list(run.tokens.values()):
                    if isinstance(token.rest, Parked):
                        self._parked(run.id, token.path, token.rest.reason)

    def _home(self, number: int) -> Host:
        return self.engine.host_of(self.batch.scenario(number).home)

    def _fill(self) -> None:
        """Start runs until enough are open."""
        while self.waiting and len(self.open) < self.batch.concurrency:
            self._start(self.waiting.popleft())
        if not self.waiting and not self.open:
            self.done.set()

    def _start(self, number: int) -> None:
        program = self.engine.programs.program(self._compile(number))
        run = self.batch.run(number)
        self.open.add(run)
        runs.start(self._home(number), program, run, ARGUMENTS, {})

    async def _quiet(self) -> None:
        """Wait until nothing is left of any run, in any store."""
        for _ in range(QUIET_LOOKS_MAX):
            try:
                self._look()
                return
            except Wrong:
                await asyncio.sleep(QUIET_LOOK_S)
        try:
            self._look()
        except Wrong as wrong:
            self.ledger.write(Unquiet(str(wrong)))

    def _look(self) -> None:
        for number, host in enumerate(self.engine.hosts):
            emptied(number, host)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(
    directory: Path, numbers: tuple[int, ...], ports: Ports | None, selector: TurnSelector
) -> None:
    batch = read(directory)
    # What is read is only the end: nobody writes there.
    asyncio.get_running_loop().add_reader(sys.stdin, die)
    await Life(batch, directory, numbers, ports, TurnClock(selector, Random())).live()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    sweeps.SWEEP_MS = SWEEP_MS
    place, stores, ports, *point = sys.argv[1:]
    if point:
        arm(point[0], int(point[1]))
    selector = TurnSelector()
    with asyncio.Runner(loop_factory=partial(asyncio.SelectorEventLoop, selector)) as runner:
        runner.run(
            main(
                Path(place),
                tuple(map(int, stores.split(","))),
                msgspec.json.decode(ports, type=Ports | None),
                selector,
            )
        )
