"""Scenarios of events from seeds: `facts` has handlers only, `mailboxes` runs as well, `windows`
what is gathered in the time of events."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from duetto.testing.simulation import faults
from duetto.testing.simulation.events.scenario import (
    EventScenario,
    Listening,
    Move,
    Publication,
    Say,
    Walking,
    Windowing,
)
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.misfortune import JUMPS_MS, Misfortune
from duetto.testing.simulation.scenario import ALONE

EVENT_CLASSES = ("facts", "mailboxes", "windows")

TOPICS = ("Red", "Green", "Blue", "Grey")
RECEIVED = ("Post", "Post", "Note", "Bell")
SERVICES = ("a", "b", "c")
KEYS = ("k", "l", "m")
"""Few, so that many events have one key, and their order matters."""

FOR_GOOD = 1000
"""As often as this a body fails until its event is mended."""

SPREAD_MS = (1, 60, 400, 3000)
"""Within how long everything is published: at once, or so that it mixes with what befalls it."""


def draw(seed: int, kind: str) -> EventScenario:
    """Draw a scenario; equal seeds draw equal ones."""
    random = Random(f"{kind} {seed}")
    dice = _Dice(random, kind)
    if kind == "windows":
        return dice.windowed(seed)
    handlers = dice.handlers()
    publications = dice.publications(handlers)
    walks = dice.walks() if kind == "mailboxes" else ()
    befalls = dice.faults()
    return EventScenario(handlers, publications, walks, befalls, seed, (seed, 0), kind, dice.room)


class _Dice:
    """Draws the parts of a scenario."""

    def __init__(self, random: Random, kind: str) -> None:
        self.random, self.kind = random, kind
        self.spread_ms = random.choice(SPREAD_MS)
        self.keys = KEYS[: random.randint(1, len(KEYS))]
        self.misfortune = Misfortune(random, ALONE)
        self.room = random.choice((0, 0, 0, 2, 3, 5))

    @property
    def said(self) -> tuple[str, ...]:
        """The topics of what may be published."""
        return (*TOPICS, "Post", "Note", "Spark", "Bell") if self.kind == "mailboxes" else TOPICS

    # -- who listens

    def handlers(self) -> tuple[Listening, ...]:
        """Draw handlers; the first listens to what is published first."""
        most = 4 if self.kind == "facts" else 2
        return tuple(self.handler(number) for number in range(self.random.randint(1, most)))

    def handler(self, number: int) -> Listening:
        random = self.random
        topics = random.sample(TOPICS, random.choice((1, 1, 2)))
        said = tuple(self.say() for _ in range(random.choice((0, 0, 1, 1, 2))))
        return Listening(
            random.choice(SERVICES),
            f"h{number}",
            tuple(topics),
            said,
            random.random() < 0.75,
            random.choice((0, 0, 0, 1, 2)),
            random.random() < 0.3,
        )

    def say(self) -> Say:
        random = self.random
        return Say(random.choice(self.said), random.choice(("", "", random.choice(self.keys))))

    # -- what is published, and which runs are started

    def publications(self, handlers: tuple[Listening, ...]) -> tuple[Publication, ...]:
        """Draw what comes from outside: mostly what somebody listens to."""
        random = self.random
        heard = [topic for each in handlers for topic in each.topics]
        if self.kind == "mailboxes":
            heard += [*RECEIVED, *RECEIVED, "Spark"]
        found: list[Publication] = []
        if self.room and self.kind == "facts":
            heard = heard[:1]  # many of one topic: so its handlers have no room for some of them
        most = 3 * self.room if self.room else 8
        for _ in range(random.randint(1, most)):
            topic = random.choice(heard)
            deaf = [each for each in handlers if topic in each.topics]
            poisons = random.choice(deaf).qualified if deaf and random.random() < 0.12 else ""
            at_ms = round(random.random() * self.spread_ms, 1)
            found.append(Publication(at_ms, topic, random.choice(self.keys), poisons))
        return tuple(found)

    def walks(self) -> tuple[Walking, ...]:
        """Draw runs."""
        return tuple(self.walk() for _ in range(self.random.randint(1, 4)))

    def walk(self) -> Walking:
        random = self.random
        moves = tuple(self.move() for _ in range(random.randint(1, 5)))
        return Walking(round(random.random() * self.spread_ms, 1), moves)

    def move(self) -> Move:
        random = self.random
        match random.randrange(6):
            case 0:
                return Move("sleep", "", "", random.choice((0.01, 0.1, 1.0, 2.5)))
            case 1 | 2:
                topic = random.choice(("Post", "Note", "Red", "Spark", "Bell"))
                return Move("emit", topic, random.choice(self.keys))
            case _:
                key = random.choice(("", *self.keys))
                seconds = random.choice((0.0, 0.05, 0.5, 3.0, 20.0))
                return Move("receive", random.choice(RECEIVED), key, seconds)

    # -- windows

    def windowed(self, seed: int) -> EventScenario:
        """Draw ticks, handlers that make tocks of them, and windows of both."""
        handlers = tuple(self.relay(number) for number in range(self.random.randint(1, 2)))
        windows = tuple(self.windowing(number) for number in range(self.random.randint(1, 2)))
        ticks = tuple(self.tick(number, handlers) for number in range(self.random.randint(1, 10)))
        ends_at_ms = round(self.spread_ms * self.random.choice((0.5, 1.0, 1.5)), 1)
        return EventScenario(
            handlers,
            ticks,
            (),
            self.faults(),
            seed,
            (seed, 0),
            "windows",
            windows=windows,
            ends_at_ms=ends_at_ms,
        )

    def relay(self, number: int) -> Listening:
        """Draw a handler that makes tocks of ticks: the first always does."""
        random = self.random
        says = (Say("Tock"),) if not number or random.random() < 0.5 else (Say("Grey"),)
        service, ordered = random.choice(SERVICES), random.random() < 0.75
        return Listening(service, f"h{number}", ("Tick",), says, ordered, random.choice((0, 0, 1)))

    def windowing(self, number: int) -> Windowing:
        random = self.random
        topic = random.choice(("Tick", "Tock", "Tock"))
        return Windowing(f"v{number}", topic, random.choice((-1, 0, 0, 5000, 20_000)))

    def tick(self, number: int, handlers: tuple[Listening, ...]) -> Publication:
        """Draw what happened at some time: mostly a moment after the one before."""
        random = self.random
        at_ms = round(random.random() * self.spread_ms, 1)
        behind_ms = random.choice((0, 0, 0, 3000, 12_000, 40_000))
        at = int(60_000 * at_ms / self.spread_ms) - behind_ms
        poisons = random.choice(handlers).qualified if random.random() < 0.15 else ""
        id = f"i{random.randrange(6)}" if random.random() < 0.4 else f"n{number}"
        rank = 100 * random.randrange(100) + number
        return Publication(at_ms, "Tick", random.choice(self.keys), poisons, at, id, rank)

    # -- what goes wrong

    def faults(self) -> tuple[Fault, ...]:
        """Draw what befalls it: nothing, one sort of it, or anything."""
        random = self.random
        if random.random() < 0.05:
            return ()
        makers: list[Callable[[], Fault]] = [
            self.misfortune.death,
            self.absence,
            self.misfortune.bad_commit,
            self.trouble,
            self.node,
            self.operator,
        ]
        if random.random() < 0.4:
            makers = random.sample(makers, 2)
        return tuple(
            fault
            for fault in (random.choice(makers)() for _ in range(random.randint(1, 7)))
            if not isinstance(fault, faults.RecordDamaged)
        )

    def absence(self) -> Fault:
        """Draw a death after which nobody is there for longer than a `Note` is kept."""
        away_ms = 1000 * (1 + 4 * self.random.random())
        return faults.CommitUnanswered(0, self.misfortune.nth(12), away_ms)

    def trouble(self) -> Fault:
        """Draw what befalls a body."""
        random = self.random
        service, nth = random.choice(SERVICES), self.misfortune.nth(6)
        match random.randrange(6):
            case 0 | 1:
                return faults.TaskRaises(service, nth, random.choice((1, 2, 3, 4, 6, FOR_GOOD)))
            case 2:
                return faults.TaskHangs(service, nth)
            case 3:
                return faults.TaskOutlastsTimeout(service, nth)
            case _:
                away_ms = random.random() * random.choice((10, 300))
                return faults.TaskKills(
                    service, nth, random.choice((1, 2, 4, 6, FOR_GOOD)), away_ms
                )

    def node(self) -> Fault:
        random, at_ms = self.random, self.misfortune.instant_ms()
        if random.random() < 0.2:
            return faults.ClockSkewed(0, random.choice((-40, 40)))
        if random.random() < 0.5:
            return faults.NodePauses(0, at_ms, random.random() * random.choice((100, 5000)))
        return faults.ClockJumps(0, at_ms, random.choice(JUMPS_MS))

    def operator(self) -> Fault:
        random, at_ms = self.random, self.misfortune.instant_ms()
        if random.random() < 0.3:
            return faults.OperatorDiscards(at_ms)
        if random.random() < 0.4:
            key = random.choice(("", *self.keys))
            return faults.OperatorReplays(at_ms, random.randrange(4), key)
        return faults.OperatorRedrives(at_ms, random.random() < 0.5, random.random() < 0.5)
