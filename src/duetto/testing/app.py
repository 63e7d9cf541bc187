"""An app in memory and in virtual time, which plain and async tests use alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Literal, TypeVar, TypeVarTuple, overload

from msgspec.structs import replace

from duetto.app import App
from duetto.authoring.context import context
from duetto.authoring.service import Service
from duetto.authoring.workflow import Workflow
from duetto.brokers import InProcessBroker
from duetto.brokers.in_process import Faults
from duetto.errors import ConfigurationError, StoreFailed
from duetto.invokers import LocalInvoker
from duetto.model.placement import Placement, hybrid, parse
from duetto.model.view import Fact, RunView, Waiting
from duetto.operations import Operations
from duetto.operations.counts import Counts
from duetto.runtime.host import Host
from duetto.runtime.tasks import TaskHandle, handles
from duetto.store import Query, Store
from duetto.stores.memory import MemoryStore
from duetto.testing.crash import MortalStore
from duetto.testing.ledger import Ledger
from duetto.testing.simulation.clock import SimulatedClock
from duetto.testing.simulation.loop import Stalled
from duetto.testing.stage import Stage, bodies
from duetto.testing.tasks import Body, Call

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

PlacementName = Literal["orchestration", "choreography", "hybrid"]
"""What `duetto_placement` gives; `hybrid` is that of every second service of an app."""

DESCRIBED_MAX = 10
"""Runs in the report of a failure: what matters is among the newest."""

KEEP_MS = 100 * 365 * 24 * 3600 * 1000
"""Nothing is purged: a test may look at a run however far its clock was advanced."""


class MortalApp(App):
    """An app whose process may die: its stores in memory stay, and it starts again on them."""

    def __init__(
        self,
        stage: Stage,
        app: App,
        *,
        resources: Iterable[object],
        placement: Placement,
        faults: Faults | None,
        apart: bool,
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
            observer=app.observer,
            retention_ms=KEEP_MS,
        )
        self._stage, self._faults, self._apart = stage, faults, apart
        self._kept: dict[str, MemoryStore] = {}
        self._views: list[MortalStore] = []
        self._lives = 0
        self._restart: asyncio.Task[None] | None = None
        self.ledger = Ledger()

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

    async def begin(self) -> None:
        """Start a process; one that dies of its first commits is followed by another."""
        while self._exits is None:
            self._lives += 1
            faults = self._faults
            if faults is not None:
                faults = replace(faults, seed=hash((self._stage.seed, self._lives)))
            self._broker = InProcessBroker(faults)
            try:
                await self.__aenter__()
            except StoreFailed:
                if not any(view.dead for view in self._views):
                    raise

    def die(self) -> None:
        """End the process at once; another starts soon."""
        for view in self._views:
            view.dead = True
        for host in self.hosts:
            host.stopping = True
            host.failure = StoreFailed("the process has died")
            host.timers.close()
        if self._exits is not None:
            self._restart = self._stage.loop.create_task(self._begin_again())
            self._restart.add_done_callback(self._began_again)

    async def end(self) -> None:
        """Stop what runs at once, as nothing of it matters any more, and close the resources."""
        for host in self.hosts:
            host.stopping = True
            assert isinstance(host.invoker, LocalInvoker), "an app has invokers of this kind"
            await host.invoker.close()
        await self.__aexit__(None, None, None)

    async def _begin_again(self) -> None:
        await self.end()
        await self.begin()

    def _began_again(self, restart: asyncio.Task[None]) -> None:
        self._restart = None
        if not restart.cancelled() and (error := restart.exception()) is not None:
            self._stage.loop.fail(error)

    # -- what an app is made of, here

    def _stores(self, *, read_only: bool = False) -> list[tuple[Store, frozenset[str]]]:
        groups: dict[str, set[str]] = {"": {""}}
        for service in self.services.values():
            place = service.name if self._apart else service.store or ""
            groups.setdefault(place, set()).add(service.name)
        self._views = [
            MortalStore(self._kept.setdefault(place, MemoryStore()), self._stage.crashes, self.die)
            for place in groups
        ]
        participants = map(frozenset, groups.values())
        return list(zip([view.as_store for view in self._views], participants, strict=True))

    def _handles(self, opened: Mapping[type, object]) -> dict[str, TaskHandle]:
        found = handles(list(self.tasks.values()), self.codec)
        for handle in found.values():
            self._watch(handle, opened)
            if handle.look_up is not None:
                self._watch(handle.look_up, opened)
        return found

    def _watch(self, handle: TaskHandle, opened: Mapping[type, object]) -> None:
        """Let the calls of a task be counted, and mocked; a mocked one needs no resources."""
        if not self._stage.tasks.is_mocked(handle.task):
            handle.open(opened)
        handle.body = self._watched(handle)
        handle.is_async = True

    def _watched(self, handle: TaskHandle) -> Body:
        own, is_async, name = handle.body, handle.is_async, handle.task.qualified
        tasks, crashes, life = self._stage.tasks, self._stage.crashes, self._lives

        async def body(*args: Any, **kwargs: Any) -> Any:
            if self._lives != life or not self.is_alive:
                await crashes.nothing_more()
            asked = context()
            call = Call(name, asked.key, (*args, *kwargs.values()), asked.attempt, asked.run)
            tasks.made.append(call)
            await crashes.at_task("before", name, self.die)
            if (mocked := tasks.body(handle.task)) is not None:
                result = await mocked(*args, **kwargs)
            elif is_async:
                result = await own(*args, **kwargs)
            else:
                result = in_a_thread(own, *args, **kwargs)
            if self._lives != life or not self.is_alive:
                await crashes.nothing_more()
            if name in self.tasks:
                self.ledger.entries.append(call)
            await crashes.at_task("after", name, self.die)
            return result

        return body


class AppUnderTest:
    """An app to be tested. Each call returns when what it asks for is done; nothing is slept.

    It starts with the first call, and stops at the end of the test.
    """

    def __init__(self, app: MortalApp, stage: Stage) -> None:
        self._app, self._stage = app, stage

    @property
    def placement(self) -> Placement:
        """Who decides what."""
        return self._app.placement

    @property
    def ledger(self) -> Ledger:
        """What took effect, by idempotency key."""
        return self._app.ledger

    @property
    def hosts(self) -> list[Host]:
        """The hosts that are alive, for the stage."""
        return self._app.hosts

    # -- runs

    def run(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
        tags: Iterable[str] = (),
    ) -> R:
        """Start a run, let the time pass until it ends, and return its result.

        Raises RunFailed, RunCancelled or RunParked; and Stalled, with the reason, where it waits
        for what never comes.
        """
        return self.result(self.start(workflow, *args, id=id, tags=tags))

    def start(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
        tags: Iterable[str] = (),
    ) -> str:
        """Start a run, and let it do all that needs no time to pass; return its id."""
        run = id if id is not None else self._app.clock.draw_id()
        while True:
            operations = self.operations
            try:
                self._stage.complete(self._app.start_async(workflow, *args, id=run, tags=tags))
                return run
            except StoreFailed:
                if self.operations is operations:
                    raise
                # The process died of it: whoever was not answered asks again, by the same id.

    def result(self, id: str) -> Any:
        """Let the time pass until a run ends, and return its result; raises as `run` does."""
        operations = self.operations
        operations.show(id)
        self._stage.drive(lambda: self._is_over(id))
        operations = self.operations
        if operations.is_parked(id):
            raise operations.parked(id)
        if not self._is_over(id):
            reasons = "".join(f"\n  {one.text}" for one in operations.explain(id))
            raise Stalled(f"Run {id} waits for what never comes.{reasons}")
        return self._stage.complete(operations.result(id))

    def settle(self) -> None:
        """Let the time pass until all runs have ended, are parked, or wait for ever."""
        self._begin()
        self._stage.drive(self._is_settled)

    def _is_over(self, id: str) -> bool:
        if not self._app.is_alive:
            return False
        operations = self._app.operations
        return id not in operations.unfinished() or operations.is_parked(id)

    def _is_settled(self) -> bool:
        if not self._app.is_alive or any(is_under_way(host) for host in self._app.hosts):
            return False
        operations = self._app.operations
        return all(operations.is_parked(id) for id in operations.unfinished())

    # -- what an operator does and sees

    @property
    def operations(self) -> Operations:
        """All that can be asked of a running app; it is started where it was not."""
        self._begin()
        return self._app.operations

    def cancel(self, id: str) -> None:
        """Cancel a run; `settle` lets it undo what it did."""
        self._stage.complete(self.operations.cancel(id))

    def retry(self, id: str) -> int:
        """Try at once what waits for its next attempt; return how many."""
        return self._stage.complete(self.operations.retry(id))

    def resume(self, id: str, path: str = "") -> int:
        """Let what is parked go on; return how many tokens."""
        return self._stage.complete(self.operations.resume(id, path))

    def skip(self, id: str, path: str = "", value: Any = None) -> int:
        """Let what is parked go on as if it had ended with a value; return how many tokens."""
        return self._stage.complete(self.operations.skip(id, path, value))

    def show(self, id: str) -> RunView:
        """Return a run."""
        return self.operations.show(id)

    def history(self, id: str) -> list[Fact]:
        """Return what happened in a run, in causal order."""
        return self.operations.history(id)

    def explain(self, id: str) -> list[Waiting]:
        """Say why each token of a run is not moving, or how it ended."""
        return self.operations.explain(id)

    def counts(self, id: str) -> Counts:
        """Return how many steps, retries, messages and writes a run took."""
        return self.operations.counts(id)

    # -- life

    def _begin(self) -> None:
        """Start the app, or wait until it is there again."""
        if self._app.is_restarting:
            self._stage.drive(lambda: self._app.is_alive)
        if not self._app.is_alive:
            self._stage.complete(self._app.begin())

    def describe(self) -> list[str]:
        """Return a line for each of the newest runs: how it ended, or what it waits for."""
        if not self._app.is_alive:
            return []
        operations = self._app.operations
        runs = operations.list(Query(limit=DESCRIBED_MAX))
        return [one.text for run in reversed(runs) for one in operations.explain(run.id)]

    def close(self) -> None:
        """Stop the app, and close its resources."""
        if self._app.is_restarting:
            self._begin()
        if self._app.is_alive:
            self._stage.complete(self._app.end())


def in_a_thread(body: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Run a synchronous body in a thread, as an app does, while the loop stands still.

    Were they to run side by side, chance would decide what comes first, and no seed repeat it.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="duetto-task") as threads:
        return threads.submit(copy_context().run, partial(body, *args, **kwargs)).result()


def is_under_way(host: Host) -> bool:
    """Return whether a body runs, or a message is not confirmed."""
    return bool(bodies(host) or host.exchange.unconfirmed)


class AppFactory:
    """Makes the apps of one test: of an App, or of its parts."""

    def __init__(self, stage: Stage, placement: PlacementName | None = None) -> None:
        self._stage, self._placement = stage, placement

    @overload
    def __call__(
        self,
        app: App,
        /,
        *,
        resources: Iterable[object] | None = None,
        placement: str | Placement | None = None,
        faults: Faults | None = None,
        apart: bool = False,
    ) -> AppUnderTest: ...
    @overload
    def __call__(
        self,
        /,
        *,
        services: Iterable[Service],
        workflows: Iterable[Workflow[..., Any]],
        resources: Iterable[object] | None = None,
        placement: str | Placement | None = None,
        faults: Faults | None = None,
        apart: bool = False,
    ) -> AppUnderTest: ...
    def __call__(
        self,
        app: App | None = None,
        /,
        *,
        services: Iterable[Service] = (),
        workflows: Iterable[Workflow[..., Any]] = (),
        resources: Iterable[object] | None = None,
        placement: str | Placement | None = None,
        faults: Faults | None = None,
        apart: bool = False,
    ) -> AppUnderTest:
        """Return an app to be tested: a copy of `app`, or one of services and workflows.

        `resources` stand in for those of `app`. `apart` gives each service a store of its own,
        so that what passes between them goes through the broker, and its `faults`. The placement
        is the one that is given, else that of `duetto_placement`, else the app's own.
        """
        model = app or App("app", services=services, workflows=workflows)
        if app is not None and (services or workflows):
            raise ConfigurationError(
                "An app is described twice.",
                found=f"the app `{app.name}`, and services or workflows",
                expected="one of both",
                do="give the app alone, or services=[…] and workflows=[…]",
            )
        mortal = MortalApp(
            self._stage,
            model,
            resources=model.resources if resources is None else resources,
            placement=self._placed(model, placement),
            faults=faults,
            apart=apart,
        )
        made = AppUnderTest(mortal, self._stage)
        self._stage.actors.append(made)
        return made

    def _placed(self, model: App, given: str | Placement | None) -> Placement:
        chosen = given or self._placement or model.placement
        if chosen == "hybrid":
            return hybrid(*list(model.services)[::2])
        return parse(chosen) if isinstance(chosen, str) else chosen
