"""An app in memory and in virtual time, which plain and async tests use alike."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, TypeVarTuple, cast, overload

from duetto.app import App
from duetto.authoring.resources import find_resource
from duetto.authoring.service import Service
from duetto.authoring.workflow import Workflow
from duetto.brokers import Faults
from duetto.drawing import sequence_text
from duetto.drawing.sequence import Chart
from duetto.errors import ConfigurationError, StoreFailed
from duetto.model.placement import Placement, hybrid, parse
from duetto.model.view import Fact, LetterView, RunView, Waiting
from duetto.operations import Letters, Operations, Picked, Replayed
from duetto.operations.counts import Counts
from duetto.runtime.host import Host
from duetto.testing.charted import ChartedApp, write
from duetto.testing.ledger import Ledger
from duetto.testing.reports import described, not_in_history, plainly
from duetto.testing.simulation.loop import Stalled
from duetto.testing.stage import Stage, bodies
from duetto.testing.tasks import Call

R = TypeVar("R")
E = TypeVar("E")
Ts = TypeVarTuple("Ts")

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

PlacementName = Literal["orchestration", "choreography", "hybrid"]
"""What `duetto_placement` gives; `hybrid` is that of every second service of an app."""


class AppUnderTest:
    """An app to be tested. Each call returns when what it asks for is done; nothing is slept.

    It starts with the first call, and stops at the end of the test.
    """

    def __init__(self, app: ChartedApp, stage: Stage) -> None:
        self._app, self._stage = app, stage

    def __repr__(self) -> str:
        return f"<{self._app.name} under test, {self.placement.name}>"

    @property
    def placement(self) -> Placement:
        """Who decides what."""
        return self._app.placement

    @property
    def ledger(self) -> Ledger:
        """What took effect, by idempotency key."""
        return self._app.ledger

    @property
    def made(self) -> list[Call]:
        """The calls that were made on its stage."""
        return self._stage.tasks.made

    @property
    def hosts(self) -> list[Host]:
        """The hosts that are alive, for the stage."""
        return self._app.hosts

    @property
    def task_names(self) -> set[str]:
        """The names of its tasks, for the stage."""
        return self._app.task_names

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
                self._complete(self._app.start_async(workflow, *args, id=run, tags=tags))
                return run
            except StoreFailed:
                if self.operations is operations:
                    raise
                # The process died of it: whoever was not answered asks again, by the same id.

    def result(self, id: str) -> Any:
        """Let the time pass until a run ends, and return its result; raises as `run` does."""
        plainly(lambda: self.operations.show(id))
        self._drive(lambda: self._is_over(id))
        operations = self.operations
        if operations.is_parked(id):
            raise operations.parked(id)
        if not self._is_over(id):
            reasons = "".join(f"\n  {one.text}" for one in operations.explain(id))
            raise Stalled(f"Run {id} waits for what never comes.{reasons}")
        return self._complete(operations.result(id))

    def settle(self, *, waiting: Iterable[str] = ()) -> None:
        """Let the time pass until all is quiet: each run has ended, or is parked.

        Raises Stalled, with the reasons, where one waits for what never comes, unless it is one of
        those that are to be `waiting`.
        """
        allowed = set(waiting)
        self._begin()
        self._drive(lambda: self._is_settled(allowed))
        if not self._is_settled(allowed) and (lines := self.waiting(but=allowed)):
            reasons = "".join(f"\n  {line}" for line in lines)
            raise Stalled(f"It is quiet, and what is waited for never comes.{reasons}")

    def _is_over(self, id: str) -> bool:
        if not self._app.is_alive:
            return False
        operations = self._app.operations
        return id not in operations.unfinished() or operations.is_parked(id)

    def _is_settled(self, allowed: set[str]) -> bool:
        if not self._app.is_alive or any(is_under_way(host) for host in self._app.hosts):
            return False
        if not self._app.operations.events.is_quiet:
            return False
        return not self._open() - allowed

    def _open(self) -> set[str]:
        """Return the ids of the runs that have not ended, and are not parked."""
        if not self._app.is_alive:
            return set()
        operations = self._app.operations
        return {id for id in operations.unfinished() if not operations.is_parked(id)}

    def waiting(self, *, but: Iterable[str] = ()) -> list[str]:
        """Return a sentence for each token that waits: all but those of the runs `but`."""
        return [
            one.text
            for id in sorted(self._open() - set(but))
            for one in self._app.operations.explain(id)
        ]

    # -- events

    def publish(self, event: object) -> str:
        """Publish an event, and let it do all that needs no time to pass; return its name."""
        return self._complete(self.operations.events.publish(event))

    def end_of(self, event: type) -> None:
        """Say that no more events of a class come from outside, and let that show the windows."""
        self._complete(self.operations.events.end_of(event))

    def select(self, service: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the tables of a service."""
        self._begin()
        [host] = [each for each in self._app.hosts if service in each.participants]
        return plainly(lambda: host.store.select(sql, values))

    def letters(self, asked: Letters | None = None) -> list[LetterView]:
        """Return the dead letters, the oldest first."""
        return plainly(lambda: self.operations.events.letters(asked))

    def redrive(self, handler: str, position: int, data: str | None = None) -> None:
        """Let a dead letter be handled again, with other fields (JSON) where they are given."""
        self._complete(self.operations.events.redrive(handler, position, data))

    def replay(
        self, handler: str, picked: Picked | None = None, *, publishes: bool = False
    ) -> Replayed:
        """Let a handler handle events once more; `settle` lets it do so."""
        events = self.operations.events
        return self._complete(events.replay(handler, picked, publishes=publishes))

    def discard(self, handler: str, position: int) -> None:
        """Give a dead letter up; what waits behind it goes on."""
        self._complete(self.operations.events.discard(handler, position))

    # -- what an operator does and sees

    @property
    def operations(self) -> Operations:
        """All that can be asked of a running app; it is started where it was not."""
        self._begin()
        return self._app.operations

    def cancel(self, id: str) -> None:
        """Cancel a run; `settle` lets it undo what it did."""
        self._complete(self.operations.cancel(id))

    def retry(self, id: str) -> int:
        """Try at once what waits for its next attempt; return how many."""
        return self._complete(self.operations.retry(id))

    def resume(self, id: str, path: str = "") -> int:
        """Let what is parked go on; return how many tokens."""
        return self._complete(self.operations.resume(id, path))

    def skip(self, id: str, path: str = "", value: Any = None) -> int:
        """Let what is parked go on as if it had ended with a value; return how many tokens."""
        return self._complete(self.operations.skip(id, path, value))

    def show(self, id: str) -> RunView:
        """Return a run."""
        return plainly(lambda: self.operations.show(id))

    def history(self, id: str) -> list[Fact]:
        """Return what happened in a run, in causal order."""
        return plainly(lambda: self.operations.history(id))

    def assert_history(self, id: str, *texts: str) -> None:
        """Raise AssertionError unless the history has sentences with these texts, in this order."""
        if (message := not_in_history(id, self.history(id), texts)) is not None:
            raise AssertionError(message)

    def chart(self, id: str) -> str:
        """Return what happened in a run as text: a line each, a column for each participant."""
        return sequence_text(plainly(lambda: self._app.chart(id)))

    def draw(self, id: str, file: str | Path) -> Path:
        """Draw what happened in a run as the file is named: `.svg`, `.mmd`, or else text."""
        return write(plainly(lambda: self._app.chart(id)), Path(file))

    def charts(self) -> list[Chart]:
        """Return the charts of the newest runs, for whoever draws them of a failed test."""
        return self._app.charts()

    def explain(self, id: str) -> list[Waiting]:
        """Say why each token of a run is not moving, or how it ended."""
        return plainly(lambda: self.operations.explain(id))

    def counts(self, id: str) -> Counts:
        """Return how many steps, retries, messages and writes a run took."""
        return plainly(lambda: self.operations.counts(id))

    @overload
    def emitted(self, id: str) -> list[object]: ...
    @overload
    def emitted(self, id: str, kind: type[E]) -> list[E]: ...
    def emitted(self, id: str, kind: type[Any] = object) -> list[Any]:
        """Return the events that a run emitted, in the order in which that became durable."""
        plainly(lambda: self._app.find(id))
        events = [event for (_, run, *_), event in self._app.emitted.items() if run == id]
        return [event for event in events if isinstance(event, kind)]

    def resource(self, kind: type[E]) -> E:
        """Return the resource that tasks get who ask for one of this class."""
        self._begin()
        found = plainly(lambda: find_resource(self._app.opened, kind, for_="the test"))
        return cast("E", found)

    # -- life

    def _begin(self) -> None:
        """Start the app, or wait until it is there again."""
        if self._app.is_restarting:
            self._drive(lambda: self._app.is_alive)
        if not self._app.is_alive:
            self._complete(self._app.begin())

    def _drive(self, until: Callable[[], bool]) -> None:
        plainly(lambda: self._stage.drive(until))

    def _complete(self, work: Coroutine[Any, Any, R]) -> R:
        return plainly(lambda: self._stage.complete(work), raised=self._app.raised.values())

    def describe(self) -> list[str]:
        """Return what happened in the newest runs, for whoever reads of a failed test."""
        return described(self._app.operations, self._app.clock) if self._app.is_alive else []

    def close(self) -> None:
        """Stop the app, and close its resources."""
        if self._app.is_restarting:
            self._begin()
        if self._app.is_alive:
            self._stage.complete(self._app.end())


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
        mortal = plainly(
            lambda: ChartedApp(
                self._stage,
                model,
                resources=model.resources if resources is None else resources,
                placement=self._placed(model, placement),
                faults=faults,
                apart=apart,
            )
        )
        made = AppUnderTest(mortal, self._stage)
        self._stage.actors.append(made)
        return made

    def _placed(self, model: App, given: str | Placement | None) -> Placement:
        chosen = given or self._placement or model.placement
        if chosen == "hybrid":
            return hybrid(*list(model.services)[::2])
        return parse(chosen) if isinstance(chosen, str) else chosen
