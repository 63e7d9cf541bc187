"""Single faults from chance: which, where and when."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from duetto.model.placement import Placement
from duetto.testing.simulation import blocks, faults
from duetto.testing.simulation.blocks import SERVICES
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.scenario import PARTICIPANTS, Stores

LINK_MESSAGES = 8
"""Most links carry fewer messages in a run; what comes above them is left alone."""

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
JUMPS_MS = (-HOUR_MS // 4, -3000, -100, 100, 3000, HOUR_MS, 3 * HOUR_MS)
LATES_MS = (5, 50, 400, 3_000, 40_000, 3 * DAY_MS, 9 * DAY_MS)
"""How late a message is: within a step, after its resending, after its run, after its retention."""

PLACED = tuple(f"{service}.{task}" for service in SERVICES for task in blocks.TASKS)


def scattered(random: Random) -> Placement:
    """Each task at a participant of its own, whatever its service."""
    where = {name: random.choice(PARTICIPANTS) for name in PLACED}
    return Placement("scattered", "", {}, where)


class Misfortune:
    """Draws faults for a system with these stores."""

    def __init__(self, random: Random, stores: Stores) -> None:
        self.random, self.stores = random, stores

    def some(self, draw: Callable[[], Fault], most: int) -> list[Fault]:
        """Draw at least one, and up to so many."""
        return [draw() for _ in range(self.random.randint(1, most))]

    # -- where and when

    def host(self) -> int:
        return self.random.randrange(len(self.stores))

    def instant_ms(self) -> float:
        """Most runs last less than half a second, some for minutes."""
        random = self.random
        return random.random() * random.choice((60, 400, 400, 3000))

    def nth(self, most: int) -> int:
        """A number from 1, the small ones more often."""
        return 1 + int(most * self.random.random() ** 2)

    def late_ms(self) -> float:
        return self.random.random() * self.random.choice(LATES_MS)

    # -- the broker

    def links(self) -> list[tuple[str, str]]:
        """Return all pairs of a sender and a receiver that do not share a store."""
        return [(min(names), to) for names in self.stores for to in PARTICIPANTS if to not in names]

    def rough(self, late_max_ms: float) -> list[Fault]:
        """A bad network: a quarter of the messages twice, some lost, half of them late."""
        random = self.random
        found: list[Fault] = []
        for link in self.links():
            for nth in range(1, LINK_MESSAGES + 1):
                if random.random() < 0.1:
                    found.append(faults.MessageLost(*link, nth))
                elif random.random() < 0.5:
                    late_ms = random.random() * late_max_ms
                    found.append(faults.MessageDelayed(*link, nth, late_ms))
                if random.random() < 0.25:
                    late_ms = random.random() * late_max_ms
                    found.append(faults.MessageDoubled(*link, nth, late_ms))
        return found

    def bad_network(self) -> list[Fault]:
        """Most messages fare badly, each in its own way; and hosts lose one another."""
        random = self.random
        found = [
            self.bad_message(*link, nth)
            for link in self.links()
            for nth in range(1, LINK_MESSAGES + 1)
            if random.random() < 0.7
        ]
        if len(self.stores) > 1:
            found += [self.cut() for _ in range(random.randint(1, 4))]
        return found

    def bad_message(self, source: str, to: str, nth: int) -> Fault:
        random, place = self.random, (source, to, nth)
        match random.randrange(7):
            case 0:
                return faults.MessageDoubled(*place, self.late_ms())
            case 1:
                return faults.MessageDelayed(*place, self.late_ms())
            case 2:
                return faults.MessageReordered(*place, 500 * random.random())
            case 3:
                return faults.MessageLost(*place)
            case 4:
                return faults.MessageUnconfirmed(*place)
            case 5:
                return faults.MessageRedelivered(*place, self.late_ms())
            case _:
                if random.random() < 0.5:
                    return faults.MessageLost(*place)
                return faults.MessageForgotten(*place)

    def cut(self) -> Fault:
        one, other = self.random.sample(range(len(self.stores)), 2)
        for_ms = self.random.random() * self.random.choice((100, 2000, 20_000))
        return faults.LinkCut(one, other, self.instant_ms(), for_ms)

    # -- stores and nodes

    def crash(self, within: int) -> Fault:
        """A process that dies at one of its host's first commits, `within` so many."""
        host, nth = self.host(), self.random.randint(1, within)
        away_ms = self.random.random() * 1000
        if self.random.random() < 0.6:
            return faults.CommitUnanswered(host, nth, away_ms)
        return faults.CommitLost(host, nth, away_ms)

    def death(self) -> Fault:
        """A process that dies: of a commit, or between any two steps."""
        if self.random.random() < 0.5:
            return self.crash(12)
        return faults.NodeDies(self.host(), self.nth(60), self.random.random() * 1000)

    def bad_commit(self) -> Fault:
        random, host, nth = self.random, self.host(), self.nth(12)
        for_ms = random.random() * random.choice((30, 300, 3000))
        match random.randrange(6):
            case 0:
                return faults.CommitSlow(host, nth, for_ms)
            case 1:
                return faults.CommitRefused(host, nth, for_ms)
            case 2:
                return faults.CommitFenced(host, nth, for_ms)
            case 3:
                return faults.StoreFilled(host, nth, random.randint(1, 3))
            case 4:
                return self.crash(12)
            case _:
                return faults.RecordDamaged(host, nth, for_ms, random.random() < 0.6)

    def bad_node(self) -> Fault:
        random, host, at_ms = self.random, self.host(), self.instant_ms()
        for_ms = random.random() * random.choice((100, 1000, 5000))
        match random.randrange(7):
            case 0:
                return faults.NodePauses(host, at_ms, for_ms)
            case 1:
                by_ms = random.choice(JUMPS_MS)
                return faults.ClockJumps(host, at_ms, by_ms)
            case 2:
                return faults.CodeLacksTask(host, at_ms, for_ms, random.choice(PLACED))
            case 3:
                return faults.CodeChangesTask(host, at_ms, for_ms, random.choice(PLACED))
            case 4:
                return faults.CodeIsNewer(host, at_ms, for_ms * 10)
            case 5:
                return faults.CodeIsOlder(host, at_ms, for_ms)
            case _:
                return self.death()

    # -- tasks

    def bad_task(self) -> Fault:
        random, service, nth = self.random, self.random.choice(SERVICES), self.nth(5)
        undo = random.random() < 0.4
        match random.randrange(6):
            case 0 | 1:
                return faults.TaskRaises(service, nth, random.randint(1, 4), undo)
            case 2:
                return faults.TaskHangs(service, nth, undo)
            case 3:
                return faults.TaskOutlastsTimeout(service, nth)
            case 4:
                return faults.TaskOutlastsCancel(service, nth)
            case _:
                away_ms = random.random() * 300
                return faults.TaskKills(service, nth, random.randint(1, 8), away_ms, undo)

    def parking(self) -> Fault:
        """Something that an operator has to see to."""
        random, service, nth = self.random, self.random.choice(SERVICES), self.nth(3)
        match random.randrange(3):
            case 0:
                return faults.TaskRaises(service, nth, random.randint(3, 7), True)
            case 1:
                undo, away_ms = random.random() < 0.5, random.random() * 100
                return faults.TaskKills(service, nth, random.randint(6, 8), away_ms, undo)
            case _:
                at_ms, for_ms = random.random() * 40, 300 + random.random() * 3000
                return faults.CodeLacksTask(self.host(), at_ms, for_ms, random.choice(PLACED))

    # -- operators

    def move(self) -> Fault:
        return faults.OperatorMoves(self.host(), self.instant_ms(), scattered(self.random))

    def busy_operator(self) -> Fault:
        random, at_ms = self.random, self.instant_ms()
        match random.randrange(8):
            case 0:
                return faults.OperatorCancels(at_ms)
            case 1:
                return faults.OperatorRetries(at_ms)
            case 2:
                return faults.OperatorResumes(at_ms)
            case 3 | 4:
                return faults.OperatorSkips(at_ms / 10)
            case 5:
                return self.move()
            case 6:
                return faults.OperatorStartsAgain(at_ms, random.random() < 0.5)
            case _:
                return faults.OperatorErrs(at_ms)
