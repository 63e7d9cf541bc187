"""An app whose process may die: its stores in memory stay, and it starts again on them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any

from msgspec.structs import replace

from duetto.app import App
from duetto.authoring.context import TaskContext, context
from duetto.authoring.handler import Handler
from duetto.broker import Broker
from duetto.brokers import Faults, InProcessBroker
from duetto.errors import ConfigurationError, NotFound, StoreFailed, ValueRefused
from duetto.invoker import Ended
from duetto.invokers import LocalInvoker
from duetto.kernel import journal
from duetto.model import record as r
from duetto.model.placement import Placement
from duetto.model.token import Completed, task_key
from duetto.observer import Observer, Signal, StorePaused
from duetto.runtime.attempt import UNDO_SUFFIX, Attempt
from duetto.runtime.border import Abroad
from duetto.runtime.engine import Engine
from duetto.runtime.events import Choreography
from duetto.runtime.host import Host
from duetto.runtime.tasks import TaskHandle, handles
from duetto.store import Batch, Query, Store, unseal
from duetto.stores.memory import MemoryStore
from duetto.testing.crash import Death, MortalStore
from duetto.testing.emissions import Place, listen
from duetto.testing.ledger import Ledger
from duetto.testing.loop import QuietLoop
from duetto.testing.simulation.clock import SimulatedClock
from duetto.testing.simulation.faults import CommitUnanswered, TaskKills, TaskRaises
from duetto.testing.stage import Stage
from duetto.testing.strikes import Strikes, StruckBroker
from duetto.testing.tasks import Body, Call
from duetto.testing.threads import Stuck

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

KEEP_MS = 100 * 365 * 24 * 3600 * 1000
"""Nothing is purged: a test may look at a run however far its clock was advanced."""


class MortalApp(App):
    """A copy of an app, in memory and in virtual time."""

    def __init__(
        self,
        stage: Stage,
        app: App,
        *,
        resources: Iterable[object],
        placement: Placement,
        faults: Faults | None = None,
        apart: bool = False,
        strikes: Strikes | None = None,
    ) -> None:
        self.clock = SimulatedClock(stage.loop, seed=stage.seed)
        super().__init__(
            app.name,
            services=app.services.values(),
            workflows=app.workflows.values(),
            resources=resources,
            placement=placement,
            store="memory:",
            clock=self.clock,
            observer=Ear(self, None if strikes is not None else app.observer),
            retention_ms=KEEP_MS,
        )
        # To link and to plan takes longer than a short run: once for all copies of an app.
        self.symbols, self.codec, self.programs = app.symbols, app.codec, app.programs.beside()
        self.kinds = app.kinds
        self._stage, self._faults, self._apart, self._strikes = stage, faults, apart, strikes
        self._kept: dict[str, MemoryStore] = {}
        self.moved: dict[int, Placement] = {}
        """The placements that operators gave to hosts since."""
        self._views: list[MortalStore] = []
        self._lives = 0
        self._restart: asyncio.Task[None] | None = None
        self.opened: Mapping[type, object] = {}
        """The resources of the process that is alive."""
        self._began: dict[TaskContext, float] = {}
        self.ledger = Ledger(self.find)
        self.emitted: dict[Place, object] = {}
        self.raised: dict[str, BaseException] = {}
        """What the bodies raised last, by idempotency key."""
        self.stored: dict[str, int] = {}
        """By idempotency key how many calls had been made when its result was stored."""
        self.commits: Counter[int] = Counter()
        """How many commits each host has made, over all its lives."""
        self._pending: dict[int, dict[Place, object]] = {}
        """What each host emitted, and is not durable yet."""

    @property
    def loop(self) -> QuietLoop:
        """The loop in which it runs."""
        return self._stage.loop

    @property
    def is_alive(self) -> bool:
        """Whether it is started, and not about to start again."""
        return self._engine is not None and self._restart is None

    @property
    def is_restarting(self) -> bool:
        """Whether its process has died, and another starts soon."""
        return self._restart is not None

    @property
    def hosts(self) -> list[Host]:
        """The hosts of the process that is alive."""
        return self._engine.hosts if self._engine is not None else []

    @property
    def task_names(self) -> set[str]:
        """The names of all its tasks and handlers, look-ups too."""
        look_ups = (task.look_up for task in self.tasks.values())
        return {
            *self.tasks,
            *self.handlers,
            *(task.qualified for task in look_ups if task is not None),
        }

    def find(self, run: str) -> None:
        """Raise NotFound where there is no such run."""
        stores = self._kept.values()
        if all(store.run(run) is None for store in stores):
            known = {row.id for store in stores for row in store.runs(Query())}
            raise NotFound.named("run", run, known)

    # -- life

    async def begin(self) -> None:
        """Start a process; one that dies of its first commits is followed by another."""
        while self._exits is None:
            self._lives += 1
            self._broker = self._new_broker()
            self._pending.clear()
            try:
                await self.__aenter__()
            except StoreFailed:
                if not any(view.dead for view in self._views):
                    raise

    def _new_broker(self) -> Broker:
        if self._strikes is not None:
            return StruckBroker(self._strikes)
        faults = self._faults
        if faults is not None:
            faults = replace(faults, seed=hash((self._stage.seed, self._lives)))
        return InProcessBroker(faults)

    def fate(self, host: int) -> Death | None:
        """Say whether the process dies of the commit that a host is about to make."""
        self.commits[host] += 1
        planned = self._stage.crashes.take("commit")
        if planned is not None:
            return Death(planned.kept)
        fault = self._strikes.commit(host) if self._strikes is not None else None
        if fault is None:
            return None
        return Death(isinstance(fault, CommitUnanswered), fault.away_ms / 1000)

    def kept(self, host: int, batch: Batch) -> None:
        """Hear that a commit is durable: with it count its events, and the results in it."""
        for place, event in self._pending.pop(host, {}).items():
            self.emitted.setdefault(place, event)
        if self._strikes is not None:
            store = list(self._kept.values())[host]
            names = {row.rid: row.id for row in store.runs(Query())}
            for rid, sealed in batch.journal:
                record = journal.record(unseal(sealed))
                if (step := step_with_result(record)) is not None:
                    key = task_key(names[rid], record.path, step)
                    self.stored.setdefault(key, len(self._stage.tasks.made))

    def die(self, away_s: float = 0.0) -> None:
        """End the process at once; another starts after a time."""
        for view in self._views:
            view.dead = True
        for host in self.hosts:
            host.stopping = True
            host.failure = StoreFailed("the process has died")
            host.timers.close()
            host.events.close()
        if self._exits is not None:
            self._restart = self._stage.loop.create_task(self._begin_again(away_s))
            self._restart.add_done_callback(self._began_again)

    async def end(self) -> None:
        """Stop what runs at once, as nothing of it matters any more, and close the resources."""
        for host in self.hosts:
            host.stopping = True
            assert isinstance(host.invoker, LocalInvoker), "an app has invokers of this kind"
            await host.invoker.close()
        await self.__aexit__(None, None, None)

    async def _begin_again(self, away_s: float) -> None:
        await self.end()
        if away_s:
            await asyncio.sleep(away_s)
        await self.begin()

    def _began_again(self, restart: asyncio.Task[None]) -> None:
        self._restart = None
        if not restart.cancelled() and (error := restart.exception()) is not None:
            self._stage.loop.fail(error)

    def move(self, host: int, placement: Placement) -> None:
        """Give a host another placement, which it keeps in its next lives."""
        number = host % len(self.hosts)
        self.moved[number] = self.hosts[number].placement = placement

    # -- what an app is made of, here

    def _stores(self, *, read_only: bool = False) -> list[tuple[Store, frozenset[str]]]:
        groups: dict[str, set[str]] = {"": {""}}
        for service in self.services.values():
            place = service.name if self._apart else service.store or ""
            groups.setdefault(place, set()).add(service.name)
        self._views = [
            MortalStore(self._kept.setdefault(place, MemoryStore()), number, self)
            for number, place in enumerate(groups)
        ]
        if self._strikes is not None:
            self._strikes.hosts = len(groups)
        participants = map(frozenset, groups.values())
        return list(zip([view.as_store for view in self._views], participants, strict=True))

    def _new_engine(
        self,
        stores: list[tuple[Store, frozenset[str]]],
        tasks: dict[str, TaskHandle],
        choreography: Choreography | None,
    ) -> Engine:
        return VirtualEngine(
            self,
            stores,
            programs=self.programs,
            tasks=tasks,
            placement=self.placement,
            clock=self.clock,
            codec=self.codec,
            observer=self.observer,
            broker=self._broker or InProcessBroker(),
            retention_ms=KEEP_MS,
            choreography=choreography,
        )

    def hear(self, number: int, place: Place, event: object) -> None:
        """Note an event that was emitted at a host, to count once that is durable."""
        self._pending.setdefault(number, {})[place] = event

    def took_us(self, attempt: Attempt) -> int:
        """Return how long a body took that ends now."""
        began_s = self._began.pop(attempt.context, self._stage.loop.time())
        return round((self._stage.loop.time() - began_s) * 1e6)

    def _handles(self, opened: Mapping[type, object]) -> dict[str, TaskHandle]:
        self.opened = opened
        found = handles(list(self.tasks.values()), self.codec)
        for handle in found.values():
            self._watch(handle, opened)
            if handle.look_up is not None:
                self._watch(handle.look_up, opened)
        return found

    def _abroad(self, *, is_running: bool) -> Abroad | None:
        """An app under test has nothing to do with other programs."""
        return super()._abroad(is_running=False)

    def _handler_handle(self, handler: Handler, opened: Mapping[type, object] | None) -> TaskHandle:
        assert opened is not None, "an app under test is never at rest"
        handle = TaskHandle(handler.task, self.codec)
        self._watch(handle, opened)
        return handle

    def _watch(self, handle: TaskHandle, opened: Mapping[type, object]) -> None:
        """Let the calls of a task be counted, and mocked; a mocked one needs no resources."""
        if not self._stage.tasks.is_mocked(handle.task):
            handle.open(opened)
        handle.body = self._watched(handle, handle.body, handle.is_async)
        handle.is_async = True

    def _watched(self, handle: TaskHandle, own: Callable[..., Any], is_async: bool) -> Body:
        name, life = handle.name, self._lives
        tasks, crashes = self._stage.tasks, self._stage.crashes
        perform = own if is_async else partial(self._in_a_thread, name, own)

        async def body(*args: Any, **kwargs: Any) -> Any:
            if self._lives != life or not self.is_alive:
                await crashes.nothing_more()
            asked = context()
            self._began[asked] = self._stage.loop.time()
            call = Call(name, asked.key, (*args, *kwargs.values()), asked.attempt, asked.run)
            tasks.made.append(call)
            await crashes.at_task("before", name, self.die)
            await self._struck(handle, asked)
            result = await self._performed(handle, perform, asked, args, kwargs)
            if self._lives != life or not self.is_alive:
                await crashes.nothing_more()
            if name in self.tasks:
                self.ledger.entries.append(call)
            await crashes.at_task("after", name, self.die)
            return result

        return body

    async def _struck(self, handle: TaskHandle, asked: TaskContext) -> None:
        """Let what a trial has in store for a body befall it."""
        if self._strikes is None:
            return
        key, undo = asked.key, asked.key.endswith(UNDO_SUFFIX)
        match self._strikes.body(handle.service, key, asked.attempt, undo=undo):
            case None:
                return
            case TaskRaises():
                error = self._strikes.error(handle.task)
                self.raised[key] = error
                raise error
            case TaskKills(away_ms=away_ms):
                self.die(away_ms / 1000)
                await self._stage.crashes.nothing_more()

    async def _performed(
        self,
        handle: TaskHandle,
        own: Callable[..., Awaitable[Any]],
        asked: TaskContext,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Run what is to be run for a task, as long as that takes."""
        tasks = self._stage.tasks
        takes_s = tasks.takes_s(handle.task)
        if self._strikes is not None:
            takes_s += self._strikes.dawdles_s(asked.key, handle.timeout_s)
        if takes_s:
            await asyncio.sleep(takes_s)
        mocked = tasks.body(handle.task)
        try:
            if mocked is None:
                return await own(*args, **kwargs)
            result = await mocked(*args, **kwargs)
        except Exception as error:  # whatever a body raises, a reader wants to know where
            self.raised[asked.key] = error
            raise
        await self._refuse_unstorable(handle, result)
        return result

    async def _refuse_unstorable(self, handle: TaskHandle, result: Any) -> None:
        """End the test where a mock gives what no body of the task could: that is no fault."""
        try:
            handle.result.encode(result)
        except ValueRefused as refused:
            self._stage.loop.fail(
                ConfigurationError(
                    f"The mock of {handle.name} gives what is no result of it.",
                    found=refused.found or repr(result),
                    expected=refused.expected,
                    do="let it return what the task is annotated with",
                )
            )
            await self._stage.crashes.nothing_more()

    async def _in_a_thread(self, name: str, own: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Run a synchronous body in a thread, as an app does, while the loop stands still.

        Were they to run side by side, chance would decide what comes first, and no seed repeat it.
        """
        try:
            return self._stage.threads.call(partial(copy_context().run, own, *args, **kw))
        except Stuck as stuck:
            self._stage.loop.fail(Stuck(f"{name} does not end: {stuck}"))
            await self._stage.crashes.nothing_more()


class Ear:
    """Passes signals on, but for those of a process that dies as it was told to."""

    def __init__(self, app: MortalApp, observer: Observer | None) -> None:
        self._app, self._observer = app, observer

    def note(self, signal: Signal) -> None:
        """Hear of a signal."""
        dies = isinstance(signal, StorePaused) and not self._app.is_alive
        if self._observer is not None and not dies:
            self._observer.note(signal)


def step_with_result(record: r.Record) -> int | None:
    """Return the step whose task has its result by this record, None where none has."""
    match record:
        case r.TaskEnded() | r.Ended():
            return record.step if record.task and record.error is None else None
        case r.CommandEnded(outcome=Completed(), undo=False):
            return record.step
        case _:
            return None


class VirtualEngine(Engine):
    """An engine that tells its app what is emitted, and asks it how long a body took."""

    def __init__(
        self, app: MortalApp, stores: list[tuple[Store, frozenset[str]]], **options: Any
    ) -> None:
        super().__init__(stores, **options)
        self._app = app

    def start(self, invoker: Any) -> list[str]:
        """Start all hosts; who runs bodies measures their time by the clock of the test."""

        def virtual(ended: Ended[Attempt], **_: object) -> object:
            def ended_then(attempt: Attempt, result: Any, error: BaseException | None) -> None:
                attempt.took = self._app.took_us(attempt)
                ended(attempt, result, error)

            return invoker(ended_then)

        return super().start(virtual)

    def _make_hosts(self) -> None:
        super()._make_hosts()
        for number, host in enumerate(self.hosts):
            listen(host, partial(self._app.hear, number))
            host.placement = self._app.moved.get(number, host.placement)
