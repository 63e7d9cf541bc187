"""Scenarios from seeds: classes of them, each with its workflows, systems and faults."""

from __future__ import annotations

from random import Random

from duetto.model.placement import Placement, choreography, hybrid, orchestration
from duetto.testing.simulation import blocks, faults
from duetto.testing.simulation.blocks import SERVICES, Shape
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.misfortune import PLACED, Misfortune, scattered
from duetto.testing.simulation.scenario import (
    ALONE,
    APART,
    PAIRED,
    Scenario,
    Stores,
)

CLASSES = (
    "simplest",
    "placements",
    "choices",
    "crashes",
    "storms",
    "networks",
    "stores",
    "tasks",
    "nodes",
    "operators",
    "everything",
)
"""What is drawn: `simplest` has a small workflow, one store and no fault; `placements` no choice
point, so that the outcome is a function of the input; the others are named by what goes wrong."""

WEIGHTS = (1, 2, 1, 2, 1, 3, 2, 2, 2, 2, 2)
"""How many of each twenty seeds are of each class."""

MIX = tuple(name for name, weight in zip(CLASSES, WEIGHTS, strict=True) for _ in range(weight))

WAITS_MATTER, WAITS_SHARE = ("networks", "operators"), 0.1
"""A `receive` or a sleep is short and rests where no message passes, so little befalls it by
chance: here one comes early, each in so many seeds."""

SHORT = Shape(choices=True, blocks_max=6, depth_max=3)


def kind_of(seed: int) -> str:
    """Return the class of a seed in the mix of all classes."""
    return MIX[seed % len(MIX)]


def draw(seed: int, kind: str) -> Scenario:
    """Draw a scenario; equal seeds draw equal ones."""
    random = Random(f"{kind} {seed}")
    block = blocks.draw(random, shape_of(kind))
    failing = random.choice((0, 0, 0.08, 0.2))
    home = "" if kind == "simplest" else random.choice(("", "", *SERVICES))
    typed = random.random() < 0.6
    stores, placements = system(random, kind)
    early = random.random() if kind in WAITS_MATTER else 1
    if early < WAITS_SHARE:
        block = blocks.Sequence((*travelling_receive(random), block))
    elif early < 2 * WAITS_SHARE:
        # Under orchestration too its children sleep elsewhere: at the app, and it is at its home.
        home = random.choice(SERVICES)
        block = blocks.Sequence((lost_race(random), block))
    return Scenario(
        block,
        stores,
        placements,
        tuple(drawn_faults(random, kind, stores)),
        seed,
        (seed, 0),
        kind,
        home,
        typed,
        failing,
        kind != "placements",
    )


def travelling_receive(random: Random) -> tuple[blocks.Block, ...]:
    """Return a `receive` behind a task."""
    step = blocks.Step(random.choice(PLACED), "x", "x")
    return step, blocks.Await(random.choice((20, 300, 3000)))


def lost_race(random: Random) -> blocks.Block:
    """Return a race lost by what sleeps behind a task, three times: a cancel is the only message
    that finds a token asleep, and many are late or lost before it is."""
    step = blocks.Step(f"{random.choice(SERVICES)}.plain")
    asleep = blocks.Sequence((step, blocks.Sleep(blocks.ENDLESS_MS)))
    return blocks.First((blocks.Each(3, asleep), blocks.Sleep(random.choice((20, 300, 3000)))))


def shape_of(kind: str) -> Shape:
    match kind:
        case "simplest":
            return SHORT
        case "placements":
            return Shape()
        case _:
            return Shape(choices=True)


def system(random: Random, kind: str) -> tuple[Stores, tuple[Placement, ...]]:
    """Draw stores, and a placement for each host: one of all, or every host its own."""
    if kind == "simplest":
        return ALONE, (random.choice(named(random)),)
    if kind == "placements" and random.random() < 0.7:
        placement = random.choice(named(random))
        stores = random.choice((ALONE, APART, APART, APART))
        return stores, (placement,) * len(stores)
    stores = random.choice((APART, APART, APART, PAIRED, ALONE))
    return stores, tuple(opinion(random) for _ in stores)


def named(random: Random) -> tuple[Placement, ...]:
    return (orchestration(), choreography(), hybrid("b"), hybrid("a", "c"), scattered(random))


def opinion(random: Random) -> Placement:
    return random.choice((orchestration(), choreography(), hybrid("b"), scattered(random)))


def drawn_faults(random: Random, kind: str, stores: Stores) -> list[Fault]:
    """Draw what goes wrong in a system, and when."""
    if kind == "simplest":
        return []
    dice = Misfortune(random, stores)
    found = [dice.move() for _ in range(random.randint(0, 6))]
    if random.random() < 0.6:
        found += dice.rough(random.choice((20, 100, 3000)))
    for host in range(len(stores)):
        if by_ms := random.choice((-40, -5, 0, 5, 40)):
            found.append(faults.ClockSkewed(host, by_ms))
    if kind not in ("placements", "storms") and random.random() < 0.15:
        found.append(faults.OperatorCancels(dice.instant_ms()))
    match kind:
        case "crashes":
            found += dice.some(dice.death, 4)
        case "storms":
            found += [dice.crash(6) for _ in range(random.randint(1, 5))]
        case "networks":
            found += dice.bad_network()
        case "stores":
            found += dice.some(dice.bad_commit, 4)
        case "tasks":
            found += dice.some(dice.bad_task, 6)
        case "nodes":
            found += dice.some(dice.bad_node, 3)
        case "operators":
            found += dice.some(dice.busy_operator, 5) + dice.some(dice.parking, 3)
            if random.random() < 0.5:
                found.append(faults.OperatorSkips(dice.instant_ms() / 10))
        case "everything":
            makers = (dice.death, dice.bad_commit, dice.bad_task, dice.bad_node)
            found += dice.some(lambda: random.choice((*makers, dice.busy_operator))(), 8)
            found += dice.bad_network() if random.random() < 0.3 else []
        case _:
            pass
    return found
