"""Trials from seeds: a placement, and faults where the run of a workflow comes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from random import Random

from msgspec import Struct

from duetto.app import App
from duetto.model.placement import Placement, choreography, hybrid, orchestration, parse
from duetto.testing.simulation import faults as f
from duetto.testing.strikes import Link, TrialFault
from duetto.testing.trials import Ran, Trial

FOR_GOOD = 1_000
"""More attempts than any task has."""

FAULTS_MAX = 5
"""A run comes by few of them; more hide each other."""

MORE = 2
"""So many more commits and messages than a run takes without faults are drawn from as well."""

DAWDLES_MS = (0, 0, 20, 400)
"""How much longer bodies may take: not at all, or so that others overtake them."""

ROUGH = 0.3
"""The share of trials whose network is bad as well."""

LATES_MS = (0.0, 1.0, 40.0, 3_000.0, 3_600_000.0)
"""How late a message comes: at once, behind the next ones, behind resends, behind long waits."""

AWAY_MS = (0.0, 5.0, 2_000.0, 600_000.0)


class Extent(Struct, frozen=True):
    """How far a run goes: by service how many keys it runs, by link how many messages it sends,
    and how long it lasts."""

    services: dict[str, int]
    links: dict[Link, int]
    lasts_ms: int

    @property
    def bodies(self) -> int:
        """How many keys in all."""
        return sum(self.services.values())


def extent(app: App, runs: Iterable[Ran]) -> Extent:
    """Return how far runs went, the farthest of each."""
    services, links, lasts_ms = Counter[str](), Counter[Link](), 0
    for ran in runs:
        keys = {call.key: call.task.partition(".")[0] for call in ran.made}
        services |= Counter(keys.values())
        links |= Counter(ran.links)
        lasts_ms = max(lasts_ms, ran.lasted_ms)
    return Extent({name: services[name] for name in app.services}, dict(links), lasts_ms)


def named_placements(app: App) -> list[Placement]:
    """Return both ends of the dial, each service on its own, every second one, the app's own."""
    names = list(app.services)
    found = [orchestration(), choreography(), *(hybrid(name) for name in names)]
    found += [hybrid(*names[::2]), app.placement] if names else [app.placement]
    return list({placement.name: placement for placement in found}.values())


def placed(places: Mapping[str, str]) -> Placement:
    """Return the placement that has a participant for each task; `app` is the app itself."""
    return parse(",".join(f"{task}={place}" for task, place in places.items()))


def scattered(random: Random, app: App) -> Placement:
    """Draw a participant for each task."""
    participants = ["app", *app.services]
    return placed({task: random.choice(participants) for task in app.tasks})


class Luck:
    """Draws the trials of an app."""

    def __init__(self, random: Random, app: App, extent: Extent) -> None:
        self.random, self.app, self.extent = random, app, extent
        self.participants = ["", *app.services]
        self.dawdle_ms = 0

    def trial(self, seed: int) -> Trial:
        """Draw a trial."""
        random = self.random
        apart = random.random() < 0.7
        placement = (
            scattered(random, self.app)
            if self.app.tasks and random.random() < 0.3
            else random.choice(named_placements(self.app))
        )
        self.dawdle_ms = random.choice(DAWDLES_MS)
        makers = self.makers(apart=apart)
        number = random.choice((0, 1, 1, 2, 2, 3, FAULTS_MAX))
        drawn = [random.choice(makers)() for _ in range(number)]
        if apart and self.extent.links and random.random() < ROUGH:
            drawn += [self.message() for _ in range(random.randint(2, FAULTS_MAX))]
        faults = [fault for n, fault in enumerate(drawn) if fault not in drawn[:n]]
        return Trial(placement, apart, tuple(faults), self.dawdle_ms, seed)

    def makers(self, *, apart: bool) -> list[Callable[[], TrialFault]]:
        """Return what draws faults that strike an app laid out so."""
        found: list[Callable[[], TrialFault]] = [
            lambda: self.crash(apart=apart),
            lambda: self.crash(apart=apart),
            self.move,
        ]
        if self.extent.bodies:
            found += [self.failure, self.kill]
        if apart and self.extent.links:
            found += [self.message] * 3
        return found

    def crash(self, *, apart: bool) -> f.CommitLost | f.CommitUnanswered:
        """Draw a death at some commit."""
        random = self.random
        host = random.randrange(len(self.participants)) if apart else 0
        kind = random.choice((f.CommitLost, f.CommitUnanswered))
        return kind(host, random.randint(1, self.extent.bodies + MORE), random.choice(AWAY_MS))

    def failure(self) -> f.TaskRaises:
        """Draw a task that fails: at first, or for good; or a compensation that fails at first."""
        random = self.random
        undo = random.random() < 0.2
        service, keys = self._service()
        times = 1 if undo else random.choice((1, 1, FOR_GOOD))
        return f.TaskRaises(service, random.randint(1, keys), times, undo)

    def kill(self) -> f.TaskKills:
        """Draw a task that kills its process."""
        service, keys = self._service()
        nth, times = self.random.randint(1, keys), self.random.choice((1, 1, 2))
        return f.TaskKills(service, nth, times, self.random.choice(AWAY_MS))

    def _service(self) -> tuple[str, int]:
        """Draw a service, and how many keys it runs."""
        found = [(name, count) for name, count in self.extent.services.items() if count]
        return self.random.choice(found)

    def message(self) -> TrialFault:
        """Draw what befalls a message."""
        random = self.random
        (source, to), count = random.choice(list(self.extent.links.items()))
        nth, late_ms = random.randint(1, count + MORE), random.choice(LATES_MS)
        match random.randrange(6):
            case 0:
                return f.MessageDoubled(source, to, nth, late_ms)
            case 1:
                return f.MessageDelayed(source, to, nth, late_ms)
            case 2:
                return f.MessageReordered(source, to, nth, late_ms)
            case 3:
                return f.MessageLost(source, to, nth)
            case 4:
                return f.MessageUnconfirmed(source, to, nth)
            case _:
                return f.MessageRedelivered(source, to, nth, late_ms)

    def move(self) -> f.OperatorMoves:
        """Draw a change of placement with the run in flight."""
        random = self.random
        placement = random.choice(named_placements(self.app))
        host = random.randrange(len(self.participants))
        return f.OperatorMoves(host, self.instant_ms(), placement)

    def cancel(self) -> f.OperatorCancels:
        """Draw a cancel from outside."""
        return f.OperatorCancels(self.instant_ms())

    def instant_ms(self) -> float:
        """Draw an instant within the run."""
        works_ms = self.extent.bodies * self.dawdle_ms / 2
        most_ms = works_ms if self.random.random() < 0.5 else works_ms + self.extent.lasts_ms
        return round(self.random.uniform(0, most_ms), 1)
