"""One seed: its scenario is drawn, run in a world, and held against what was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count

from duetto.runtime.host import Host
from duetto.testing.simulation import Scenario, World, draw
from duetto.testing.simulation.coverage import Coverage
from duetto.testing.simulation.graphs import depth_of
from duetto.testing.simulation.timeline import Endless
from tests.simulation import promises
from tests.simulation.checks import Result, check, folded
from tests.simulation.promptness import Promptness
from tests.simulation.reference import Wrong

LOOK_EVERY = 5
"""One of so many seeds has its live state held against its journal, folded anew, at each commit;
another is asked for explanations all the while."""

FOLDS_MAX = 500
"""Commits of one run whose state is folded anew, each from the start of the journal: one that goes
round and round commits for ever, and the series would stand still with it."""

TURNS_BETWEEN = 13
"""Up to so many steps of all loops pass from one question to the next."""


class Counts:
    """What a series of seeds has covered."""

    def __init__(self) -> None:
        self.nodes: Counter[str] = Counter()
        self.depths: Counter[int] = Counter()
        self.systems: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.runs = self.crashes = self.undone = self.messages = 0

    def add(self, world: World, result: Result) -> None:
        """Count a run."""
        self.runs += 1
        self.crashes += sum(machine.boots - 1 for machine in world.machines)
        self.undone += len(world.effects.undone)
        self.messages += world.network.published
        self.systems[world.scenario.system] += 1
        self.outcomes[result.outcome[0]] += 1
        self.nodes.update(world.compiled.kinds)
        self.depths[depth_of(world.scenario.block)] += 1
        self.faults.update(type(strike.fault).__name__ for strike in world.strikes)

    def merge(self, other: Counts) -> None:
        """Add what another process has counted."""
        self.nodes += other.nodes
        self.depths += other.depths
        self.systems += other.systems
        self.outcomes += other.outcomes
        self.faults += other.faults
        self.runs, self.crashes = self.runs + other.runs, self.crashes + other.crashes
        self.undone, self.messages = self.undone + other.undone, self.messages + other.messages

    def text(self, kind: str) -> str:
        """Return the counts, a line for each kind of them."""
        return "\n".join(
            (
                f"{kind}: {self.runs} runs",
                f"  nodes {dict(self.nodes.most_common())}",
                f"  depths {dict(sorted(self.depths.items()))}",
                f"  systems {dict(self.systems)}",
                f"  outcomes {dict(self.outcomes)}",
                f"  faults {dict(self.faults.most_common())}",
                f"  {self.crashes} crashes, {self.undone} undone, {self.messages} messages",
            )
        )


def hold(
    scenario: Scenario,
    counts: Counts | None = None,
    *,
    prepare: Callable[[World], object] | None = None,
    coverage: Coverage | None = None,
) -> Result:
    """Run a scenario, and hold it against every promise. Raises Wrong.

    `prepare` is called with the world before anything happens in it; what struck is covered,
    whether a promise is broken or not.
    """
    world = World(scenario)
    try:
        with world:
            result = held(world, prepare)
    finally:
        if coverage is not None:
            coverage.add(world.strikes)
    if counts is not None:
        counts.add(world, result)
    return result


def held(world: World, prepare: Callable[[World], object] | None) -> Result:
    """Run a world to its end, and ask everything of it."""
    seed, promptness = world.scenario.seed, Promptness(world)
    if prepare is not None:
        prepare(world)
    if seed % LOOK_EVERY == 0:
        world.on_commit = folding(world)
    if seed % LOOK_EVERY == 1:
        world.timeline.watched = lambda: promises.explained(world)
        world.timeline.watched_every = 1 + seed % TURNS_BETWEEN
    try:
        outcome = world.run()
    except Endless as endless:
        raise Wrong(3, str(endless)) from endless
    if outcome is not None:
        promises.history_tells_all(world)
    world.settle()
    result = check(world, outcome)
    promptness.check()
    promises.started_once(world)
    promises.taken_once(world)
    promises.parked_for_a_reason(world)
    promises.definition_kept(world)
    promises.refusals_say_what_to_do(world)
    promises.outcome_stored(world)
    world.age()
    promises.swept(world)
    return result


def folding(world: World) -> Callable[[int, Host], None]:
    """Return what holds the live state of a host against its journal, at each commit."""
    folds = count()

    def fold(number: int, host: Host) -> None:
        if next(folds) < FOLDS_MAX:
            folded(world, number, host)

    return fold


def trial(
    seed: int, kind: str, counts: Counts | None = None, coverage: Coverage | None = None
) -> Result:
    """Draw and hold the scenario of a seed. Raises Wrong."""
    return hold(draw(seed, kind), counts, coverage=coverage)
