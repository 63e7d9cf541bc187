"""One trial of an app's workflow: where it is decided, what befalls it, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import fields

from duetto.app import App
from duetto.errors import DuettoError, PlacementError, RunCancelled, RunFailed, RunParked
from duetto.model.placement import Placement, parse
from duetto.testing.app import AppUnderTest
from duetto.testing.charted import ChartedApp
from duetto.testing.mortal import MortalApp
from duetto.testing.simulation.faults import OperatorCancels, OperatorMoves
from duetto.testing.stage import Stage
from duetto.testing.strikes import Errors, Keys, Link, OperatorFault, Strikes, TaskFault, TrialFault
from duetto.testing.tasks import Call, TaskMocks

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

RUN = "trial"
"""The id of each trial's run: keys contain it, so that those of two trials can be compared."""

RESUMES_MAX = 3
"""What is parked after so many resumes stays parked: a mock that always fails, say."""

JUMPS_MAX, TURNS_MAX = 20_000, 100_000
"""Most trials take some hundred: what takes so many does not end, and is found out soon."""

AGAIN_S = 1.0
"""When an operator tries again whose app is just not there."""


class Trial(Struct, frozen=True):
    """All that differs from one trial to the next, as data: a failing one is printed.

    `apart` gives each service a store of its own, so that messages pass between them. Hosts are
    numbered in the order of the stores: the app's own is 0. Each body takes up to `dawdle_ms`
    longer than it does by itself, as the seed says.
    """

    placement: Placement | str = "orchestration"
    apart: bool = False
    faults: tuple[TrialFault, ...] = ()
    dawdle_ms: int = 0
    seed: int = 0

    @property
    def placed(self) -> Placement:
        """The placement, where its name was given too."""
        return parse(self.placement) if isinstance(self.placement, str) else self.placement

    def __repr__(self) -> str:
        return spelled(self)


def spelled(value: object) -> str:
    """Return a trial, or a part of one, as it is written: without what has its default."""
    match value:
        case Placement(name=name) if parse_or_none(name) == value:
            return f"parse({name!r})"
        case Struct():
            given = {
                field.name: getattr(value, field.name)
                for field in fields(value)
                if getattr(value, field.name) != field.default
            }
            parts = [f"{name}={spelled(each)}" for name, each in given.items()]
            return f"{type(value).__name__}({', '.join(parts)})"
        case tuple():
            items = [spelled(each) for each in cast("tuple[object, ...]", value)]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        case _:
            return repr(value)


def parse_or_none(text: str) -> Placement | None:
    """Return the placement that a text names, None where it names none."""
    try:
        return parse(text)
    except PlacementError:
        return None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is tried: a workflow with its input, and what surrounds it in each trial anew."""

    app: App
    workflow: Callable[..., Coroutine[Any, Any, Any]]
    args: tuple[Any, ...]
    resources: Callable[[], Iterable[object]] | None = None
    mocks: Callable[[TaskMocks], object] | None = None
    errors: Errors | None = None
    check: Callable[[AppUnderTest, str], object] | None = None


class Outcome(Struct, frozen=True):
    """How a run ended: its status, and its result or its error."""

    status: str
    what: Any = None

    def __str__(self) -> str:
        match self.status:
            case "completed":
                return f"completed with {self.what!r}"
            case "failed":
                return f"failed with {self.what}"
            case _:
                return self.status


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a trial came to, as seen from outside."""

    outcome: Outcome
    entries: list[Call]
    made: list[Call]
    stored: dict[str, int]
    struck: list[TrialFault]
    keys: dict[TaskFault, str]
    commits: dict[int, int]
    links: dict[Link, int]
    lasted_ms: int
    story: list[str]


def ran(subject: Subject, trial: Trial, *, keys: Keys | None = None) -> Ran:
    """Run a trial to its end; `keys` are those that faults of tasks struck in another.

    Raises what the user's own check raises, and Stalled where the run never ends.
    """
    strikes = Strikes(
        trial.faults,
        keys=keys,
        errors=subject.errors,
        dawdle_ms=trial.dawdle_ms,
        seed=trial.seed,
    )
    with Stage(seed=trial.seed) as stage:
        stage.loop.limit(jumps_max=JUMPS_MAX, turns_max=TURNS_MAX)
        if subject.mocks is not None:
            subject.mocks(stage.tasks)
        app = staged(subject, trial, stage, strikes)
        under_test = AppUnderTest(app, stage)
        stage.actors.append(under_test)
        for fault in strikes.operators:
            stage.loop.call_later(fault.at_ms / 1000, operate, app, strikes, fault)
        under_test.start(subject.workflow, *subject.args, id=RUN)
        outcome = ended(under_test)
        refuse_a_second(under_test, subject, len(stage.tasks.made))
        if subject.check is not None:
            subject.check(under_test, RUN)
        return Ran(
            outcome=outcome,
            entries=list(app.ledger.entries),
            made=list(stage.tasks.made),
            stored=dict(app.stored),
            struck=strikes.struck,
            keys=strikes.keys,
            commits=dict(app.commits),
            links=dict(strikes.links),
            lasted_ms=round(stage.loop.time() * 1000),
            story=stage.describe(),
        )


def refuse_a_second(app: AppUnderTest, subject: Subject, calls: int) -> None:
    """Start the run once more under its id: it is the same, and nothing is done again."""
    app.start(subject.workflow, *subject.args, id=RUN)
    app.settle()
    made = app.made[calls:]
    if made:
        raise AssertionError(f"A run that was started twice ran twice: {made[0].task} was called.")


def staged(subject: Subject, trial: Trial, stage: Stage, strikes: Strikes) -> ChartedApp:
    """Return a copy of the app, as the trial wants it."""
    fresh = subject.resources
    return ChartedApp(
        stage,
        subject.app,
        resources=subject.app.resources if fresh is None else fresh(),
        placement=trial.placed,
        apart=trial.apart,
        strikes=strikes,
    )


def ended(app: AppUnderTest) -> Outcome:
    """Let the time pass until the run has ended; an operator resumes what is parked."""
    app.settle()
    for _ in range(RESUMES_MAX):
        if not app.operations.is_parked(RUN):
            break
        app.resume(RUN)
        app.settle()
    try:
        return Outcome("completed", app.result(RUN))
    except RunParked:
        return Outcome("parked")
    except RunCancelled:
        return Outcome("cancelled")
    except RunFailed as failed:
        cause = failed.__cause__
        return Outcome("failed", f"{type(cause).__name__}: {cause}")


def operate(app: MortalApp, strikes: Strikes, fault: OperatorFault) -> None:
    """Do what an operator does, once the app is there."""
    if not app.is_alive:
        app.loop.call_later(AGAIN_S, operate, app, strikes, fault)
        return
    match fault:
        case OperatorMoves(host=host, placement=placement):
            strikes.note(fault)
            app.move(host, placement)
        case OperatorCancels():
            if RUN in app.operations.unfinished():
                strikes.note(fault)
                app.loop.create_task(cancelled(app))


async def cancelled(app: MortalApp) -> None:
    """Cancel the run; where its process dies of that, nobody hears of it."""
    try:
        await app.operations.cancel(RUN)
    except DuettoError:
        if app.is_alive:
            raise
