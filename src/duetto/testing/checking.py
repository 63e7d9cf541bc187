"""Try a workflow wherever it may be decided, and whatever may befall it: each promise is checked.

check_placements(app, fulfil, order)             every placement, together and apart
check_placements(…, crashes=True)                and a crash at every commit
simulate(app, fulfil, order, seeds=200)          drawn placements, crashes, failures, messages
check_trial(app, fulfil, order, trial=Trial(…))  one of them: what a failed one prints
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any, TypeVarTuple, cast

from msgspec.structs import replace

from duetto.app import App
from duetto.authoring.workflow import Workflow
from duetto.errors import ConfigurationError
from duetto.model.placement import choreography, orchestration
from duetto.testing.app import AppUnderTest
from duetto.testing.luck import Extent, Luck, extent, named_placements
from duetto.testing.promises import Broken, broken, compared, drops, has_choices
from duetto.testing.simulation.faults import CommitLost, CommitUnanswered, TaskRaises
from duetto.testing.simulation.loop import Stalled
from duetto.testing.strikes import Errors, TrialFault
from duetto.testing.tasks import TaskMocks
from duetto.testing.trials import Ran, Subject, Trial, ran

Ts = TypeVarTuple("Ts")

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

CUTS_MAX, CUT_S_MAX = 200, 20.0
"""Trials, and real seconds, in which a failing one is cut down: one that never ends takes long."""

Resources = Callable[[], Iterable[object]]
Mocks = Callable[[TaskMocks], object]
Check = Callable[[AppUnderTest, str], object]


class PromiseBroken(AssertionError):
    """A trial in which a promise was not kept: `trial`, `promise` (DESIGN's number), and how."""

    def __init__(self, message: str, *, trial: Trial, promise: int) -> None:
        self.trial, self.promise = trial, promise
        super().__init__(message)


class Tried:
    """What a series of trials has come by."""

    def __init__(self) -> None:
        self.trials = 0
        self.struck: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def add(self, ran: Ran) -> None:
        """Count a trial."""
        self.trials += 1
        self.struck.update(type(fault).__name__ for fault in ran.struck)
        self.outcomes[ran.outcome.status] += 1

    def __str__(self) -> str:
        struck = ", ".join(f"{name} {count}" for name, count in sorted(self.struck.items()))
        ends = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        return f"{self.trials} trials: {ends}; struck: {struck or 'nothing'}"


def check_trial(
    app: App,
    workflow: Callable[[*Ts], Coroutine[Any, Any, Any]],
    /,
    *args: *Ts,
    trial: Trial,
    resources: Resources | None = None,
    mocks: Mocks | None = None,
    errors: Errors | None = None,
    check: Check | None = None,
) -> Tried:
    """Run a workflow in one trial, and hold it against the promises. Raises PromiseBroken."""
    subject = Subject(
        app=app,
        workflow=workflow,
        args=args,
        resources=resources,
        mocks=mocks,
        errors=errors,
        check=check,
    )
    return _Series(subject).hold([trial])


def check_placements(
    app: App,
    workflow: Callable[[*Ts], Coroutine[Any, Any, Any]],
    /,
    *args: *Ts,
    crashes: bool = False,
    resources: Resources | None = None,
    mocks: Mocks | None = None,
    errors: Errors | None = None,
    check: Check | None = None,
) -> Tried:
    """Run a workflow under every named placement, in one store and with one for each service.

    With `crashes`, its process dies at every commit too, before and after that is durable. Raises
    PromiseBroken where the outcome or the effects differ, or another promise is not kept.
    """
    subject = Subject(
        app=app,
        workflow=workflow,
        args=args,
        resources=resources,
        mocks=mocks,
        errors=errors,
        check=check,
    )
    series = _Series(subject)
    trials = [Trial(one, apart) for one in named_placements(app) for apart in (False, True)]
    series.hold(trials)
    return series.hold(series.deaths()) if crashes else series.tried


def simulate(
    app: App,
    workflow: Callable[[*Ts], Coroutine[Any, Any, Any]],
    /,
    *args: *Ts,
    seeds: int | Iterable[int] = 100,
    cancels: bool = False,
    resources: Resources | None = None,
    mocks: Mocks | None = None,
    errors: Errors | None = None,
    check: Check | None = None,
) -> Tried:
    """Run a workflow in a trial for each seed: drawn placements, crashes, failures, messages.

    With `cancels`, operators cancel some. Raises PromiseBroken for the first seed in which a
    promise is not kept, cut down to the fewest faults and the plainest placement.
    """
    subject = Subject(
        app=app,
        workflow=workflow,
        args=args,
        resources=resources,
        mocks=mocks,
        errors=errors,
        check=check,
    )
    series = _Series(subject)
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    return series.hold(series.drawn(seed, cancels=cancels) for seed in numbers)


class _Series:
    """Trials of one subject; what they are compared with is run once."""

    def __init__(self, subject: Subject) -> None:
        workflow = a_workflow(subject.workflow)
        self.subject = subject
        self.has_choices = has_choices(subject.app, workflow)
        self.drops = drops(workflow)
        self.tried = Tried()
        self._references: dict[tuple[TrialFault, ...], Ran] = {}
        self._commits: list[tuple[Trial, dict[int, int]]] = []
        self._extent: Extent | None = None

    def hold(self, trials: Iterable[Trial]) -> Tried:
        """Run trials until something is wrong; raise that, cut down to what it needs."""
        for trial in trials:
            found = self.wrong(trial)
            if found is not None:
                raise self._cut(found).error
        return self.tried

    def wrong(self, trial: Trial) -> Wrong | None:
        """Run a trial; return what is wrong: a promise is not kept, or the user's check fails."""
        failures = tuple(one for one in trial.faults if isinstance(one, TaskRaises))
        try:
            reference = self.reference(failures)
            result = ran(self.subject, trial, keys=reference.keys)
        except Stalled as stalled:
            return Wrong(trial, told(trial, Broken(3, "The run never ends.", str(stalled)), ()))
        except Exception as error:  # whatever a check raises, its reader wants to see it again
            error.add_note(replay(trial))
            return Wrong(trial, error)
        self.tried.add(result)
        self._commits.append((trial, result.commits))
        found = [
            *broken(self.subject.app, result, drops=self.drops),
            *compared(trial, result, reference, has_choices=self.has_choices),
        ]
        return Wrong(trial, told(trial, found[0], result.story)) if found else None

    def reference(self, failures: tuple[TrialFault, ...]) -> Ran:
        """Return the plainest run with the same failing tasks: orchestrated, with no crash."""
        found = self._references.get(failures)
        if found is None:
            found = ran(self.subject, Trial(faults=failures))
            self._references[failures] = found
        return found

    def drawn(self, seed: int, *, cancels: bool) -> Trial:
        """Draw the trial of a seed."""
        if self._extent is None:
            far = [
                ran(self.subject, Trial(placement, apart=True))
                for placement in (orchestration(), choreography())
            ]
            self._extent = extent(self.subject.app, far)
        luck = Luck(Random(f"trial {seed}"), self.subject.app, self._extent)
        trial = luck.trial(seed)
        if cancels and luck.random.random() < 0.3:
            trial = replace(trial, faults=(*trial.faults, luck.cancel()))
        return trial

    def deaths(self) -> Iterator[Trial]:
        """Yield each trial that was run, dying at each commit of each host."""
        for trial, counts in list(self._commits):
            for host, commits in sorted(counts.items()):
                for nth in range(1, commits + 1):
                    for kind in (CommitLost, CommitUnanswered):
                        yield replace(trial, faults=(kind(host, nth, 0.0),))

    def _cut(self, found: Wrong) -> Wrong:
        """Leave out what the failure does not need, as long as that goes on."""
        left, until_s = CUTS_MAX, monotonic() + CUT_S_MAX
        while left > 0:
            for smaller in plainer(found.trial):
                left -= 1
                if left < 0 or monotonic() > until_s:
                    return found
                again = self.wrong(smaller)
                if again is not None and again.kind == found.kind:
                    found = again
                    break
            else:
                return found
        return found


@dataclass(frozen=True)
class Wrong:
    """A trial in which something is wrong, and the error that says what."""

    trial: Trial
    error: Exception

    @property
    def kind(self) -> object:
        """What it is, as far as two trials have the same: the promise, or the line of a check."""
        if isinstance(self.error, PromiseBroken):
            return self.error.promise
        trace = self.error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return type(self.error), trace.tb_lineno if trace is not None else 0


def a_workflow(given: Any) -> Workflow[..., object]:
    """Return what is given, if it is a workflow."""
    if isinstance(given, Workflow):
        return cast("Workflow[..., object]", given)
    raise ConfigurationError(
        "Only a workflow can be tried.",
        found=getattr(given, "__qualname__", repr(given)),
        expected="a function decorated with `@workflow`",
    )


def plainer(trial: Trial) -> Iterator[Trial]:
    """Yield trials with a fault less, or a plainer layout."""
    for number in range(len(trial.faults)):
        yield replace(trial, faults=trial.faults[:number] + trial.faults[number + 1 :])
    if trial.placed.name != "orchestration":
        yield replace(trial, placement="orchestration")
    if trial.apart:
        yield replace(trial, apart=False)
    if trial.dawdle_ms:
        yield replace(trial, dawdle_ms=0)
    if trial.seed:
        yield replace(trial, seed=0)


def told(trial: Trial, one: Broken, story: Iterable[str]) -> PromiseBroken:
    """Return the error for a promise that a trial did not keep."""
    rows = (("found", one.found), ("expected", one.expected), ("do", replay(trial)))
    lines = [f"Promise {one.promise} is not kept: {one.what}"]
    lines += [f"  {name:<9} {text}" for name, text in rows if text]
    return PromiseBroken("\n".join([*lines, *story]), trial=trial, promise=one.promise)


def replay(trial: Trial) -> str:
    """Return how a trial is run again by itself."""
    return f"check_trial(…, trial={trial!r})"
