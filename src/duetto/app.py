"""The composition root: an app's services and workflows meet stores, broker, codec and clock."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeVar, TypeVarTuple

from duetto.authoring.names import checked_name
from duetto.authoring.resources import open_resources
from duetto.authoring.service import Service
from duetto.authoring.symbols import Symbols
from duetto.authoring.task import Task
from duetto.authoring.workflow import Workflow
from duetto.broker import Broker
from duetto.brokers import InProcessBroker
from duetto.clock import Clock
from duetto.codecs import MsgpackCodec
from duetto.errors import ConfigurationError, DuettoError
from duetto.invokers import LocalInvoker
from duetto.model.placement import Placement, check, parse
from duetto.observer import Observer, Unfinished
from duetto.observers import LogObserver
from duetto.operations import Handle, Listener, Operations
from duetto.runtime.clock import SystemClock
from duetto.runtime.engine import Engine
from duetto.runtime.programs import Programs
from duetto.runtime.tasks import TaskHandle, handles
from duetto.store import Store
from duetto.stores.memory import MemoryStore
from duetto.stores.sqlite import SqliteStore

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
        broker: Broker | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        retention_ms: int = RETENTION_MS,
    ) -> None:
        self.name = checked_name("app", name)
        self.services = {service.name: service for service in services}
        self.workflows = {workflow.name: workflow for workflow in _workflows(workflows)}
        self.resources = list(resources)
        self._store = store if store is not None else f"./{name}.sqlite"
        self._broker = broker
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
        self.symbols = Symbols(self._modules())
        self.codec = MsgpackCodec(self.symbols)
        self.programs = Programs(self.workflows.values(), self.codec, self.symbols)
        self._engine: Engine | None = None
        self._exits: AsyncExitStack | None = None
        self._opened: list[Store] = []

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

    def _modules(self) -> list[ModuleType]:
        names = {task.body.__module__ for task in self.tasks.values()}
        names |= {workflow.body.__module__ for workflow in self.workflows.values()}
        pending = list(self.workflows.values())
        while pending:
            for callee in pending.pop().callees.values():
                if callee.body.__module__ not in names:
                    pending.append(callee)
                    names.add(callee.body.__module__)
        return [sys.modules[name] for name in sorted(names) if name in sys.modules]

    # -- life

    async def __aenter__(self) -> App:
        if self._engine is not None:
            raise ConfigurationError("The app is running already.", do="enter it once")
        async with AsyncExitStack() as exits:
            opened = await exits.enter_async_context(open_resources(self.resources))
            tasks = self._handles(opened)
            exits.callback(self._close_stores)
            engine = self._new_engine(self._stores(), tasks)
            exits.push_async_callback(self._stop, engine)
            self._engine = engine
            self._operations = Operations(engine)
            engine.start(LocalInvoker)
            if self.store_path is not None:
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

    def _handles(self, opened: Mapping[type, object]) -> dict[str, TaskHandle]:
        """Return the tasks with their resources, by name."""
        found = handles(list(self.tasks.values()), self.codec)
        for handle in found.values():
            handle.open(opened)
        return found

    def _new_engine(
        self, stores: list[tuple[Store, frozenset[str]]], tasks: dict[str, TaskHandle]
    ) -> Engine:
        return Engine(
            stores,
            programs=self.programs,
            tasks=tasks,
            placement=self.placement,
            clock=self._clock,
            codec=self.codec,
            observer=self._observer,
            broker=self._broker or InProcessBroker(),
            retention_ms=self._retention_ms,
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
            engine = self._new_engine(self._stores(read_only=read_only), tasks)
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
            if service.store and (place := same_file(service.store)) != here
        }
        shared = frozenset({"", *(name for name in self.services if name not in own)})
        found = [(self._opened_store(self._store, read_only), shared)]
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
        handle = await self.start_async(workflow, *args, id=id, tags=tags)
        return await handle.result()

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


def _workflows(given: Iterable[Workflow[..., Any]]) -> list[Workflow[..., Any]]:
    """Return the workflows and those that they call."""
    found: dict[str, Workflow[..., Any]] = {}
    pending = list(given)
    while pending:
        one = pending.pop(0)
        if found.setdefault(one.name, one) is not one:
            raise ConfigurationError(
                f"Two workflows are named `{one.name}`.",
                found=f"{found[one.name].__module__} and {one.__module__}",
                expected="names that differ",
                do="give one a name: `@workflow(name=…)`",
            )
        pending += [
            callee for callee in one.callees.values() if found.get(callee.name) is not callee
        ]
    return list(found.values())


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
