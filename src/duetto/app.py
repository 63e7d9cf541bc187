"""The composition root: an app's services and workflows meet stores, broker, codec and clock."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, TypeVarTuple, cast

from duetto.authoring.handler import Handler
from duetto.authoring.modules import event_classes, events_in, modules_of, with_callees
from duetto.authoring.names import checked_name
from duetto.authoring.resources import open_resources
from duetto.authoring.service import Service
from duetto.authoring.symbols import Symbols
from duetto.authoring.tables import Tables
from duetto.authoring.task import Task
from duetto.authoring.window import WindowFunction
from duetto.authoring.workflow import Workflow
from duetto.broker import Broker, Topics
from duetto.brokers import InProcessBroker, signed
from duetto.clock import Clock
from duetto.codecs import MsgpackCodec
from duetto.codecs.cloudevents import CloudEventWire, SignedWire
from duetto.errors import ConfigurationError, DuettoError, NotFound
from duetto.invokers import LocalInvoker
from duetto.model.definition import received
from duetto.model.event import Event
from duetto.model.placement import Placement, check, parse
from duetto.observer import Observer, Unfinished
from duetto.observers import LogObserver
from duetto.operations import Handle, Listener, Operations
from duetto.operations.transaction import Transaction
from duetto.runtime.border import Abroad
from duetto.runtime.clock import SystemClock
from duetto.runtime.engine import Engine
from duetto.runtime.events import Choreography, stranger
from duetto.runtime.kinds import Kinds
from duetto.runtime.programs import Programs
from duetto.runtime.tables import make_tables, tables_of
from duetto.runtime.tasks import TaskHandle, handles
from duetto.store import Store
from duetto.stores.memory import MemoryStore
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite_broker import SqliteBroker, broker_file

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

STOP_S = 10.0
"""How long a stop waits for what runs; what is cut off runs again, under its key."""

RETENTION_MS = 7 * 24 * 3600 * 1000
"""How long a closed run is kept: longer than any message about it is under way."""


class App:
    """An application: `App("shop", services=[…], workflows=[…])`.

    `placement` is `orchestration`, `choreography`, `hybrid:SERVICE,…`, or a Placement. `store` is
    a path, `memory:`, or a Store; the default is `./NAME.sqlite`. Raises ConfigurationError or
    PlacementError for what does not fit.

    `broker` is `memory:` (the default), `sqlite:PATH` for a file that several processes share, or
    a Broker. `participants` are the services that this process hosts, and the app's own name where
    it keeps the app's runs; the default is all. Other processes host the rest, by the same broker.
    `topics` are where events that are shared are published, and foreign ones come from; those of
    the broker's file unless given. With a `secret`, which all processes of the app share, messages
    between stores and records of topics are signed, and others are refused. Of several the first
    signs, and all are known.
    """

    def __init__(
        self,
        name: str,
        *,
        services: Iterable[Service] = (),
        workflows: Iterable[Workflow[..., Any]] = (),
        resources: Iterable[object] = (),
        placement: str | Placement = "orchestration",
        store: str | Path | Store | None = None,
        broker: str | Broker | None = None,
        participants: Iterable[str] | None = None,
        topics: Topics | None = None,
        secret: bytes | Sequence[bytes] | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        retention_ms: int = RETENTION_MS,
    ) -> None:
        self.name = checked_name("app", name)
        self.services = {service.name: service for service in services}
        self.workflows = {workflow.name: workflow for workflow in with_callees(workflows)}
        self.resources = list(resources)
        self._store = store if store is not None else f"./{name}.sqlite"
        self._broker_place = broker_file(broker) if isinstance(broker, str) else ""
        self._broker = None if isinstance(broker, str) else broker
        self._topics, self._secret = topics, secret
        self._participants = self._checked_participants(participants)
        self._clock = clock or SystemClock()
        self._observer = observer or LogObserver()
        self._retention_ms = retention_ms
        self.tasks: dict[str, Task[..., Any]] = {
            task.qualified: task
            for service in self.services.values()
            for task in service.tasks.values()
        }
        self.placement = parse(placement) if isinstance(placement, str) else placement
        check(self.placement, self.services, self.tasks)
        self._check_homes()
        self._modules = modules_of(self.services.values(), self.workflows.values())
        self.symbols = Symbols(self._modules)
        self.codec = MsgpackCodec(self.symbols)
        self.programs = Programs(self.workflows.values(), self.codec, self.symbols)
        self.handlers = {
            handler.qualified: handler
            for service in self.services.values()
            for handler in service.handlers.values()
        }
        classes = event_classes(self.services.values(), self.workflows.values(), self.symbols)
        self.kinds = Kinds([*classes, *events_in(self._modules)], self.codec)
        self.kinds.check_owners(self.services)
        self._engine: Engine | None = None
        self._exits: AsyncExitStack | None = None
        self._opened: list[Store] = []
        self._opened_broker: SqliteBroker | None = None

    def _checked_participants(self, given: Iterable[str] | None) -> frozenset[str]:
        """Return who is hosted here, "" for the app itself."""
        known = {self.name, *self.services}
        if given is None:
            return frozenset({"", *self.services})
        if self.name in self.services:
            raise ConfigurationError(
                "The app and a service have one name, so participants cannot be told apart.",
                found=self.name,
                do="give one of them another name",
            )
        names = frozenset(given)
        if unknown := sorted(names - known):
            raise NotFound.named("participant", unknown[0], known)
        return frozenset("" if name == self.name else name for name in names)

    def _check_homes(self) -> None:
        for workflow in self.workflows.values():
            home = workflow.home
            if home is not None and self.services.get(home.name) is not home:
                raise ConfigurationError(
                    f"The home of `{workflow.name}` is no service of this app.",
                    found=home.name,
                    expected=f"one of: {', '.join(sorted(self.services)) or 'no services'}",
                    do=f"add `{home.name}` to services=[…]",
                )

    def _choreography(
        self, opened: Mapping[type, object] | None, stores: list[tuple[Store, frozenset[str]]]
    ) -> Choreography | None:
        """Return what the app says of events, None where it has none.

        Without resources, handlers cannot be called: at rest nothing is.
        """
        if not self.kinds.by_topic:
            return None
        handlers: dict[str, tuple[Handler, TaskHandle]] = {}
        tables = tables_of(stores)
        for name, handler in self.handlers.items():
            given = opened
            if opened is not None and handler.service.name in tables:
                given = {**opened, Tables: tables[handler.service.name]}
            handlers[name] = (handler, self._handler_handle(handler, given))
        homes: dict[str, set[str]] = {}
        started: dict[str, tuple[str, str]] = {}
        for workflow in self.workflows.values():
            home = workflow.home.name if workflow.home is not None else ""
            for name in received(workflow.definition):
                kind = self.kinds.named(name)
                assert kind is not None, "the classes that workflows receive were added"
                homes.setdefault(kind.declared.owner or home, set()).add(kind.topic)
            if workflow.start_on is not None:
                topic = self.kinds.add(workflow.start_on).topic
                started[workflow.name] = (home, topic)
        by_home = {home: frozenset(topics) for home, topics in homes.items()}
        participants = frozenset({"", *self.services})
        windows = {window.qualified: window for window in self._windows()}
        abroad = self._abroad(is_running=opened is not None)
        return Choreography(
            *(self.kinds, participants, handlers, windows, by_home, started, abroad),
            is_signed=self._secret is not None,
        )

    def _abroad(self, *, is_running: bool) -> Abroad | None:
        """Return where other programs publish and read, None where no event is of theirs.

        Raises ConfigurationError where one is, and there are no topics.
        """
        crossing = [
            topic
            for topic, kind in self.kinds.by_topic.items()
            if kind.declared.shared or kind.declared.foreign
        ]
        if not crossing:
            return None
        topics = self._topics or (self._opened_broker.topics if self._opened_broker else None)
        if topics is None and is_running:
            raise ConfigurationError(
                f"The event `{crossing[0]}` is shared or foreign, and there are no topics.",
                found=f"App({self.name!r}) without a broker of topics",
                expected='App(broker="sqlite:PATH"), or App(topics=…)',
            )

        def to_json(event: Event) -> object:
            return self.kinds.topic(event.topic).to_json(event.data, event.version)

        wire = CloudEventWire(to_json)
        trusted = None if self._secret is None else SignedWire(wire, self._secret)
        return Abroad(topics, wire, self.name, trusted)

    def _windows(self) -> list[WindowFunction]:
        return [one for service in self.services.values() for one in service.windows.values()]

    def _handler_handle(self, handler: Handler, opened: Mapping[type, object] | None) -> TaskHandle:
        """Return a handler as the runtime calls it."""
        handle = TaskHandle(handler.task, self.codec)
        if opened is not None:
            handle.open(opened)
        return handle

    async def end_of(self, event: type) -> None:
        """Say that no more events of a class will come from outside; return once that is durable.

        It shows the windows of the class, and travels on through the handlers to those of what they
        make. Raises ConfigurationError for what is no event, NotAllowed for one that handlers
        make: it ends when what they take does.
        """
        await self.operations.events.end_of(event)

    # -- life

    async def __aenter__(self) -> App:
        if self._engine is not None:
            raise ConfigurationError("The app is running already.", do="enter it once")
        async with AsyncExitStack() as exits:
            opened = await exits.enter_async_context(open_resources(self.resources))
            tasks = self._handles(opened)
            exits.callback(self._close_stores)
            exits.push_async_callback(self._close_broker)
            self._open_broker()
            stores = self._stores()
            make_tables(stores, self.services.values())
            engine = self._new_engine(stores, tasks, self._choreography(opened, stores))
            exits.push_async_callback(self._stop, engine)
            self._engine = engine
            self._operations = Operations(engine)
            engine.start(LocalInvoker)
            if self.store_path is not None and "" in self._participants:
                listener = Listener(self._operations, self.store_path)
                await listener.open()
                exits.push_async_callback(listener.close)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._exits is not None, "the app was entered"
        exits, self._exits = self._exits, None
        await exits.aclose()

    async def _stop(self, engine: Engine) -> None:
        try:
            await engine.stop(STOP_S)
        finally:
            self._engine = None

    def _open_broker(self) -> None:
        """Open the broker's file where it was named; one that was given stays its owner's."""
        if self._broker_place:
            self._opened_broker = SqliteBroker.open(self._broker_place)

    async def _close_broker(self) -> None:
        if self._opened_broker is not None:
            await self._opened_broker.close()
            self._opened_broker = None

    def _handles(self, opened: Mapping[type, object]) -> dict[str, TaskHandle]:
        """Return the tasks with their resources, by name."""
        found = handles(list(self.tasks.values()), self.codec)
        for handle in found.values():
            handle.open(opened)
        return found

    def _new_engine(
        self,
        stores: list[tuple[Store, frozenset[str]]],
        tasks: dict[str, TaskHandle],
        choreography: Choreography | None,
    ) -> Engine:
        broker = self._broker or self._opened_broker or InProcessBroker()
        return Engine(
            stores,
            programs=self.programs,
            tasks=tasks,
            placement=self.placement,
            clock=self._clock,
            codec=self.codec,
            observer=self._observer,
            broker=signed(broker, self._secret, self._observer),
            retention_ms=self._retention_ms,
            choreography=choreography,
        )

    @asynccontextmanager
    async def at_rest(self, *, read_only: bool) -> AsyncGenerator[Operations]:
        """Open the stores and execute nothing; what an operation writes goes on when the app runs.

        Reading needs no ownership, so it works beside a running app. Raises StoreBusy and
        NotFound, and ConfigurationError for an app that keeps its runs in memory.
        """
        if self.store_path is None:
            raise ConfigurationError(
                f"The app `{self.name}` keeps its runs in memory.",
                expected="a store in a file",
                do='give it one: App(store="./name.sqlite")',
            )
        tasks = handles(list(self.tasks.values()), self.codec)
        try:
            stores = self._stores(read_only=read_only)
            choreography = self._choreography(None, stores)
            if choreography is None and read_only:
                choreography = stranger(self.kinds)
            engine = self._new_engine(stores, tasks, choreography)
            engine.rest()
            try:
                yield Operations(engine)
            finally:
                await engine.stop(0)
        finally:
            self._close_stores()

    def _close_stores(self) -> None:
        for store in self._opened:
            store.close()
        self._opened.clear()

    @property
    def store_path(self) -> Path | None:
        """Where the app's own store is, unless it is in memory or was given open."""
        if not isinstance(self._store, str | Path) or str(self._store) == "memory:":
            return None
        return Path(self._store)

    def configure(
        self,
        *,
        store: str | Path | None = None,
        placement: str | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Change what the app was made with, before it runs; what is None stays."""
        if self._engine is not None:
            raise ConfigurationError("The app is running already.", do="configure it before")
        if store is not None:
            self._store = store
        if placement is not None:
            placed = parse(placement)
            check(placed, self.services, self.tasks)
            self.placement = placed
        if observer is not None:
            self._observer = observer

    @property
    def observer(self) -> Observer:
        """Who is told of signals."""
        return self._observer

    def _stores(self, *, read_only: bool = False) -> list[tuple[Store, frozenset[str]]]:
        """Return each store with its participants: the app's, and those with their own."""
        here = "" if self.store_path is None else same_file(self.store_path)
        own = {
            service.name: place
            for service in self.services.values()
            if service.name in self._participants
            and service.store
            and (place := same_file(service.store)) != here
        }
        shared = self._participants - own.keys()
        found: list[tuple[Store, frozenset[str]]] = []
        if shared:
            found.append((self._opened_store(self._store, read_only), shared))
        for place in sorted(set(own.values())):
            names = frozenset(name for name, where in own.items() if where == place)
            found.append((self._opened_store(place, read_only), names))
        return found

    def _opened_store(self, store: str | Path | Store, read_only: bool) -> Store:
        if not isinstance(store, str | Path):
            return store
        opened: Store
        if str(store) == "memory:":
            opened = MemoryStore()
        else:
            opened = SqliteStore.open(store, read_only=read_only)
        self._opened.append(opened)
        return opened

    @property
    def operations(self) -> Operations:
        """What can be asked of a running app."""
        if self._engine is None:
            raise ConfigurationError(
                "The app is not running.", expected="`async with app:` around the call"
            )
        return self._operations

    # -- runs

    async def start_async(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
        tags: Iterable[str] = (),
    ) -> Handle[R]:
        """Start a run, or find the one that has this id; return once it is durable.

        Raises ConflictError where the id is taken by a run with other input.
        """
        name = self._named(workflow)
        run = await self.operations.start(name, args, id=id, tags=tuple(tags))
        return Handle(self.operations, run)

    async def run_async(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
        tags: Iterable[str] = (),
    ) -> R:
        """Start a run and return its result. Raises RunFailed, with the error as its cause."""
        name = self._named(workflow)
        result = await self.operations.run(name, args, id=id, tags=tuple(tags))
        return cast("R", result)

    def run(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
        tags: Iterable[str] = (),
    ) -> R:
        """Start a run in an event loop of its own, and return its result.

        Raises RunFailed, RunCancelled, or RunParked where an operator has to decide. Other runs
        that are still open then are named in the log; they continue when the app runs next.
        """

        async def within() -> R:
            async with self:
                handle = await self.start_async(workflow, *args, id=id, tags=tags)
                try:
                    if not await self.operations.ended_or_parked(handle.id):
                        raise self.operations.parked(handle.id)
                    return await handle.result()
                finally:
                    self._name_unfinished()

        try:
            return run_in_loop(within())
        except DuettoError as error:
            # A reader looks for a line of their own, so the frames of Duetto are left out.
            raise error.with_traceback(None) from error.__cause__

    def _name_unfinished(self) -> None:
        unfinished = self.operations.unfinished()
        if unfinished:
            self._observer.note(Unfinished(unfinished))

    def start(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
        tags: Iterable[str] = (),
    ) -> str:
        """Start a run and return its id; it goes on when the app runs next."""

        async def within() -> str:
            async with self:
                return (await self.start_async(workflow, *args, id=id, tags=tags)).id

        return run_in_loop(within())

    # -- events

    async def publish_async(
        self,
        event: object,
        *,
        correlation: str = "",
        trace: str = "",
        deadline: datetime | None = None,
    ) -> str:
        """Publish an event; return its name once it is durable.

        What follows carries on what it belongs to, a W3C `traceparent`, and a deadline. Raises
        ConfigurationError for what is no event, ValueRefused for one that cannot be kept.
        """
        return await self.operations.events.publish(
            event, correlation=correlation, trace=trace, deadline=deadline
        )

    def transaction(self, service: str = "") -> AbstractAsyncContextManager[Transaction]:
        """Change tables and publish events in one commit: `async with app.transaction() as work:`.

        The tables are those in the app's own store, or a service's. All of it is durable when the
        block is left, or nothing was done. Raises as `EventOperations.transaction` does.
        """
        return self.operations.events.transaction(service)

    def publish(self, event: object) -> str:
        """Publish an event in an event loop of its own; it is handled when the app runs next."""

        async def within() -> str:
            async with self:
                return await self.publish_async(event)

        return run_in_loop(within())

    def _named(self, workflow: object) -> str:
        if not isinstance(workflow, Workflow):
            raise ConfigurationError(
                "Only a workflow can be run.",
                found=getattr(workflow, "__qualname__", repr(workflow)),
                expected="a function decorated with `@workflow`",
                do="decorate it, or call it as it is",
            )
        if self.workflows.get(workflow.name) is not workflow:
            raise ConfigurationError(
                f"`{workflow.name}` is no workflow of the app `{self.name}`.",
                found=workflow.name,
                expected=f"one of: {', '.join(sorted(self.workflows))}",
                do="add it to workflows=[…]",
            )
        return workflow.name


def same_file(store: str | Path) -> str:
    """Return one name for one store, however its path is written."""
    return str(store) if str(store) == "memory:" else str(Path(store).resolve())


def run_in_loop(main: Coroutine[Any, Any, R]) -> R:
    """Run to completion in a loop of its own; on uvloop where it is installed.

    A SIGTERM cancels it as Ctrl-C does, so that apps stop as they should: what runs is drained,
    and goes on when the app runs next. The process then exits with 143.
    """
    told = False

    async def until_told() -> R:
        nonlocal told
        task = asyncio.current_task()
        assert task is not None, "this is run by a runner"

        def tell() -> None:
            nonlocal told
            told = True
            task.cancel()

        with suppress(NotImplementedError, ValueError, RuntimeError):  # not in the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell)
        return await main

    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        factory = None
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(until_told())
    except asyncio.CancelledError:
        if not told:
            raise
        raise SystemExit(128 + signal.SIGTERM) from None
